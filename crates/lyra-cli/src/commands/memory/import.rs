use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lyra::errors::Result;
use lyra::memstore::{
    Collection, ImportConflict, ImportFault, ImportOptions, ImportProgress, ImportReport, OnInvalid,
};
use serde_json::{Value, json};

use super::{Context, Place};
use crate::args::memory::ImportArgs;
use crate::error::NoSuchPathSnafu;
use crate::exit::Exit;
use crate::output::progress::Progress;
use crate::output::{Output, units};

pub(super) fn run(args: &ImportArgs, place: &Place, context: &Context) -> Result<Exit> {
    // Looked at first, so that a typing error does not leave an empty store.
    if let Some(path) = args.paths.iter().find(|path| is_absent(path)) {
        return Err(NoSuchPathSnafu { path }.build().into());
    }
    let started = Instant::now();
    let collection = place.to_fill(&args.space)?;
    let mut options = ImportOptions::default();
    options.kind = args.kind.into();
    if args.skip_invalid {
        options.invalid = OnInvalid::SkipEntry;
    }
    let mut bar = context.output.entries_bar("committed");
    let report = import(&collection, &args.paths, &options, &mut |progress| {
        acknowledge(progress, &mut bar, context.output);
    })?;
    drop(bar);
    tell_what_is_wrong(&report, context);
    let total = collection.count()?;
    let took = started.elapsed();
    let document = json!({
        "collection": place.collection,
        "files": report.files,
        "ignored_files": report.ignored_files,
        "skipped_files": report.skipped_files,
        "added": report.added,
        "identical": report.identical,
        "conflict_count": report.conflict_count,
        "conflicts": report.conflicts.iter().map(conflict).collect::<Vec<_>>(),
        "fault_count": report.fault_count,
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "total": total,
        "seconds": took.as_secs_f64(),
    });
    context.output.result(&document, |_| summary(&report, total, took))?;
    Ok(exit(&report))
}

/// What may not be looked at is not absent; the import says why it fails.
fn is_absent(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

/// The import itself; the tour comes through here, too.
pub(crate) fn import(
    collection: &Collection,
    paths: &[PathBuf],
    options: &ImportOptions,
    progress: &mut dyn FnMut(&ImportProgress),
) -> Result<ImportReport> {
    Ok(collection.import(paths, options, progress)?)
}

/// Each commit is told at once, in a line or on the bar: who kills an import
/// knows from the last one what is safe.
fn acknowledge(progress: &ImportProgress, bar: &mut Progress, output: Output) {
    match progress {
        ImportProgress::Checking { file } => {
            output.detail(format_args!("reading {}", file.display()));
        }
        ImportProgress::Committed { entries, .. } if output.is_watched() => {
            bar.set(*entries, None);
        }
        ImportProgress::Committed { entries, .. } => {
            output.note(format_args!("committed {}", units::entries(*entries)));
        }
        _ => {}
    }
}

fn conflict(conflict: &ImportConflict) -> Value {
    json!({ "file": units::path(&conflict.file), "line": conflict.line, "id": conflict.id })
}

fn fault(at: &ImportFault) -> Value {
    let fault = &at.fault;
    json!({
        "file": units::path(&at.file),
        "line": at.line,
        "path": fault.path,
        "code": fault.code,
        "message": fault.message,
    })
}

fn tell_what_is_wrong(report: &ImportReport, context: &Context) {
    for ImportFault { file, line, fault, .. } in &report.faults {
        context.output.warn(format_args!("{}: {fault} [{}]", place(file, *line), fault.code));
    }
    for ImportConflict { file, line, id, .. } in &report.conflicts {
        let place = place(file, *line);
        context.output.warn(format_args!("{place}: {id} is the id of another entry already"));
    }
}

/// A file as a whole has no line.
fn place(file: &Path, line: u64) -> String {
    match line {
        0 => units::path(file),
        line => format!("{}:{line}", file.display()),
    }
}

/// A file that was left out is invalid input; an entry that was left out on
/// request is a part that was skipped.
fn exit(report: &ImportReport) -> Exit {
    if report.skipped_files > 0 {
        Exit::Invalid
    } else if report.conflict_count > 0 {
        Exit::Conflict
    } else if report.fault_count > 0 {
        Exit::Partial
    } else {
        Exit::Done
    }
}

fn summary(report: &ImportReport, total: u64, took: Duration) -> String {
    let mut text = format!(
        "{} added from {}, {} identical, {total} in all, {}",
        units::entries(report.added),
        units::count(report.files, "file"),
        report.identical,
        units::time(took)
    );
    if report.skipped_files > 0 {
        text += &format!(
            "\n{} left out for {}; --skip-invalid imports the valid rest",
            units::count(report.skipped_files, "file"),
            units::count(report.fault_count, "fault")
        );
    } else if report.fault_count > 0 {
        let faults = units::count(report.fault_count, "fault");
        text += &format!("\nleft out for {faults}: the entries named above");
    }
    if report.conflict_count > 0 {
        text += &format!(
            "\n{} left as they are under their ids",
            units::entries(report.conflict_count)
        );
    }
    text
}
