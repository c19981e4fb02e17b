//! Restores a backup: written beside the target, checked, then exchanged with it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::archive::{Archive, Discard};
use crate::diff::{RestoreDiff, diff};
use crate::durable::remove_tree;
use crate::error::{Result, UnsafeMemberSnafu};
use crate::events;
use crate::manager::BackupManager;
use crate::name::random_id;
use crate::progress::{Observer, Phase, Progress};
use crate::publish::{Origin, check_journal, exchange, recover};
use crate::report::DatabaseNote;
use crate::stage::Stage;
use crate::store_lock::Missing;
use crate::target::{Sibling, Target};

/// A restore that still lacks its target.
#[derive(Debug, Clone)]
#[must_use]
pub struct RestoreFrom<'a> {
    manager: &'a BackupManager,
    name: String,
}

/// A restore that is described and not yet run.
///
/// Defaults: links that may lead outside the tree are refused, no progress callback.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `run_blocking` or `dry_run_blocking`"]
pub struct Restore<'a> {
    manager: &'a BackupManager,
    name: String,
    target: PathBuf,
    external_symlinks: bool,
    observer: Observer,
}

/// A restore that is done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The backup.
    pub name: String,
    /// The directory that holds it now, absolute and without links.
    pub target: PathBuf,
    /// Where the replaced tree is kept, until the next restore succeeds or
    /// [`discard_previous_blocking`](crate::discard_previous_blocking).
    pub previous: Option<PathBuf>,
    /// Regular files that were written.
    pub files: u64,
    /// Directories that were made, the root included.
    pub directories: u64,
    /// Symbolic links that were made.
    pub symlinks: u64,
    /// Bytes of file content that were written.
    pub content_bytes: u64,
    /// SQLite databases that passed `quick_check` before the exchange.
    pub databases_checked: usize,
    /// Snapshots of SQLite databases that `quick_check` has no verdict on. Their
    /// bytes are those of the backup all the same.
    pub databases_unchecked: Vec<DatabaseNote>,
    /// How long it took.
    pub took: Duration,
}

/// What a restore would do. Every byte of the backup was checked for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestorePlan {
    /// The backup.
    pub name: String,
    /// When the backup was made.
    pub created: Timestamp,
    /// The directory that would be replaced or made, absolute and without links.
    pub target: PathBuf,
    /// Whether it exists.
    pub target_exists: bool,
    /// Regular files that would be written.
    pub files: u64,
    /// Directories that would be made, the root included.
    pub directories: u64,
    /// Symbolic links that would be made.
    pub symlinks: u64,
    /// Bytes of file content that would be written.
    pub content_bytes: u64,
    /// Bytes that have to be free beside the target.
    pub needed_bytes: u64,
    /// Bytes that are free there.
    pub free_bytes: u64,
    /// What would change in the target.
    pub diff: RestoreDiff,
}

impl<'a> RestoreFrom<'a> {
    pub(crate) fn new(manager: &'a BackupManager, name: String) -> Self {
        Self { manager, name }
    }

    /// The directory that shall hold the backup. It may exist, and is replaced
    /// as a whole then; a link to a directory stands for that directory.
    pub fn to(self, target: impl Into<PathBuf>) -> Restore<'a> {
        Restore {
            manager: self.manager,
            name: self.name,
            target: target.into(),
            external_symlinks: false,
            observer: Observer::default(),
        }
    }
}

