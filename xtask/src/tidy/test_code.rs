//! Tests neither hide nor sleep.

use super::Finding;
use super::rust_text::{code_only, is_word};
use crate::tree::Tree;

/// What a line says that sleeps all the same, before its reason.
const EXCUSE: &str = "// tidy: sleep - ";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.sources() {
        let code = code_only(text);
        let tests_from = first_line_of_tests(path, &code);
        for (index, (line, code)) in text.lines().zip(code.lines()).enumerate() {
            if code.contains("#[ignore") {
                findings.push(Finding::at_line(
                    path,
                    index,
                    "a test that nobody runs proves nothing: make it fit the gate, or take it out",
                ));
            }
            let excused =
                line.split_once(EXCUSE).is_some_and(|(_, reason)| !reason.trim().is_empty());
            if index >= tests_from && sleeps(code) && !excused {
                findings.push(Finding::at_line(
                    path,
                    index,
                    format!("wait for the event or pause the clock; where neither can be, `{EXCUSE}REASON` ends the line"),
                ));
            }
        }
    }
    findings
}

/// Where the test code of a file begins: at once below a folder `tests` and in
/// a file `tests.rs`; elsewhere at the unit tests, which end a file.
fn first_line_of_tests(path: &str, code: &str) -> usize {
    let is_test_file = path.split('/').any(|part| part == "tests" || part == "tests.rs");
    if is_test_file {
        return 0;
    }
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let unit_tests =
        lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    unit_tests.unwrap_or(usize::MAX)
}

/// Whether a line calls a function `sleep`, by whatever path. A method is a
/// seam's, on which a test has its fake.
fn sleeps(code: &str) -> bool {
    code.match_indices("sleep").any(|(at, word)| {
        let before = code[..at].trim_end();
        let is_whole = !code[..at].ends_with(|c: char| c.is_ascii() && is_word(c as u8));
        let is_called = code[at + word.len()..].starts_with('(');
        is_whole && is_called && !before.ends_with('.') && !before.ends_with("fn")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    const TEST: &str = "tests/tests/agent.rs";
    const SOURCE: &str = "crates/lyra-retry/src/wait.rs";

    #[test]
    fn an_ignored_test_is_found_everywhere() {
        for ignore in ["#[ignore]", "#[ignore = \"slow\"]"] {
            let text = format!("#[test]\n{ignore}\nfn a() {{}}\n");
            assert_finds(check, &good_tree().with(TEST, &text), "agent.rs:2: ");
            assert_finds(check, &good_tree().with(SOURCE, &text), "wait.rs:2: ");
        }
        assert!(check(&good_tree().with(SOURCE, "// #[ignore] is refused\n")).is_empty());
    }

    #[test]
    fn a_sleeping_test_is_found_by_any_path() {
        for call in ["std::thread::sleep(d)", "tokio::time::sleep(d).await", "sleep(d)"] {
            assert_finds(
                check,
                &good_tree().with(TEST, &format!("fn a() {{ {call}; }}\n")),
                "agent.rs:1: ",
            );
            let unit = format!(
                "fn a() {{}}\n\n#[cfg(test)]\nmod tests {{\n    fn b() {{ {call}; }}\n}}\n"
            );
            assert_finds(check, &good_tree().with(SOURCE, &unit), "wait.rs:5: ");
        }
    }

    #[test]
    fn what_is_no_sleeping_test_is_not_found() {
        for line in [
            "clock.sleep(d);",
            "fn sleep(d: Duration) {}",
            "no_sleep(d);",
            "// sleep(d)",
            "let s = \"sleep(d)\";",
        ] {
            assert!(check(&good_tree().with(TEST, line)).is_empty(), "{line}");
        }
        // A library may wait; only its tests may not.
        assert!(check(&good_tree().with(SOURCE, "fn a() { std::thread::sleep(d); }\n")).is_empty());
    }

    #[test]
    fn an_excuse_needs_its_reason() {
        let line = format!("fn a() {{ sleep(d); }} {EXCUSE}");
        assert_finds(check, &good_tree().with(TEST, &line), "REASON");
        assert!(
            check(
                &good_tree()
                    .with(TEST, &format!("{line}the lock file's age is counted in real time"))
            )
            .is_empty()
        );
    }
}
