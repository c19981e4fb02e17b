//! What the steps found besides success or failure: tests counted, parts
//! skipped, budgets exceeded.

use std::fmt;

use crate::budget::Verdict;

/// Collected while the steps run, so that it is complete even where one fails.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Filled by the step `test`; stays `None` where that step did not run.
    pub(crate) tests: Option<Tally>,
    pub(crate) skipped: Vec<Skipped>,
    /// One line per budget that was exceeded by more than half.
    pub(crate) over: Vec<String>,
    /// Seconds of each crate's tests, for the closing table.
    pub(crate) crates: Vec<(String, Verdict)>,
}

/// A part that did not run: its name, why, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Skipped {
    pub(crate) what: String,
    pub(crate) why: String,
}

impl Skipped {
    pub(crate) const MARK: &'static str = "SKIPPED ";

    /// Reads back a line as [`Display`](fmt::Display) writes it. A test that
    /// can't run its real part says so in such a line, written straight to
    /// standard error, because the test harness swallows what `println!` says
    /// in a test that passes.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (what, why) = line.strip_prefix(Self::MARK)?.split_once(": ")?;
        Some(Self { what: what.to_owned(), why: why.to_owned() })
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", Self::MARK, self.what, self.why)
    }
}

/// Tests counted over all harnesses of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Reads the closing line of one test harness, `test result: ok. 5 passed;
    /// 0 failed; 1 ignored; …`; any other line is `None`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
        let mut tally = Self::default();
        for part in counts.split(';') {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => tally.passed = count.parse().ok()?,
                Some((count, "failed")) => tally.failed = count.parse().ok()?,
                Some((count, "ignored")) => tally.skipped = count.parse().ok()?,
                _ => {}
            }
        }
        Some(tally)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_the_closing_lines_of_harnesses() {
        let mut sum = Tally::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.05s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            sum.add(Tally::parse(line).unwrap());
        }
        assert_eq!(sum.to_string(), "16 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn reads_no_count_from_other_lines() {
        for line in ["test a::b ... ok", "running 3 tests", "test result: ok", ""] {
            assert_eq!(Tally::parse(line), None, "{line}");
        }
    }

    #[test]
    fn says_nothing_of_skipped_tests_where_there_are_none() {
        let tally = Tally { passed: 3, ..Tally::default() };
        assert_eq!(tally.to_string(), "3 passed, 0 failed");
    }

    #[test]
    fn reads_back_a_skipped_line() {
        let line = "SKIPPED redis: no `redis-server` on the path; get it with `apt-get install redis-server`";
        let skipped = Skipped::parse(line).unwrap();
        assert_eq!(skipped.what, "redis");
        assert_eq!(skipped.to_string(), line);
        assert_eq!(Skipped::parse("it was SKIPPED: yes"), None);
    }
}
