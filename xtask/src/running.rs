//! Which tests are under way, read from what `cargo test` writes.

use crate::failure::Failure;
use crate::run::Call;

/// The tests that are known to run. A harness tells of one when it has run for
/// a minute, and of each when it begins where it runs them one by one.
#[derive(Debug, Default)]
pub(crate) struct Running {
    harness: Option<String>,
    tests: Vec<String>,
}

impl Running {
    /// How long a harness waits before it tells that a test still runs.
    pub(crate) const TOLD_AFTER: u64 = 60;

    pub(crate) fn see(&mut self, line: &str) {
        if let Some(harness) = harness(line) {
            *self = Self { harness: Some(harness.to_owned()), tests: Vec::new() };
        } else if let Some((before, _)) = line.split_once(" has been running for over ") {
            // In its short form a harness writes a mark for each test before it.
            let test = before.trim_start_matches(['.', 'F', 'i']);
            self.begun(test.strip_prefix("test ").unwrap_or(test));
        } else if let Some((test, outcome)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ..."))
        {
            match outcome.trim() {
                "" => self.begun(test),
                _ => self.tests.retain(|running| running != test),
            }
        }
    }

    fn begun(&mut self, test: &str) {
        if !self.tests.iter().any(|running| running == test) {
            self.tests.push(test.to_owned());
        }
    }

    pub(crate) fn tests(&self) -> &[String] {
        &self.tests
    }

    /// Of a call that was stopped at its limit.
    pub(crate) fn failure(&self, call: &Call) -> Failure {
        let harness = self.harness.as_deref().unwrap_or("what comes before the first harness");
        let (what, remedy) = match self.tests.as_slice() {
            [] => (
                format!("in {harness}, which names no test that runs"),
                "it hung before or after its tests, or a process that one left behind holds its output open",
            ),
            tests => (
                format!("in {harness}, still running: {}", tests.join(", ")),
                "bound every wait of these tests, so that they fail and say what they waited for",
            ),
        };
        Failure::new(format!("`{}` hung and was stopped {what}", call.line()), remedy)
    }
}

/// Reads `Running tests/kill.rs (target/…)` and `Doc-tests lyra_retry`, which
/// cargo writes before a harness.
fn harness(line: &str) -> Option<&str> {
    let line = line.trim_start();
    match line.strip_prefix("Running ") {
        Some(rest) => rest.split_once(" (").map(|(harness, _)| harness),
        None => line.starts_with("Doc-tests ").then_some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(lines: &[&str]) -> Running {
        let mut running = Running::default();
        lines.iter().for_each(|line| running.see(line));
        running
    }

    fn told(running: &Running) -> String {
        running.failure(&Call::cargo(&["test"])).to_string()
    }

    #[test]
    fn a_test_that_runs_for_over_a_minute_is_known_until_it_ends() {
        let slow = "test a::slow has been running for over 60 seconds";
        let lines =
            ["     Running tests/kill.rs (target/debug/deps/kill-0a)", "test b ... ok", slow];
        let told = told(&running(&lines));
        assert!(told.contains("stopped in tests/kill.rs, still running: a::slow\n"), "{told}");
        assert_eq!(running(&[slow, "test a::slow ... ok"]).tests(), [""; 0]);
    }

    #[test]
    fn where_tests_run_one_by_one_the_one_that_began_is_known() {
        assert_eq!(running(&["test a ... ok", "test b ..."]).tests(), ["b"]);
        assert_eq!(running(&["test a ...", "test a ... FAILED"]).tests(), [""; 0]);
        let twice = ["test a ...", "test a has been running for over 60 seconds"];
        assert_eq!(running(&twice).tests(), ["a"]);
    }

    #[test]
    fn the_short_form_is_read_too() {
        let line = "..F.itest a has been running for over 60 seconds";
        assert_eq!(running(&[line]).tests(), ["a"]);
    }

    #[test]
    fn the_next_harness_begins_anew() {
        let line = "test a has been running for over 60 seconds";
        let told = told(&running(&[line, "   Doc-tests lyra_retry"]));
        assert!(told.contains("in Doc-tests lyra_retry, which names no test"), "{told}");
        let doc = "test src/lib.rs - Policy (line 3) has been running for over 60 seconds";
        assert_eq!(running(&[doc]).tests(), ["src/lib.rs - Policy (line 3)"]);
    }
}
