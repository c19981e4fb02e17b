//! Reads every byte of a backup and says whether it is what was written.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::archive::{Archive, Discard};
use crate::error::{BackupError, Result};
use crate::manager::BackupManager;
use crate::name::check_name;
use crate::progress::{Observer, Phase};
use crate::prune::DryRun;
use crate::sidecar::{Sidecar, Verdict};

/// A backup whose every byte is in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ValidationReport {
    /// The backup's name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Size of the archive in bytes; all of them were read.
    pub archive_bytes: u64,
    /// BLAKE3 of the whole archive in hexadecimal, as `b3sum` prints it.
    pub archive_blake3: String,
    /// Members whose headers and content were checked.
    pub members: u64,
    /// Bytes of file content that were checked.
    pub content_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn validate(
    manager: &BackupManager,
    name: &str,
    observer: &Observer,
) -> Result<ValidationReport> {
    let path = manager.archive_path(name)?;
    let outcome = read_all(&path, observer);
    let name = check_name(name)?;
    note(manager, name, &path, &outcome);
    outcome.map(|(report, _)| report)
}

/// Whether every byte of an archive is in order, now. A dry run notes nothing.
pub(crate) fn is_sound(manager: &BackupManager, name: &str, dry_run: DryRun) -> Result<bool> {
    let outcome = match dry_run {
        DryRun::Yes => read_all(&manager.archive_path(name)?, &Observer::default()).map(drop),
        DryRun::No => validate(manager, name, &Observer::default()).map(drop),
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(BackupError::Corrupt { .. } | BackupError::UnsafeMember { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_all(path: &Path, observer: &Observer) -> Result<(ValidationReport, Sidecar)> {
    let started = Instant::now();
    let archive = Archive::open(path)?;
    let totals = archive.manifest.totals;
    let mut counter = observer.counter(Phase::Verify, totals.members(), totals.bytes);
    let checked = archive.decode(&mut Discard, &mut counter)?;
    let mut sidecar = Sidecar::of_archive(&archive);
    sidecar.archive_blake3 = Some(checked.archive_digest);
    let report = ValidationReport {
        name: archive.manifest.header.name.clone(),
        created: archive.manifest.header.created,
        archive_bytes: archive.len,
        archive_blake3: checked.archive_digest.to_string(),
        members: totals.members(),
        content_bytes: totals.bytes,
        took: started.elapsed(),
    };
    Ok((report, sidecar))
}

/// Keeps the verdict for `list` and `prune`. It is a cache: when it can't be
/// written, the verdict itself stands all the same.
fn note(
    manager: &BackupManager,
    name: &str,
    path: &Path,
    outcome: &Result<(ValidationReport, Sidecar)>,
) {
    let dir = manager.backup_dir();
    let at = manager.now();
    let sidecar = match outcome {
        Ok((_, sidecar)) => Some(Sidecar { verdict: Verdict::Verified { at }, ..sidecar.clone() }),
        Err(error @ (BackupError::Corrupt { .. } | BackupError::UnsafeMember { .. })) => {
            let known = Sidecar::load(dir, name, path)
                .or_else(|| Archive::open(path).ok().map(|a| Sidecar::of_archive(&a)));
            known.map(|known| Sidecar {
                verdict: Verdict::Damaged { at, detail: error.to_string() },
                ..known
            })
        }
        Err(_) => None,
    };
    // A copy under another name has no business with the original's sidecar.
    if let Some(sidecar) = sidecar
        && sidecar.name == name
    {
        let _ = sidecar.write(dir);
    }
}
