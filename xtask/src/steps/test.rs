//! `test`: the tests of each crate, one package a call, timed and counted.

use std::time::Instant;

use crate::failure::Failure;
use crate::report::{Report, Skipped, Tally};
use crate::run::{Call, Ended};
use crate::running::Running;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, report: &mut Report) -> Result<(), Failure> {
    let mut sum = Tally::default();
    let outcome = workspace
        .tree
        .packages()
        .iter()
        .try_for_each(|package| test_package(workspace, &package.name, &mut sum, report));
    report.tests = Some(sum);
    outcome
}

fn test_package(
    workspace: &Workspace,
    package: &str,
    sum: &mut Tally,
    report: &mut Report,
) -> Result<(), Failure> {
    // Built first and apart: what the tests take is theirs, what the build
    // takes depends on what was built before.
    Call::cargo(&["test", "-p", package, "--all-features", "--no-run"])
        .must(&workspace.root, "mend what the compiler names above")?;
    let mut call = Call::cargo(&["test", "-p", package, "--all-features", "--no-fail-fast"]);
    if package == "lyra-log"
        && let Some(bunyan) = tools::bunyan(workspace)
    {
        call = call.env("LYRA_BUNYAN", &bunyan.display().to_string());
    }
    let mut tally = Tally::default();
    let mut skipped = Vec::new();
    let mut running = Running::default();
    let limit = workspace.budget.limit_of_tests(package);
    let start = Instant::now();
    let ended = call.watch(&workspace.root, limit, |line| {
        running.see(line);
        if let Some(counted) = Tally::parse(line) {
            tally.add(counted);
        }
        skipped.extend(Skipped::parse(line));
    })?;
    let verdict = workspace.budget.tests_of(package, start.elapsed());
    if ended == Ended::Stopped {
        tally.failed += running.tests().len() as u64;
    }
    if ended != Ended::Well && tally.failed == 0 {
        // A harness that was killed, or a documentation test that does not
        // build, leaves no line to count.
        tally.failed = 1;
    }
    tally.skipped += skipped.len() as u64;
    // Many tests may lack the same part; it is told once.
    skipped.sort();
    skipped.dedup();
    println!("-- {package}: {tally}; took {verdict}");
    sum.add(tally);
    report.skipped.extend(skipped);
    report.over.extend(verdict.complaint(&format!("the tests of {package}")));
    report.crates.push((package.to_owned(), verdict));
    match ended {
        Ended::Well => Ok(()),
        Ended::Stopped => Err(running.failure(&call)),
        Ended::Badly => Err(Failure::new(
            format!("`{}`", call.line()),
            format!(
                "mend the tests named above; one of them alone: `cargo test -p {package} --all-features NAME`"
            ),
        )),
    }
}
