//! The table of crates in the workspace's README against the folders.

use super::Finding;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text("README.md") else {
        // Until there is an umbrella, there is nothing to choose from.
        let wanted = tree.package("lyra-kit").is_some();
        let missing = || Finding::new("README.md", "is missing: it says which crate does what");
        return wanted.then(missing).into_iter().collect();
    };
    let mut findings = Vec::new();
    let mut named = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        for name in crate_names(line) {
            if tree.package(name).is_none() {
                findings.push(Finding::at_line(
                    "README.md",
                    index,
                    format!("there is no crate `{name}`"),
                ));
            }
            named.push(name);
        }
    }
    let published = tree.packages().iter().filter(|package| package.is_published());
    let unnamed = published.filter(|package| !named.contains(&package.name.as_str()));
    findings.extend(unnamed.map(|package| {
        Finding::new("README.md", format!("`{}` has no row in the table of crates", package.name))
    }));
    findings
}

/// The words of a line that are names of crates of ours.
fn crate_names(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.strip_prefix("lyra-").is_some_and(|rest| !rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_finds(
            check,
            &good_tree().replace("README.md", "| remember | `lyra-memstore` |\n", ""),
            "`lyra-memstore` has no row",
        );
        // Prose is no row.
        assert_finds(
            check,
            &good_tree().replace(
                "README.md",
                "| remember | `lyra-memstore` |\n",
                "`lyra-memstore`\n",
            ),
            "has no row",
        );
    }

    #[test]
    fn a_row_without_a_crate_is_found() {
        assert_finds(
            check,
            &good_tree().replace(
                "README.md",
                "`lyra-cli` |",
                "`lyra-cli` |\n| speak | `lyra-voice` |",
            ),
            "README.md:8: there is no crate `lyra-voice`",
        );
    }

    #[test]
    fn a_missing_readme_is_found() {
        assert_finds(check, &good_tree().without("README.md"), "is missing");
    }
}
