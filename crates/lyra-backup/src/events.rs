//! What this crate tells through `tracing`, and the only place that does.

use std::error::Error;
use std::path::Path;

use lyra_errors::Classify;
use tracing::{error, info, warn};

use crate::error::BackupError;
use crate::prune::PruneReport;
use crate::report::CreateReport;
use crate::restore::RestoreReport;
use crate::validate::ValidationReport;

/// One target for the whole crate: directives outlive its modules.
const TARGET: &str = "lyra_backup";

pub(crate) fn created(report: &CreateReport) {
    let CreateReport { name, archive_bytes, content_bytes, files, verified, .. } = report;
    let took_seconds = report.took.as_secs_f64();
    info!(
        target: TARGET,
        backup = name,
        archive_bytes,
        content_bytes,
        files,
        verified,
        took_seconds,
        "created"
    );
    if !report.is_complete() {
        let (changed, skipped) = (report.changed.len(), report.skipped.len());
        let unsnapshotted = report.sqlite_unsnapshotted.len();
        warn!(target: TARGET, backup = name, changed, unsnapshotted, skipped, "incomplete");
    }
}

pub(crate) fn verified(report: &ValidationReport) {
    let ValidationReport { name, archive_bytes, members, .. } = report;
    let took_seconds = report.took.as_secs_f64();
    info!(target: TARGET, backup = name, archive_bytes, members, took_seconds, "verified");
}

pub(crate) fn restored(report: &RestoreReport) {
    let RestoreReport { name, files, content_bytes, .. } = report;
    let took_seconds = report.took.as_secs_f64();
    let directory = report.target.display();
    info!(target: TARGET, backup = name, %directory, files, content_bytes, took_seconds, "restored");
}

pub(crate) fn rolled_back(directory: &Path) {
    info!(target: TARGET, directory = %directory.display(), "rolled back");
}

/// A dry run removes nothing, and nothing is told of it.
pub(crate) fn pruned(report: &PruneReport) {
    if !report.dry_run {
        let (removed, removed_bytes) = (report.removed().count(), report.removed_bytes());
        let kept = report.decisions.len() - removed;
        info!(target: TARGET, removed, removed_bytes, kept, "pruned");
    }
}

/// An action has failed: `create`, `verify`, `restore`, `roll_back` or `prune`.
pub(crate) fn failed(action: &'static str, error: &BackupError) {
    let (code, error) = (error.code().id(), error as &(dyn Error + 'static));
    error!(target: TARGET, action, code, error, "failed");
}
