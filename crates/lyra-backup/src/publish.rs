//! Puts a finished tree in the target's place, in one step, and back again.
//!
//! The journal names both trees by inode before anything moves. Whoever comes
//! next, after a crash at any instant, tells from the inodes how far it went.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::durable::{remove_tree, rename_dir_no_replace, sync_dir, write_atomically};
use crate::error::{BadTargetSnafu, IoAt as _, JournalSnafu, NoPreviousSnafu, Result};
use crate::name::random_id;
use crate::target::{Identity, Sibling, Target, identity};

/// Exchanges the target with the tree that the last restore replaced.
///
/// Rolling back twice is where it began. The store in the target must be closed.
///
/// # Errors
/// `backup.no_previous` when no tree is kept, `backup.target_in_use`,
/// `backup.locked`, `backup.bad_target`, `backup.io`.
pub fn rollback_blocking(target: impl AsRef<Path>) -> Result<()> {
    let target = Target::resolve(target.as_ref())?;
    let previous = |target: &Target| newest_previous(target);
    if !target.parent().is_dir() {
        previous(&target)?;
    }
    let _lock = target.lock()?;
    recover(&target)?;
    let kept = previous(&target)?;
    let _store = target.lock_store()?;
    exchange(&target, &kept, Origin::Rollback)?;
    Ok(())
}

/// Removes the tree that the last restore to `target` replaced. There is no way back then.
///
/// # Errors
/// `backup.no_previous` when no tree is kept, `backup.locked`, `backup.io`.
pub fn discard_previous_blocking(target: impl AsRef<Path>) -> Result<()> {
    let target = Target::resolve(target.as_ref())?;
    if !target.parent().is_dir() {
        newest_previous(&target)?;
    }
    let _lock = target.lock()?;
    recover(&target)?;
    newest_previous(&target)?;
    remove_previous_but(&target, None)
}

/// Where the tree that takes the target's place comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// It was just written, and can be written again.
    Restore,
    /// It is a kept tree, which must never be removed.
    Rollback,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    version: u32,
    origin: Origin,
    /// Names in the target's directory, by their random parts.
    staged_id: String,
    staged_kind: StagedKind,
    previous_id: String,
    new: Identity,
    old: Option<Identity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StagedKind {
    Restore,
    Previous,
}

impl Journal {
    fn staged(&self, target: &Target) -> PathBuf {
        let kind = match self.staged_kind {
            StagedKind::Restore => Sibling::Restore,
            StagedKind::Previous => Sibling::Previous,
        };
        target.sibling(kind, &self.staged_id)
    }

    fn previous(&self, target: &Target) -> PathBuf {
        target.sibling(Sibling::Previous, &self.previous_id)
    }
}

/// Puts `staged`, a sibling of the target, in its place. Returns where the old tree is kept.
pub(crate) fn exchange(target: &Target, staged: &Path, origin: Origin) -> Result<Option<PathBuf>> {
    let Some(new) = identity(staged)? else {
        return Err(io::Error::from(io::ErrorKind::NotFound)).at("publish", staged);
    };
    let name = staged.to_string_lossy();
    let journal = Journal {
        version: 1,
        origin,
        staged_id: name[name.len().saturating_sub(6)..].to_owned(),
        staged_kind: match origin {
            Origin::Restore => StagedKind::Restore,
            Origin::Rollback => StagedKind::Previous,
        },
        previous_id: random_id(),
        new,
        old: identity(&target.path)?,
    };
    let path = target.journal();
    let json = serde_json::to_vec(&journal).expect("a journal has no failing serialiser");
    write_atomically(&path, &json)?;
    let swapped = swap(target, staged, &journal);
    if swapped.is_err() {
        // Nothing moved, or the fallback moved one tree: the journal decides.
        recover(target)?;
        swapped?;
    }
    settle(target, &journal)?;
    Ok(journal.old.map(|_| journal.previous(target)))
}

