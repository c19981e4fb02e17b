//! `tidy`: the tree follows the house rules.

use std::path::Path;

use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::tidy::{self, Finding};
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    let mut findings = tidy::check(&workspace.tree);
    findings.extend(unused_keys(&workspace.root, &fetch(workspace)?));
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

/// Reads `warning: PATH: unused manifest key: KEY`; for a package that is its
/// own workspace cargo leaves the path out.
fn unused_keys(root: &Path, stderr: &str) -> Vec<Finding> {
    const WORDS: &str = "unused manifest key: ";
    let finding = |line: &str| {
        let (path, key) = line.strip_prefix("warning: ")?.split_once(WORDS)?;
        let path = Path::new(path.trim_end_matches(": "));
        let path = path.strip_prefix(root).unwrap_or(path);
        Some(Finding::new(path.display().to_string(), format!("cargo knows no key `{key}`")))
    };
    stderr.lines().filter_map(finding).collect()
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
        fs::create_dir_all(root.join("a/src")).unwrap();
        // Cargo names the real path, also where the temporary folder is a link.
        let root = root.canonicalize().unwrap();
        fs::write(root.join("Cargo.toml"), "[workspace]\nmembers = [\"a\"]\nresolver = \"3\"\n")
            .unwrap();
        fs::write(root.join("a/src/lib.rs"), "").unwrap();
        let manifest = "[package]\nname = \"a\"\nedition = \"2024\"\ndescripton = \"misspelt\"\n";
        fs::write(root.join("a/Cargo.toml"), manifest).unwrap();
        let output = Call::cargo(&["fetch", "--offline"]).output(&root);
        fs::remove_dir_all(&root).unwrap();
        let findings = unused_keys(&root, &output.unwrap().stderr);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].to_string(),
            "a/Cargo.toml: cargo knows no key `package.descripton`"
        );
    }

    #[test]
    fn other_words_of_cargo_are_no_finding() {
        assert!(
            unused_keys(Path::new("."), "    Updating index\nwarning: spurious network error\n")
                .is_empty()
        );
    }
}