impl Restore<'_> {
    /// Also restores links whose target may lie outside the tree. Allow it for
    /// backups of your own only.
    pub fn allow_external_symlinks(mut self) -> Self {
        self.external_symlinks = true;
        self
    }

    /// Calls back while members are written or checked. `ControlFlow::Break`
    /// stops the restore; the target is what it was then.
    pub fn with_progress(
        mut self,
        callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.observer = Observer::new(callback);
        self
    }

    /// Restores. At every instant the target is the old tree or the new one,
    /// also when the process is killed; what a killed restore left behind is
    /// removed by the next one. (On a file system that can't exchange two
    /// directories the target is absent for an instant, and a kill in that
    /// instant is mended by the next restore or rollback.)
    ///
    /// Needs room for the whole tree beside the target. The replaced tree is
    /// kept; [`rollback_blocking`](crate::rollback_blocking) brings it back.
    ///
    /// # Errors
    /// `backup.not_found`; `backup.corrupt`, `backup.newer_format` and
    /// `backup.unsafe_member` for the archive; `backup.bad_target`,
    /// `backup.target_in_use`, `backup.locked`, `backup.journal` and
    /// `backup.disk_full` for the target; `backup.cancelled`; `backup.io`. The
    /// target is what it was after any of them, save for a `backup.io` that
    /// says "sync": then the new tree is in place, and may not outlive a power failure.
    pub fn run_blocking(self) -> Result<RestoreReport> {
        let done = self.run();
        done.inspect(events::restored).inspect_err(|error| events::failed("restore", error))
    }

    fn run(self) -> Result<RestoreReport> {
        let started = Instant::now();
        let (archive, target) = self.open()?;
        target.make_parent()?;
        let _lock = target.lock()?;
        recover(&target)?;
        let store = target.lock_store(Missing::Fine)?;
        target.check_space(needed_bytes(&archive))?;
        let totals = archive.manifest.totals;
        let staged = target.sibling(Sibling::Restore, &random_id());
        let mut stage = Stage::create(&staged, &archive.path)?;
        let mut counter = self.observer.counter(Phase::Stage, totals.members(), totals.bytes);
        archive.decode(&mut stage, &mut counter)?;
        let databases = stage.finish()?;
        // Writing took its time, and the target may not be what it was.
        let _store = target.seize(store).inspect_err(|_| {
            let _ = remove_tree(&staged);
        })?;
        let previous = exchange(&target, &staged, Origin::Restore)?;
        Ok(RestoreReport {
            name: archive.manifest.header.name.clone(),
            target: target.path,
            previous,
            files: totals.files,
            directories: totals.directories,
            symlinks: totals.symlinks,
            content_bytes: totals.bytes,
            databases_checked: databases.checked,
            databases_unchecked: databases.unchecked,
            took: started.elapsed(),
        })
    }

    /// Checks every byte of the backup and the conditions of the restore,
    /// compares with the target, and writes nothing. What only an attempt can
    /// tell it leaves open: whether the file system can move the target (an
    /// overlay can't, where the target is of its lower layer), and what
    /// `quick_check` says of the databases.
    ///
    /// # Errors
    /// Those of [`Restore::run_blocking`], but for `backup.locked`.
    pub fn dry_run_blocking(self) -> Result<RestorePlan> {
        let (archive, target) = self.open()?;
        target.check_access()?;
        check_journal(&target)?;
        drop(target.lock_store(Missing::Fine)?);
        let needed_bytes = needed_bytes(&archive);
        let free_bytes = target.check_space(needed_bytes)?;
        let totals = archive.manifest.totals;
        let mut counter = self.observer.counter(Phase::Verify, totals.members(), totals.bytes);
        archive.decode(&mut Discard, &mut counter)?;
        Ok(RestorePlan {
            name: archive.manifest.header.name.clone(),
            created: archive.manifest.header.created,
            target_exists: target.exists(),
            files: totals.files,
            directories: totals.directories,
            symlinks: totals.symlinks,
            content_bytes: totals.bytes,
            needed_bytes,
            free_bytes,
            diff: diff(&archive.manifest, &target.path)?,
            target: target.path,
        })
    }

    /// Everything that can be refused before anything is written.
    fn open(&self) -> Result<(Archive, Target)> {
        let archive = Archive::open(&self.manager.archive_path(&self.name)?)?;
        if !self.external_symlinks {
            refuse_external_symlinks(&archive)?;
        }
        let target = Target::resolve(&self.target)?;
        target.check(self.manager.backup_dir())?;
        Ok((archive, target))
    }
}

fn refuse_external_symlinks(archive: &Archive) -> Result<()> {
    match archive.manifest.entries.iter().find(|e| e.points_outside()) {
        None => Ok(()),
        Some(link) => UnsafeMemberSnafu {
            archive: &archive.path,
            member: display(&link.path),
            reason: "it is a link that may lead outside the target",
        }
        .fail(),
    }
}

/// Content, five per cent more, and a block for each member.
fn needed_bytes(archive: &Archive) -> u64 {
    let totals = archive.manifest.totals;
    let blocks = totals.members().saturating_mul(4096);
    totals.bytes.saturating_add(totals.bytes / 20).saturating_add(blocks)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
