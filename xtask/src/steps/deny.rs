//! `deny`: licences, banned packages, sources and advisories, after `deny.toml`.

use crate::failure::Failure;
use crate::report::{Report, Skipped};
use crate::run::Call;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let program = match tools::cargo_deny(workspace) {
        Ok(program) => program,
        Err(skipped) => return skip(report, skipped),
    };
    let deny = |arguments: &[&str]| Call::tool(&program, &workspace.root, arguments);

    // Offline, because what it needs was fetched by `tidy`, and a gate should
    // not depend on a second look at the network.
    deny(&["--offline", "--all-features", "check", "licenses", "bans", "sources"]).must(
        &workspace.root,
        "replace the dependency named above, or allow it in deny.toml with its reason",
    )?;

    // Fetched apart from the check: a database that can't be reached and an
    // advisory that applies are different news.
    let fetched = deny(&["fetch", "db"]).output(&workspace.root)?;
    if !fetched.success {
        return skip(report, no_database(&fetched.stderr, &deny(&["check", "advisories"]).line()));
    }
    deny(&["--all-features", "check", "--disable-fetch", "advisories"]).must(
        &workspace.root,
        "update the package named above (`cargo update -p NAME`), or ignore the advisory in deny.toml with its reason",
    )
}

fn skip(report: &mut Report, skipped: Skipped) -> Result<(), Failure> {
    println!("{skipped}");
    report.skipped.push(skipped);
    Ok(())
}

fn no_database(stderr: &str, command: &str) -> Skipped {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let reason = last.unwrap_or("no reason was given");
    Skipped {
        what: "advisories".to_owned(),
        why: format!(
            "the advisory database can't be fetched ({reason}); get it with `{command}` where the network reaches it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_out_of_reach_is_told_with_its_reason_and_a_command() {
        let skipped =
            no_database("failed to clone\nfatal: no such host\n\n", "cargo-deny check advisories");
        assert_eq!(
            skipped.to_string(),
            "SKIPPED advisories: the advisory database can't be fetched (fatal: no such host); get it with `cargo-deny check advisories` where the network reaches it"
        );
    }
}
