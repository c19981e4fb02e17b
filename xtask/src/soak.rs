//! `soak`, the tier of long runs, and `repro`, which repeats one failure.
//!
//! There is no list of soaks: a test is one by reading its dose from
//! [`DOSE`], so it is the same test in the gate and here. One that reads
//! [`SEED`] can be repeated.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::failure::Failure;
use crate::run::Call;
use crate::tree::Tree;
use crate::workspace::Workspace;

/// By how much the doses of the gate are multiplied; 1 where it is not set.
const DOSE: &str = "LYRA_SOAK";
/// Where a test begins its random numbers; its own choice where it is not set.
const SEED: &str = "LYRA_TEST_SEED";

/// A hundred times the gate's: what takes seconds there takes minutes here.
pub(crate) const FACTOR: u64 = 100;

/// Runs every test that takes doses, with `factor` times the gate's.
pub(crate) fn run(workspace: &Workspace, factor: u64) -> Result<(), Failure> {
    // As random as the tests' own; what counts is that it is told.
    let seed = RandomState::new().build_hasher().finish();
    println!("seed {seed}");
    let remedy = format!(
        "where a failure above names a seed of its own, `cargo xtask repro` with it repeats it at once; otherwise `{DOSE}={factor} cargo xtask repro {seed}`"
    );
    let calls = targets(&workspace.tree, DOSE).into_iter().map(|target| {
        let call = target.call(&["--profile", "soak"]);
        call.env(DOSE, &factor.to_string()).env(SEED, &seed.to_string())
    });
    all(workspace, calls, &remedy)
}

/// Runs every test that takes a seed, with this one.
pub(crate) fn repeat(workspace: &Workspace, seed: u64) -> Result<(), Failure> {
    let calls = targets(&workspace.tree, SEED).into_iter().map(|target| {
        let call = target.call(&[]);
        call.env(SEED, &seed.to_string())
    });
    all(workspace, calls, "it fails with this seed: mend what the tests above name")
}

fn all(
    workspace: &Workspace,
    mut calls: impl Iterator<Item = Call>,
    remedy: &str,
) -> Result<(), Failure> {
    calls.try_for_each(|call| call.must(&workspace.root, remedy))
}

/// What `cargo test` runs as one program.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target<'a> {
    package: &'a str,
    /// The words that pick it among the package's.
    pick: Vec<&'a str>,
}

impl Target<'_> {
    fn call(&self, words: &[&str]) -> Call {
        let package = ["test", "-p", self.package, "--all-features"];
        Call::cargo(&[&package, words, &self.pick].concat())
    }
}

/// Those whose sources name `variable` as a whole string.
fn targets<'a>(tree: &'a Tree, variable: &str) -> BTreeSet<Target<'a>> {
    let literal = format!("\"{variable}\"");
    let mut targets = BTreeSet::new();
    for package in tree.packages().iter().filter(|package| package.name != "xtask") {
        for (path, text) in tree.sources() {
            let below = path.strip_prefix(package.dir.as_str());
            let Some(file) = below.and_then(|rest| rest.strip_prefix('/')) else { continue };
            if text.contains(&literal) {
                targets.insert(Target { package: &package.name, pick: pick(file) });
            }
        }
    }
    targets
}

fn pick(file: &str) -> Vec<&str> {
    match file.strip_prefix("tests/").and_then(|rest| rest.strip_suffix(".rs")) {
        // Shared by the targets beside it.
        Some(name) if name.contains('/') => vec!["--tests"],
        Some(name) => vec!["--test", name],
        None => vec!["--lib"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn lines(files: &[(&str, &str)], variable: &str) -> Vec<String> {
        let mut texts = vec![
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\", \"xtask\"]"),
            ("crates/a/Cargo.toml", "package.name = \"a\""),
            ("xtask/Cargo.toml", "package.name = \"xtask\""),
        ];
        texts.extend_from_slice(files);
        let tree = Tree::from_texts(&texts);
        targets(&tree, variable).iter().map(|target| target.call(&[]).line()).collect()
    }

    #[test]
    fn a_test_that_reads_the_variable_is_run_and_no_other() {
        let reads = "std::env::var(\"LYRA_SOAK\")";
        let files = [
            ("crates/a/tests/long.rs", reads),
            ("crates/a/tests/short.rs", "// not of LYRA_SOAK"),
            ("crates/a/src/inner/deep.rs", reads),
            ("xtask/src/soak.rs", reads),
        ];
        assert_eq!(
            lines(&files, DOSE),
            ["cargo test -p a --all-features --lib", "cargo test -p a --all-features --test long"]
        );
        assert_eq!(lines(&files, SEED), [""; 0]);
    }

    #[test]
    fn what_several_targets_share_runs_them_all_once() {
        let reads = "var(\"LYRA_TEST_SEED\")";
        let files =
            [("crates/a/tests/support/dice.rs", reads), ("crates/a/tests/support/more.rs", reads)];
        assert_eq!(lines(&files, SEED), ["cargo test -p a --all-features --tests"]);
    }

    #[test]
    fn this_workspace_has_random_schedules_to_soak_and_to_repeat() {
        let tree = Tree::read(&Workspace::root().unwrap()).unwrap();
        let schedules = Target { package: "lyra-retry", pick: vec!["--test", "same_schedule"] };
        assert!(targets(&tree, DOSE).contains(&schedules));
        assert!(targets(&tree, SEED).contains(&schedules));
    }
}
