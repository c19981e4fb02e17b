//! Removes what the retention doesn't keep.

use std::fs;
use std::io;
use std::path::Path;

use crate::durable::{remove_if_there, sync_dir};
use crate::error::{EmptyPolicySnafu, IoAt as _, Result};
use crate::list::{BackupInfo, BackupStatus, list};
use crate::lock::LockFile;
use crate::manager::BackupManager;
use crate::name::{ARCHIVE_SUFFIX, SIDECAR_SUFFIX, prefix_of};
use crate::partial::{TRASH_PREFIX, sweep};
use crate::retention::{Candidate, KeepReason, Outcome, Soundness};
use crate::sidecar::Sidecar;
use crate::validate;

/// Whether to remove, or only to tell what would be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Tell only.
    Yes,
    /// Remove.
    No,
}

/// What was decided for each backup of the manager's prefix, newest first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PruneReport {
    /// One for each backup.
    pub decisions: Vec<PruneDecision>,
    /// Whether nothing was removed because only a report was asked for.
    pub dry_run: bool,
}

/// What was decided for one backup.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PruneDecision {
    /// The backup.
    pub backup: BackupInfo,
    /// Whether it stays, and why.
    pub outcome: Outcome,
}

impl PruneReport {
    /// The backups that were removed, or that a dry run would remove.
    pub fn removed(&self) -> impl Iterator<Item = &BackupInfo> {
        self.decisions
            .iter()
            .filter(|d| matches!(d.outcome, Outcome::Remove { .. }))
            .map(|d| &d.backup)
    }

    /// Bytes of archives that were removed, or that a dry run would remove.
    #[must_use]
    pub fn removed_bytes(&self) -> u64 {
        self.removed().map(|b| b.archive_bytes).sum()
    }
}

pub(crate) fn prune(manager: &BackupManager, dry_run: DryRun) -> Result<PruneReport> {
    // `build` refuses it too; this is the last line before files go.
    if manager.retention().is_empty() {
        return EmptyPolicySnafu.fail();
    }
    let dir = manager.backup_dir();
    let lock = match dry_run {
        DryRun::No if dir.is_dir() => {
            let lock = LockFile::try_acquire(&dir.join(".lyra-backup.lock"))?;
            sweep(dir)?;
            Some(lock)
        }
        _ => None,
    };
    let backups: Vec<BackupInfo> =
        list(dir)?.backups.into_iter().filter(|b| b.prefix == manager.prefix()).collect();
    let outcomes = decide(manager, &backups, dry_run)?;
    let decisions: Vec<PruneDecision> = backups
        .into_iter()
        .zip(outcomes)
        .map(|(backup, outcome)| PruneDecision { backup, outcome })
        .collect();
    let report = PruneReport { decisions, dry_run: dry_run == DryRun::Yes };
    if lock.is_some() {
        for backup in report.removed() {
            remove(dir, &backup.name)?;
        }
        remove_orphans(dir, manager.prefix())?;
        sync_dir(dir)?;
    }
    Ok(report)
}

/// Decides, and reads the newest good backup that would stay before anything
/// goes: a sidecar tells what was true when it was written, and the disk may
/// have lost the archive since. One that is damaged counts as such, and the
/// decision is made anew.
fn decide(
    manager: &BackupManager,
    backups: &[BackupInfo],
    dry_run: DryRun,
) -> Result<Vec<Outcome>> {
    let mut candidates: Vec<Candidate> = backups.iter().map(candidate).collect();
    loop {
        let outcomes = manager.retention().decide(&candidates, manager.now());
        let stays = |outcome: &Outcome| matches!(outcome, Outcome::Keep(reason) if *reason != KeepReason::FutureDated);
        let anchor = (0..backups.len())
            .find(|&i| stays(&outcomes[i]) && candidates[i].soundness != Soundness::Damaged);
        let removes = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Remove { .. }));
        match anchor {
            Some(i) if removes && !validate::is_sound(manager, &backups[i].name, dry_run)? => {
                candidates[i].soundness = Soundness::Damaged;
            }
            _ => return Ok(outcomes),
        }
    }
}

fn candidate(backup: &BackupInfo) -> Candidate {
    Candidate {
        created: backup.created,
        soundness: match backup.status {
            BackupStatus::Verified { .. } => Soundness::Verified,
            BackupStatus::Unverified => Soundness::Unverified,
            BackupStatus::Damaged { .. } => Soundness::Damaged,
        },
    }
}

/// Sidecars that this crate wrote and whose archive somebody else removed.
fn remove_orphans(dir: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(dir).at("list", dir)? {
        let file_name = entry.at("list", dir)?.file_name();
        let Some(name) = file_name.to_str().and_then(|n| n.strip_suffix(SIDECAR_SUFFIX)) else {
            continue;
        };
        let archive = dir.join(format!("{name}{ARCHIVE_SUFFIX}"));
        if prefix_of(name) == Some(prefix)
            && fs::symlink_metadata(&archive).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
            && Sidecar::read(dir, name).is_some()
        {
            remove_if_there(&dir.join(&file_name))?;
        }
    }
    Ok(())
}

/// The archive leaves the listing in one step, and what a crash leaves of it
/// has a name that the next sweep removes.
fn remove(dir: &Path, name: &str) -> Result<()> {
    let archive = dir.join(format!("{name}{ARCHIVE_SUFFIX}"));
    let trash = dir.join(format!("{TRASH_PREFIX}{name}{ARCHIVE_SUFFIX}"));
    match fs::rename(&archive, &trash) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.at("remove", &archive)?,
    }
    for path in [dir.join(format!("{name}{SIDECAR_SUFFIX}")), trash] {
        remove_if_there(&path)?;
    }
    Ok(())
}
