//! `lean`: what a user of each crate gets with it, against a committed list.
//!
//! A dependency that arrives unnoticed, also one of a dependency, shows here
//! as a line that somebody must commit.

use std::collections::BTreeSet;
use std::fs;

use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::tree::{Package, Tree};
use crate::workspace::Workspace;

const FOLDER: &str = "xtask/lean";

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    let mut differences = Vec::new();
    for package in listed(&workspace.tree) {
        let found = dependencies(workspace, package)?;
        let committed = workspace.tree.text(&list_of(&package.name));
        println!("{}: {} packages", package.name, found.len());
        differences.extend(compare(&package.name, committed, &found));
    }
    differences
        .extend(stale(&workspace.tree).map(|path| format!("{path}: there is no such crate")));
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!("the default dependencies have changed:\n  {}", differences.join("\n  ")),
        "take the dependency out, or put it behind a feature; where it is worth its weight, `cargo xtask lean --bless` and argue it in the commit",
    ))
}

/// Rewrites the lists from what the crates depend on now.
pub(crate) fn bless(workspace: &Workspace) -> Result<(), Failure> {
    let unwritable = |path: &str, error: &std::io::Error| {
        Failure::new(format!("{path}: {error}"), "make the folder writable")
    };
    fs::create_dir_all(workspace.root.join(FOLDER)).map_err(|error| unwritable(FOLDER, &error))?;
    for package in listed(&workspace.tree) {
        let path = list_of(&package.name);
        let text: String =
            dependencies(workspace, package)?.iter().map(|name| format!("{name}\n")).collect();
        fs::write(workspace.root.join(&path), text).map_err(|error| unwritable(&path, &error))?;
        println!("wrote {path}");
    }
    for path in stale(&workspace.tree) {
        fs::remove_file(workspace.root.join(path)).map_err(|error| unwritable(path, &error))?;
        println!("removed {path}");
    }
    Ok(())
}

/// Those that somebody waits for: the published crates, and this program,
/// which everybody builds first.
fn listed(tree: &Tree) -> impl Iterator<Item = &Package> {
    tree.packages().iter().filter(|package| !package.is_test_only())
}

fn list_of(package: &str) -> String {
    format!("{FOLDER}/{package}.txt")
}

fn stale(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.paths().filter(move |path| {
        path.strip_prefix(FOLDER)
            .is_some_and(|_| !listed(tree).any(|package| *path == list_of(&package.name)))
    })
}

fn dependencies(workspace: &Workspace, package: &Package) -> Result<BTreeSet<String>, Failure> {
    // One target for everybody: the tree differs between systems, the list
    // must not.
    let call = Call::cargo(&[
        "tree",
        "-p",
        &package.name,
        "-e",
        "normal",
        "--target",
        "x86_64-unknown-linux-gnu",
        "--prefix",
        "none",
        "-f",
        "{p}",
    ]);
    let output = call.output(&workspace.root)?;
    if output.success {
        return Ok(names(&output.stdout, &package.name));
    }
    Err(Failure::new(
        format!("`{}`: {}", call.line(), output.stderr.trim()),
        "mend the manifests; a package that is not yet on this machine needs the network once",
    ))
}

/// The names in the lines of `cargo tree`, such as `serde v1.0.0 (*)`.
fn names(tree: &str, own: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != own)
        .map(str::to_owned)
        .collect()
}

fn compare(package: &str, committed: Option<&str>, found: &BTreeSet<String>) -> Vec<String> {
    let Some(committed) = committed else {
        return vec![format!("{} is missing", list_of(package))];
    };
    let committed: BTreeSet<String> = committed.lines().map(str::to_owned).collect();
    let added = found.difference(&committed).map(|name| format!("{package}: + {name}"));
    let gone = committed.difference(found).map(|name| format!("{package}: - {name}"));
    added.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "lyra-x v0.1.0 (crates/lyra-x)\nserde v1.0.2\nserde_derive v1.0.2 (proc-macro)\nserde v1.0.2 (*)\n";

    #[test]
    fn a_list_holds_each_name_once_without_version_and_without_its_owner() {
        let names = names(TREE, "lyra-x");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["serde", "serde_derive"]);
    }

    #[test]
    fn tells_what_came_and_what_went() {
        let found = names(TREE, "lyra-x");
        assert_eq!(compare("lyra-x", Some("serde\nserde_derive\n"), &found), [""; 0]);
        assert_eq!(
            compare("lyra-x", Some("serde\nsyn\n"), &found),
            ["lyra-x: + serde_derive", "lyra-x: - syn"]
        );
        assert_eq!(compare("lyra-x", None, &found), ["xtask/lean/lyra-x.txt is missing"]);
    }

    #[test]
    fn a_list_without_its_crate_is_stale() {
        let tree = Tree::from_texts(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]"),
            ("crates/lyra-x/Cargo.toml", "package.name = \"lyra-x\""),
            ("xtask/lean/lyra-x.txt", ""),
            ("xtask/lean/lyra-gone.txt", ""),
        ]);
        assert_eq!(stale(&tree).collect::<Vec<_>>(), ["xtask/lean/lyra-gone.txt"]);
    }
}
