use std::io::{BufRead as _, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use lyra::backup::{Progress, RestoreDiff};
use lyra::errors::Result;
use serde_json::json;
use snafu::ResultExt as _;

use super::Place;
use crate::args::backup::RestoreArgs;
use crate::error::{NotConfirmedSnafu, UnusablePathSnafu};
use crate::exit::Exit;
use crate::output::Output;
use crate::output::units;

pub(super) fn run(args: &RestoreArgs, place: &Place<'_>) -> Result<Exit> {
    if args.dry_run {
        return dry_run(args, place);
    }
    confirm(args, place.output())?;
    let report = place
        .manager()?
        .restore(&args.name)
        .to(&args.target)
        .with_progress(observer(place.output(), "restoring"))
        .run_blocking()?;
    let document = json!({
        "name": report.name,
        "target": units::path(&report.target),
        "previous": report.previous.as_ref().map(units::path),
        "files": report.files,
        "directories": report.directories,
        "symlinks": report.symlinks,
        "content_bytes": report.content_bytes,
        "databases_checked": report.databases_checked,
        "seconds": report.took.as_secs_f64(),
    });
    place.output().result(&document, |_| {
        let mut text = format!(
            "restored {} to {}: {}, {}, {}",
            report.name,
            report.target.display(),
            units::count(report.files, "file"),
            units::bytes(report.content_bytes),
            units::time(report.took)
        );
        if let Some(previous) = &report.previous {
            text += &format!("\nwhat was there is kept as {}", previous.display());
        }
        text
    })?;
    Ok(Exit::Done)
}

fn dry_run(args: &RestoreArgs, place: &Place<'_>) -> Result<Exit> {
    let plan = place
        .manager()?
        .restore(&args.name)
        .to(&args.target)
        .with_progress(observer(place.output(), "checking"))
        .dry_run_blocking()?;
    let RestoreDiff { added, changed, deleted, unchanged, .. } = &plan.diff;
    let document = json!({
        "name": plan.name,
        "created": plan.created,
        "target": units::path(&plan.target),
        "target_exists": plan.target_exists,
        "files": plan.files,
        "directories": plan.directories,
        "symlinks": plan.symlinks,
        "content_bytes": plan.content_bytes,
        "needed_bytes": plan.needed_bytes,
        "free_bytes": plan.free_bytes,
        "added": units::paths(added),
        "changed": units::paths(changed),
        "deleted": units::paths(deleted),
        "unchanged": unchanged,
    });
    place.output().result(&document, |_| {
        let mut text = String::new();
        for (sign, paths) in [('+', added), ('~', changed), ('-', deleted)] {
            for path in paths {
                text += &format!("{sign} {}\n", path.display());
            }
        }
        text + &format!(
            "{} is in order; {} would get {} added, {} changed, {} deleted, {unchanged} unchanged",
            plan.name,
            plan.target.display(),
            added.len(),
            changed.len(),
            deleted.len()
        )
    })?;
    Ok(Exit::Done)
}

/// A directory that holds something is replaced only when somebody said so.
fn confirm(args: &RestoreArgs, output: Output) -> Result<()> {
    if args.yes || is_free(&args.target) {
        return Ok(());
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        output.ask(format_args!("Replace {}? [y/N] ", args.target.display()));
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .context(UnusablePathSnafu { path: "stdin" })?;
        if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
    }
    Err(NotConfirmedSnafu { target: &args.target }.build().into())
}

/// Whether nothing is there. A link that leads nowhere is something.
fn is_free(target: &Path) -> bool {
    matches!(target.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn observer(
    output: Output,
    what: &'static str,
) -> impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static {
    let bar = Mutex::new(output.bytes_bar(what));
    move |progress| {
        if let Ok(mut bar) = bar.lock() {
            bar.set(progress.bytes_done, Some(progress.bytes_total));
        }
        ControlFlow::Continue(())
    }
}