fn swap(target: &Target, staged: &Path, journal: &Journal) -> Result<()> {
    if journal.old.is_none() {
        return rename_dir_no_replace(staged, &target.path);
    }
    match renameat_with(CWD, staged, CWD, &target.path, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => two_renames(target, staged, journal),
        Err(Errno::BUSY) => BadTargetSnafu {
            path: &target.path,
            reason: "it is a mount point; restore to a directory inside it",
        }
        .fail(),
        Err(e) => Err(e).at("exchange", &target.path),
    }
}

/// For file systems that can't exchange. Between the two steps the target is
/// absent; the journal lets the next start finish the second one.
fn two_renames(target: &Target, staged: &Path, journal: &Journal) -> Result<()> {
    let previous = journal.previous(target);
    rename_dir_no_replace(&target.path, &previous)?;
    sync_dir(target.parent())?;
    rename_dir_no_replace(staged, &target.path)
}

/// After the swap: gives the old tree its name, drops older ones, ends the journal.
fn settle(target: &Target, journal: &Journal) -> Result<()> {
    let (staged, previous) = (journal.staged(target), journal.previous(target));
    sync_dir(target.parent())?;
    if journal.old.is_some() && identity(&staged)? == journal.old {
        rename_dir_no_replace(&staged, &previous)?;
        sync_dir(target.parent())?;
    }
    remove_previous_but(target, Some(&previous))?;
    end_journal(target)
}

/// Finishes or undoes what a killed restore or rollback began, and removes
/// what it had written. The target's lock must be held.
pub(crate) fn recover(target: &Target) -> Result<()> {
    if let Some(journal) = read_journal(target)? {
        let (staged, previous) = (journal.staged(target), journal.previous(target));
        let now = identity(&target.path)?;
        let new = Some(journal.new);
        if now == new {
            settle(target, &journal)?;
        } else if now.is_none() && journal.old.is_some() {
            // Killed between the two renames of the fallback. The staged tree
            // is complete and synced, so forward is as safe as back.
            if identity(&staged)? == new {
                rename_dir_no_replace(&staged, &target.path)?;
                settle(target, &journal)?;
            } else if identity(&previous)? == journal.old {
                rename_dir_no_replace(&previous, &target.path)?;
                sync_dir(target.parent())?;
                end_journal(target)?;
            }
        } else {
            if journal.origin == Origin::Restore && identity(&staged)? == new {
                remove_tree(&staged)?;
            }
            end_journal(target)?;
        }
    }
    // No journal names them any more: trees that were never finished, or were on their way out.
    if read_journal(target)?.is_none() {
        for leftover in target.siblings(Sibling::Restore)? {
            remove_tree(&leftover)?;
        }
    }
    Ok(())
}

fn read_journal(target: &Target) -> Result<Option<Journal>> {
    let path = target.journal();
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).at("read", &path),
    };
    let detail = match serde_json::from_slice::<Journal>(&json) {
        Ok(journal) if journal.version == 1 => return Ok(Some(journal)),
        Ok(journal) => format!("version {}", journal.version),
        Err(e) => e.to_string(),
    };
    JournalSnafu { path, detail }.fail()
}

fn end_journal(target: &Target) -> Result<()> {
    let path = target.journal();
    fs::remove_file(&path).at("remove", &path)?;
    sync_dir(target.parent())
}

fn newest_previous(target: &Target) -> Result<PathBuf> {
    let kept =
        if target.parent().is_dir() { target.siblings(Sibling::Previous)? } else { Vec::new() };
    match kept.into_iter().next() {
        Some(path) => Ok(path),
        None => NoPreviousSnafu { target: &target.path }.fail(),
    }
}

/// Removes kept trees but `keep`. Each first takes a name that the next start
/// sweeps, so that half a tree is never taken for a kept one.
fn remove_previous_but(target: &Target, keep: Option<&Path>) -> Result<()> {
    for previous in target.siblings(Sibling::Previous)? {
        if Some(previous.as_path()) != keep {
            let leaving = target.sibling(Sibling::Restore, &random_id());
            rename_dir_no_replace(&previous, &leaving)?;
            remove_tree(&leaving)?;
        }
    }
    Ok(())
}
