//! How long each step and each crate's tests may take, from `xtask/budget.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::failure::Failure;
use crate::running::Running;
use crate::tree::Tree;

pub(crate) const PATH: &str = "xtask/budget.toml";

/// What `cargo xtask ci` as a whole may take on two cores from a clean
/// checkout: somebody who waits longer stops running it.
pub(crate) const WHOLE_RUN: u64 = 20 * 60;

/// Seconds by name.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    pub(crate) steps: BTreeMap<String, u64>,
    pub(crate) tests: BTreeMap<String, u64>,
}

impl Budget {
    pub(crate) fn of(tree: &Tree) -> Result<Self, Failure> {
        let remedy = format!("{PATH} holds the tables [steps] and [tests] of whole seconds");
        let text =
            tree.text(PATH).ok_or_else(|| Failure::new(format!("{PATH} is missing"), &remedy))?;
        let table: toml::Table =
            text.parse().map_err(|error| Failure::new(format!("{PATH}: {error}"), &remedy))?;
        let seconds = |name: &str| -> Result<BTreeMap<String, u64>, Failure> {
            let mut rows = BTreeMap::new();
            for (key, value) in
                table.get(name).and_then(toml::Value::as_table).into_iter().flatten()
            {
                let value = value
                    .as_integer()
                    .and_then(|value| u64::try_from(value).ok())
                    .ok_or_else(|| {
                        Failure::new(
                            format!("{PATH}: {name}.{key} is no number of seconds"),
                            &remedy,
                        )
                    })?;
                rows.insert(key.clone(), value);
            }
            Ok(rows)
        };
        Ok(Self { steps: seconds("steps")?, tests: seconds("tests")? })
    }

    pub(crate) fn step(&self, name: &str, took: Duration) -> Verdict {
        Verdict { took, budget: self.steps.get(name).copied() }
    }

    /// What a step that hangs may take before it is stopped.
    pub(crate) fn limit_of_step(&self, name: &str) -> Duration {
        limit(self.steps.get(name))
    }

    /// What the tests of a package may take before they are stopped.
    pub(crate) fn limit_of_tests(&self, package: &str) -> Duration {
        limit(self.tests.get(package))
    }

    pub(crate) fn tests_of(&self, package: &str, took: Duration) -> Verdict {
        Verdict { took, budget: self.tests.get(package).copied() }
    }
}

/// Twice the budget, so that what is merely too slow is told as such; and then
/// so long that a test which hung at the very end still gets to be named.
fn limit(budget: Option<&u64>) -> Duration {
    let seconds = budget.map_or(WHOLE_RUN, |budget| 2 * budget);
    Duration::from_secs(seconds + Running::TOLD_AFTER * 3 / 2)
}

/// A time beside its budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) took: Duration,
    pub(crate) budget: Option<u64>,
}

impl Verdict {
    /// Over means by more than half: a shared machine is noisy, and a budget
    /// that cries wolf is soon ignored.
    pub(crate) fn is_over(self) -> bool {
        self.budget.is_some_and(|budget| self.took > Duration::from_secs(budget) * 3 / 2)
    }

    /// The line that tells of an exceeded budget, where it is.
    pub(crate) fn complaint(self, name: &str) -> Option<String> {
        self.is_over().then(|| {
            format!("{name} took {self}, more than 1.5 times; make it faster, or raise it in {PATH} and say why in the commit")
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.took.as_secs_f64())?;
        match self.budget {
            Some(budget) => write!(f, " of {budget} s"),
            None => f.write_str(", no budget"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(text: &str) -> Result<Budget, Failure> {
        Budget::of(&Tree::from_texts(&[(PATH, text)]))
    }

    #[test]
    fn one_and_a_half_times_is_still_within() {
        let budget = budget("[steps]\nfmt = 10\n").unwrap();
        assert!(!budget.step("fmt", Duration::from_millis(15_000)).is_over());
        let over = budget.step("fmt", Duration::from_millis(15_001));
        assert!(over.is_over());
        assert!(over.complaint("fmt").unwrap().contains("15.0 s of 10 s"));
    }

    #[test]
    fn a_time_without_a_budget_says_so_and_is_not_over() {
        let verdict = budget("").unwrap().tests_of("new", Duration::from_secs(9999));
        assert!(!verdict.is_over());
        assert_eq!(verdict.to_string(), "9999.0 s, no budget");
    }

    #[test]
    fn what_hangs_is_stopped_after_it_was_over_budget_and_could_be_named() {
        let budget = budget("[steps]\nfmt = 10\n[tests]\na = 30\n").unwrap();
        assert_eq!(budget.limit_of_step("fmt"), Duration::from_secs(110));
        assert_eq!(budget.limit_of_tests("a"), Duration::from_secs(150));
        assert_eq!(budget.limit_of_tests("new"), Duration::from_secs(WHOLE_RUN + 90));
    }

    #[test]
    fn refuses_what_is_no_number_of_seconds() {
        for text in ["[steps]\nfmt = \"soon\"\n", "[tests]\na = -1\n", "[steps"] {
            assert!(budget(text).is_err(), "{text}");
        }
    }
}
