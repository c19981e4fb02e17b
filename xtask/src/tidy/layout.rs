//! Where files may lie and what they may be called.

use super::Finding;
use crate::tree::Tree;

const FILES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "README.md", "deny.toml"];
const FOLDERS: [&str; 3] = ["crates", "tests", "xtask"];
/// Names under which unlike things gather.
const NAMELESS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];
const GLOBAL_LINES: usize = 40;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut strays: Vec<&str> = tree.paths().filter_map(stray_at_the_top).collect();
    strays.dedup();
    findings.extend(strays.into_iter().map(|name| {
        Finding::new(name, format!("the top level holds {FILES:?}, {FOLDERS:?}, licences and dotfiles; move it below one of them"))
    }));
    for (path, text) in tree.sources() {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = file.trim_end_matches(".rs");
        if stem == "mod" {
            findings
                .push(Finding::new(path, format!("a module lies beside its folder: {folder}.rs")));
        }
        let in_nameless = folder.split('/').any(|part| NAMELESS.contains(&part));
        if NAMELESS.contains(&stem) || (in_nameless && stem != "mod") {
            findings.push(Finding::new(path, "name the file after the one thing that it holds"));
        }
        let lines = text.lines().count();
        if stem == "global" && lines > GLOBAL_LINES {
            findings.push(Finding::new(
                path,
                format!("{lines} lines; a process-wide instance is at most {GLOBAL_LINES} lines around a value that works without it"),
            ));
        }
    }
    findings
}

/// The first component of a path that has no business at the top.
fn stray_at_the_top(path: &str) -> Option<&str> {
    let (name, is_folder) = match path.split_once('/') {
        Some((name, _)) => (name, true),
        None => (path, false),
    };
    let allowed = name.starts_with('.')
        || if is_folder {
            FOLDERS.contains(&name)
        } else {
            FILES.contains(&name) || name.starts_with("LICENSE-")
        };
    (!allowed).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    #[test]
    fn strays_at_the_top_are_found_once() {
        let tree = good_tree();
        assert_finds(check, &tree.with("NOTES.md", ""), "NOTES.md: ");
        assert_finds(check, &tree.with("docs/a.md", "").with("docs/b.md", ""), "docs: ");
        // A folder in place of a file that is allowed.
        assert_finds(check, &tree.with("deny.toml/x", ""), "deny.toml: ");
    }

    #[test]
    fn files_without_a_name_of_their_own_are_found() {
        let tree = good_tree();
        assert_finds(check, &tree.with("crates/lyra-retry/src/utils.rs", ""), "the one thing");
        assert_finds(check, &tree.with("tests/tests/common/server.rs", ""), "the one thing");
        assert_finds(check, &tree.with("tests/tests/common/mod.rs", ""), "tests/tests/common.rs");
    }

    #[test]
    fn a_long_global_is_found() {
        let path = "crates/lyra-retry/src/global.rs";
        let tree = good_tree();
        assert!(check(&tree.with(path, &"//\n".repeat(40))).is_empty());
        assert_finds(check, &tree.with(path, &"//\n".repeat(41)), "41 lines");
    }
}
