use std::io::{BufRead as _, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use lyra::backup::{
    BackupManager, Progress, Restore, RestoreDiff, discard_previous_blocking, rollback_blocking,
};
use lyra::errors::Result;
use serde_json::json;
use snafu::ResultExt as _;

use super::{Place, notes};
use crate::args::backup::{RestoreArgs, TargetArgs};
use crate::commands::Context;
use crate::error::{NotConfirmedSnafu, UnusablePathSnafu};
use crate::exit::Exit;
use crate::output::Output;
use crate::output::units;

pub(super) fn run(args: &RestoreArgs, place: &Place<'_>) -> Result<Exit> {
    if args.dry_run {
        return dry_run(args, place);
    }
    confirm(args, place.output())?;
    let manager = place.manager()?;
    let restore = described(args, &manager).with_progress(observer(place.context, "restoring"));
    let report = place.context.interrupt.winding_down(|| restore.run_blocking())?;
    let document = json!({
        "name": report.name,
        "target": units::path(&report.target),
        "previous": report.previous.as_ref().map(units::path),
        "files": report.files,
        "directories": report.directories,
        "symlinks": report.symlinks,
        "content_bytes": report.content_bytes,
        "databases_checked": report.databases_checked,
        "databases_unchecked": notes(&report.databases_unchecked),
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
            text += &format!(
                "\nwhat was there is kept as {} until the next restore;\n`lyra backup rollback` \
                 with the same --target brings it back",
                previous.display()
            );
        }
        text
    })?;
    Ok(Exit::Done)
}

fn dry_run(args: &RestoreArgs, place: &Place<'_>) -> Result<Exit> {
    let manager = place.manager()?;
    let restore = described(args, &manager).with_progress(observer(place.context, "checking"));
    let plan = restore.dry_run_blocking()?;
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

fn described<'a>(args: &RestoreArgs, manager: &'a BackupManager) -> Restore<'a> {
    let restore = manager.restore(&args.name).to(&args.target);
    if args.allow_external_symlinks { restore.allow_external_symlinks() } else { restore }
}

/// Exchanges the target with what the last restore replaced.
pub(super) fn rollback(args: &TargetArgs, place: &Place<'_>) -> Result<Exit> {
    rollback_blocking(&args.target)?;
    let document = json!({ "target": units::path(&args.target), "rolled_back": true });
    place.output().result(&document, |_| {
        format!("{} is again what it was before the restore", args.target.display())
    })?;
    Ok(Exit::Done)
}

/// Deletes what the last restore replaced.
pub(super) fn discard_previous(args: &TargetArgs, place: &Place<'_>) -> Result<Exit> {
    discard_previous_blocking(&args.target)?;
    let document = json!({ "target": units::path(&args.target), "discarded": true });
    place.output().result(&document, |_| {
        format!("what {} was before the restore is deleted", args.target.display())
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
        output.note(format_args!("{} is left as it is", args.target.display()));
    }
    Err(NotConfirmedSnafu { target: &args.target }.build().into())
}

/// Whether nothing is there. A link that leads nowhere is something.
fn is_free(target: &Path) -> bool {
    matches!(target.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn observer(
    context: &Context,
    what: &'static str,
) -> impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static {
    let interrupt = context.interrupt.clone();
    let bar = Mutex::new(context.output.bytes_bar(what));
    move |progress| {
        if let Ok(mut bar) = bar.lock() {
            bar.set(progress.bytes_done, Some(progress.bytes_total));
        }
        interrupt.flow()
    }
}
