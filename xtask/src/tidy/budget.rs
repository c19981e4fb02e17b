//! Each step and each crate's tests have a budget, and together they fit.

use super::Finding;
use crate::budget::{Budget, PATH, WHOLE_RUN};
use crate::steps::STEPS;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let budget = match Budget::of(tree) {
        Ok(budget) => budget,
        Err(failure) => return vec![Finding::new(PATH, failure.to_string())],
    };
    let steps = STEPS.iter().map(|step| step.name).filter(|name| !budget.steps.contains_key(*name));
    let packages = tree.packages().iter().map(|package| package.name.as_str());
    let packages = packages.filter(|name| !budget.tests.contains_key(*name));
    let mut findings: Vec<Finding> = steps
        .map(|name| ("steps", name))
        .chain(packages.map(|name| ("tests", name)))
        .map(|(table, name)| Finding::new(PATH, format!("[{table}] lacks `{name}`, in seconds")))
        .collect();
    let all: u64 = budget.steps.values().sum();
    if all > WHOLE_RUN {
        findings.push(Finding::new(
            PATH,
            format!("the steps add up to {all} s, but a run takes at most {WHOLE_RUN} s: something gives way"),
        ));
    }
    let tests: u64 = budget.tests.values().sum();
    let step = budget.steps.get("test").copied().unwrap_or_default();
    if tests > step {
        findings.push(Finding::new(
            PATH,
            format!(
                "the tests of the crates add up to {tests} s, but the step `test` has {step} s"
            ),
        ));
    }
    findings
}

#[cfg(test)]
pub(super) fn generous() -> String {
    let steps: String = STEPS.iter().map(|step| format!("{} = 100\n", step.name)).collect();
    let packages = [
        "lyra-errors",
        "lyra-retry",
        "lyra-memstore",
        "lyra-kit",
        "lyra-cli",
        "lyra-tests",
        "xtask",
    ];
    let tests: String = packages.iter().map(|name| format!("{name} = 10\n")).collect();
    format!("[steps]\n{steps}[tests]\n{tests}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    #[test]
    fn a_step_or_a_crate_without_a_budget_is_found() {
        let tree = good_tree();
        assert_finds(check, &tree.replace(PATH, "fmt = 100\n", ""), "[steps] lacks `fmt`");
        assert_finds(check, &tree.replace(PATH, "xtask = 10\n", ""), "[tests] lacks `xtask`");
        assert_finds(check, &tree.with(PATH, "[steps]\nfmt = \"soon\"\n"), "no number of seconds");
    }

    #[test]
    fn budgets_that_do_not_fit_together_are_found() {
        let tree = good_tree();
        assert_finds(check, &tree.replace(PATH, "fmt = 100", "fmt = 600"), "something gives way");
        assert_finds(check, &tree.replace(PATH, "xtask = 10", "xtask = 90"), "add up to 150 s");
    }
}
