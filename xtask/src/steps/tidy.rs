//! `tidy`: the tree follows the house rules.

use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::tidy::{self, Finding};
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    let mut findings = tidy::check(&workspace.tree);
    findings.extend(unused_keys(&fetch(workspace)?));
    if findings.is_empty() {
        println!("{} files, {} rules", workspace.tree.paths().count(), tidy::RULES.len() + 1);
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(Failure::new(
        format!("{} of the house rules are broken:\n  {}", lines.len(), lines.join("\n  ")),
        "each line says what it wants; the rules and their reasons are in xtask/src/tidy",
    ))
}

/// Cargo tells of unknown manifest keys when it builds or fetches, and then
/// goes on; `fetch` is the cheapest call that does it for all members at once,
/// and the later steps need the packages anyway.
fn fetch(workspace: &Workspace) -> Result<String, Failure> {
    let call = Call::cargo(&["fetch", "--locked"]);
    let output = call.output(&workspace.root)?;
    if output.success {
        return Ok(output.stderr);
    }
    let remedy = if output.stderr.contains("--locked") {
        "Cargo.lock is behind the manifests: run `cargo check` and commit it"
    } else {
        "a package that is not yet on this machine needs the network once; otherwise mend the manifest named above"
    };
    Err(Failure::new(format!("`{}`: {}", call.line(), output.stderr.trim()), remedy))
}

fn unused_keys(stderr: &str) -> Vec<Finding> {
    stderr
        .lines()
        .filter(|line| line.contains("unused manifest key"))
        .map(|line| Finding::new("Cargo.toml", line.trim_start_matches("warning: ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Runs the real cargo, because the wording of its warning is what this
    /// rule stands on.
    #[test]
    fn an_unknown_manifest_key_is_found() {
        let root = std::env::temp_dir().join(format!("xtask-unused-keys-{}", std::process::id()));
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "").unwrap();
        let manifest =
            "[package]\nname = \"a\"\nedition = \"2024\"\ndescripton = \"misspelt\"\n[workspace]\n";
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        let output = Call::cargo(&["fetch", "--offline"]).output(&root);
        fs::remove_dir_all(&root).unwrap();
        let findings = unused_keys(&output.unwrap().stderr);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("package.descripton"), "{}", findings[0]);
    }

    #[test]
    fn other_words_of_cargo_are_no_finding() {
        assert!(unused_keys("    Updating index\nwarning: spurious network error\n").is_empty());
    }
}
