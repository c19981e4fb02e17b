//! `features`: each crate builds and tests alone, with none and with all of
//! its features.
//!
//! One package a call, because a call for the whole workspace unifies the
//! features of all packages and so hides one that is missing. Each single
//! feature would take too long here.

use crate::failure::Failure;
use crate::report::Report;
use crate::run::{Call, Ended};
use crate::running::Running;
use crate::tree::Package;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    for package in workspace.tree.packages() {
        let remedy = format!(
            "make {} complete by itself: name the missing feature in its manifest, or put what needs a feature behind `#[cfg(feature = …)]`",
            package.name
        );
        for call in checks(package) {
            call.must(&workspace.root, &remedy)?;
        }
        if let Some(call) = test_with_none(package) {
            test(workspace, &call, &remedy)?;
        }
    }
    Ok(())
}

fn test(workspace: &Workspace, call: &Call, remedy: &str) -> Result<(), Failure> {
    let mut running = Running::default();
    let limit = workspace.budget.limit_of_step("features");
    match call.watch(&workspace.root, limit, |line| running.see(line))? {
        Ended::Well => Ok(()),
        Ended::Badly => Err(Failure::new(format!("`{}`", call.line()), remedy)),
        Ended::Stopped => Err(running.failure(call)),
    }
}

fn has_features(package: &Package) -> bool {
    package.features().any(|(feature, _)| feature != "default")
        || package.dependencies().iter().any(|dependency| dependency.is_optional())
}

fn checks(package: &Package) -> Vec<Call> {
    let name = package.name.as_str();
    if !has_features(package) {
        // None, default and all are one and the same build.
        return vec![Call::cargo(&["check", "-p", name])];
    }
    vec![
        Call::cargo(&["check", "-p", name, "--no-default-features"]),
        Call::cargo(&["check", "-p", name, "--all-features"]),
    ]
}

/// Documentation tests may show what a feature adds; those run with all
/// features, in the step `test`.
fn test_with_none(package: &Package) -> Option<Call> {
    let words = ["test", "-q", "-p", &package.name, "--no-default-features", "--tests"];
    has_features(package).then(|| Call::cargo(&words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn lines(manifest: &str) -> Vec<String> {
        let tree = Tree::from_texts(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\"]"),
            ("a/Cargo.toml", manifest),
        ]);
        let package = &tree.packages()[0];
        checks(package).into_iter().chain(test_with_none(package)).map(|call| call.line()).collect()
    }

    #[test]
    fn a_crate_with_features_is_checked_with_none_and_all_and_tested_with_none() {
        assert_eq!(
            lines("package.name = \"a\"\n[features]\nfast = []"),
            [
                "cargo check -p a --no-default-features",
                "cargo check -p a --all-features",
                "cargo test -q -p a --no-default-features --tests",
            ]
        );
    }

    #[test]
    fn an_optional_dependency_is_a_feature_too() {
        assert_eq!(
            lines(
                "package.name = \"a\"\n[dependencies]\nx = { workspace = true, optional = true }"
            )
            .len(),
            3
        );
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(lines("package.name = \"a\"\n[features]\ndefault = []"), ["cargo check -p a"]);
    }
}
