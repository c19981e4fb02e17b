//! What stands at the head of every crate.

use super::Finding;
use super::rust_text::code_only;
use crate::tree::Tree;

/// The one crate that may say `deny` and argue for an `allow`: an old NVML
/// driver is reached through a raw handle.
const MAY_ARGUE_FOR_UNSAFE: [&str; 1] = ["lyra-gpu"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.packages() {
        for root in ["src/lib.rs", "src/main.rs"] {
            let path = package.path(root);
            let Some(text) = tree.text(&path) else { continue };
            let code = code_only(text);
            let forbids = code.contains("#![forbid(unsafe_code)]")
                || (code.contains("#![deny(unsafe_code)]")
                    && MAY_ARGUE_FOR_UNSAFE.contains(&package.name.as_str()));
            // Fakes and counting allocators need unsafe code, and are tests.
            if !forbids && !package.is_test_only() {
                findings.push(Finding::new(
                    &path,
                    "`#![forbid(unsafe_code)]` stands at the head of the crate",
                ));
            }
            let documented = text.lines().any(|line| {
                line.trim_start().starts_with("#![doc")
                    && line.contains("include_str!(\"../README.md\")")
            });
            if root == "src/lib.rs" && package.is_published() && !documented {
                findings.push(Finding::new(
                    &path,
                    "`#![doc = include_str!(\"../README.md\")]`: the README is the documentation, so that it is compiled and can't drift",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    const FORBID: &str = "#![forbid(unsafe_code)]\n";

    #[test]
    fn a_crate_that_does_not_forbid_unsafe_code_is_found() {
        let tree = good_tree();
        for path in
            ["crates/lyra-retry/src/lib.rs", "crates/lyra-cli/src/main.rs", "xtask/src/main.rs"]
        {
            assert_finds(check, &tree.replace(path, FORBID, ""), path);
            assert_finds(check, &tree.replace(path, FORBID, "// #![forbid(unsafe_code)]\n"), path);
            assert_finds(check, &tree.replace(path, FORBID, "#![deny(unsafe_code)]\n"), path);
        }
        assert!(check(&tree.replace("tests/src/lib.rs", FORBID, "")).is_empty());
    }

    #[test]
    fn a_library_without_its_readme_as_documentation_is_found() {
        let path = "crates/lyra-retry/src/lib.rs";
        let tree = good_tree();
        assert_finds(
            check,
            &tree.replace(path, "#![doc = include_str!(\"../README.md\")]", ""),
            "the README is",
        );
        assert_finds(
            check,
            &tree.replace(path, "#![doc = include", "// #![doc = include"),
            "the README is",
        );
    }
}
