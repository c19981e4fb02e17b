mod list;
mod prune;
mod restore;

use std::path::PathBuf;
use std::sync::Mutex;

use lyra::backup::{BackupManager, CreateOptions, CreateReport, DatabaseNote, Phase, Retention};
use lyra::errors::Result;
use serde_json::{Value, json};

use super::Context;
use crate::args::backup::{BackupArgs, BackupVerb, CreateArgs, PruneArgs};
use crate::exit::Exit;
use crate::output::Output;
use crate::output::units;

pub(crate) use list::age;

pub(crate) fn run(args: BackupArgs, context: &Context) -> Result<Exit> {
    let place = Place {
        dir: args.backup_dir.unwrap_or_else(|| context.config().backup.dir.clone()),
        context,
    };
    match args.verb {
        BackupVerb::Create(args) => create(args, &place),
        BackupVerb::List => list::run(&place),
        BackupVerb::Validate(args) => validate(&args.name, &place),
        BackupVerb::Restore(args) => restore::run(&args, &place),
        BackupVerb::Rollback(args) => restore::rollback(&args, &place),
        BackupVerb::DiscardPrevious(args) => restore::discard_previous(&args, &place),
        BackupVerb::Prune(args) => prune::run(&args, &place),
    }
}

/// Which backup directory.
#[derive(Debug)]
struct Place<'a> {
    dir: PathBuf,
    context: &'a Context,
}

impl Place<'_> {
    fn output(&self) -> Output {
        self.context.output
    }

    /// For what looks at backups that are there.
    fn manager(&self) -> Result<BackupManager> {
        let config = &self.context.config().backup;
        Ok(BackupManager::builder(&config.source, &self.dir).with_prefix(&config.prefix).build()?)
    }

    fn manager_to_create(&self, args: &CreateArgs) -> Result<BackupManager> {
        let config = &self.context.config().backup;
        let level = if args.fast { 1 } else { args.level.unwrap_or(config.level) };
        Ok(BackupManager::builder(args.source.as_ref().unwrap_or(&config.source), &self.dir)
            .with_prefix(args.prefix.as_ref().unwrap_or(&config.prefix))
            .with_level(level)
            .build()?)
    }

    fn manager_to_prune(&self, args: &PruneArgs) -> Result<BackupManager> {
        let config = &self.context.config().backup;
        let days = args.retention_days.unwrap_or(config.retention_days);
        let last = args.keep_last.unwrap_or(config.keep_last);
        Ok(BackupManager::builder(&config.source, &self.dir)
            .with_prefix(args.prefix.as_ref().unwrap_or(&config.prefix))
            .with_retention(Retention::days(days).keep_last(last))
            .build()?)
    }
}

fn create(args: CreateArgs, place: &Place<'_>) -> Result<Exit> {
    let manager = place.manager_to_create(&args)?;
    let mut options = observed(place.context);
    for pair in args.metadata {
        options = options.with_metadata(pair.key, pair.value);
    }
    let report = place.context.interrupt.winding_down(|| manager.create_blocking(options))?;
    for path in &report.changed {
        place.output().warn(format_args!("changed while it was read: {}", path.display()));
    }
    for DatabaseNote { path, reason, .. } in &report.sqlite_unchecked {
        place.output().detail(format_args!("stored unchecked: {}: {reason}", path.display()));
    }
    for DatabaseNote { path, reason, .. } in &report.sqlite_unsnapshotted {
        place.output().warn(format_args!("copied as a plain file: {}: {reason}", path.display()));
    }
    for skipped in &report.skipped {
        let line = format!("left out: {}: {}", skipped.path.display(), skipped.reason);
        if skipped.reason.is_by_design() {
            place.output().detail(line);
        } else {
            place.output().warn(line);
        }
    }
    for path in &report.external_symlinks {
        place.output().note(format_args!(
            "a link that may lead outside: {}; a restore needs --allow-external-symlinks",
            path.display()
        ));
    }
    place.output().result(&created(&report), |_| {
        format!(
            "{}\n{}, {} in {}, {}, {}",
            report.name,
            units::count(report.files, "file"),
            units::bytes(report.content_bytes),
            units::bytes(report.archive_bytes),
            if report.verified { "every byte verified" } else { "not verified" },
            units::time(report.took)
        )
    })?;
    Ok(if report.is_complete() { Exit::Done } else { Exit::Partial })
}

/// Options that show a bar while the backup is made and read back.
fn observed(context: &Context) -> CreateOptions {
    let (output, interrupt) = (context.output, context.interrupt.clone());
    let bars = Mutex::new((output.bytes_bar("backing up"), output.bytes_bar("verifying")));
    CreateOptions::default().with_progress(move |progress| {
        if let Ok(mut bars) = bars.lock() {
            let bar = if progress.phase == Phase::Verify { &mut bars.1 } else { &mut bars.0 };
            bar.set(progress.bytes_done, Some(progress.bytes_total));
        }
        interrupt.flow()
    })
}

fn created(report: &CreateReport) -> Value {
    json!({
        "name": report.name,
        "path": units::path(&report.path),
        "created": report.created,
        "archive_bytes": report.archive_bytes,
        "content_bytes": report.content_bytes,
        "files": report.files,
        "directories": report.directories,
        "symlinks": report.symlinks,
        "verified": report.verified,
        "complete": report.is_complete(),
        "changed": units::paths(&report.changed),
        "sqlite_snapshots": units::paths(&report.sqlite_snapshots),
        "sqlite_unchecked": notes(&report.sqlite_unchecked),
        "sqlite_unsnapshotted": notes(&report.sqlite_unsnapshotted),
        "skipped": report.skipped.iter()
            .map(|skipped| json!({ "path": units::path(&skipped.path), "reason": skipped.reason.to_string() }))
            .collect::<Vec<_>>(),
        "external_symlinks": units::paths(&report.external_symlinks),
        "seconds": report.took.as_secs_f64(),
    })
}

fn notes(databases: &[DatabaseNote]) -> Vec<Value> {
    let note =
        |note: &DatabaseNote| json!({ "path": units::path(&note.path), "reason": note.reason });
    databases.iter().map(note).collect()
}

fn validate(name: &str, place: &Place<'_>) -> Result<Exit> {
    let report = place.manager()?.validate_blocking(name)?;
    let document = json!({
        "name": report.name,
        "valid": true,
        "created": report.created,
        "archive_bytes": report.archive_bytes,
        "archive_blake3": report.archive_blake3,
        "members": report.members,
        "content_bytes": report.content_bytes,
        "seconds": report.took.as_secs_f64(),
    });
    place.output().result(&document, |_| {
        format!(
            "{} is in order: {}, {}, every byte checked in {}\nblake3 {}",
            report.name,
            units::count(report.members, "member"),
            units::bytes(report.content_bytes),
            units::time(report.took),
            report.archive_blake3
        )
    })?;
    Ok(Exit::Done)
}
