use std::time::Duration;

use lyra::backup::{BackupInfo, BackupStatus, Timestamp};
use lyra::errors::Result;
use serde_json::{Value, json};

use super::Place;
use crate::exit::Exit;
use crate::output::table::table;
use crate::output::units;

pub(super) fn run(place: &Place<'_>) -> Result<Exit> {
    let listing = place.manager()?.list()?;
    let document = json!({
        "backup_dir": units::path(&place.dir),
        "backups": listing.backups.iter().map(described).collect::<Vec<_>>(),
        "unknown": listing.unknown.iter()
            .map(|file| json!({ "path": units::path(&file.path), "reason": file.reason }))
            .collect::<Vec<_>>(),
    });
    for file in &listing.unknown {
        place.output().note(format_args!(
            "no good backup: {}: {}",
            file.path.display(),
            file.reason
        ));
    }
    place.output().result(&document, |_| {
        if listing.backups.is_empty() {
            return format!("no backups in {}", place.dir.display());
        }
        let rows = listing.backups.iter().map(row);
        table(["name", "age", "files", "content", "archive", "status"], &[2, 3, 4], rows)
    })?;
    Ok(Exit::Done)
}

/// A backup as every command tells it.
pub(super) fn described(backup: &BackupInfo) -> Value {
    json!({
        "name": backup.name,
        "prefix": backup.prefix,
        "path": units::path(&backup.path),
        "created": backup.created,
        "archive_bytes": backup.archive_bytes,
        "content_bytes": backup.content_bytes,
        "files": backup.files,
        "directories": backup.directories,
        "symlinks": backup.symlinks,
        "changed_files": backup.changed_files,
        "unchecked_databases": backup.unchecked_databases,
        "unsnapshotted_databases": backup.unsnapshotted_databases,
        "source": backup.source,
        "tool": backup.tool,
        "metadata": backup.metadata,
        "status": status(&backup.status),
    })
}

/// How long ago that was, as far as the clock can be trusted.
pub(crate) fn age(instant: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(instant)).unwrap_or_default()
}

fn row(backup: &BackupInfo) -> [String; 6] {
    [
        backup.name.clone(),
        units::age(age(backup.created)),
        backup.files.to_string(),
        units::bytes(backup.content_bytes),
        units::bytes(backup.archive_bytes),
        match &backup.status {
            BackupStatus::Verified { .. } => "verified".to_owned(),
            BackupStatus::Damaged { detail, .. } => format!("damaged: {detail}"),
            _ => "not verified".to_owned(),
        },
    ]
}

fn status(status: &BackupStatus) -> Value {
    match status {
        BackupStatus::Verified { at } => json!({ "state": "verified", "at": at }),
        BackupStatus::Damaged { at, detail } => {
            json!({ "state": "damaged", "at": at, "detail": detail })
        }
        _ => json!({ "state": "unverified" }),
    }
}
