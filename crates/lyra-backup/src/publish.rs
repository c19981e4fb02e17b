//! Puts a finished tree in the target's place, in one step, and back again.
//!
//! The journal names both trees before anything moves. Whoever comes next, after
//! a crash at any instant, tells from their identities how far it went. A tree
//! that is not what the journal says is kept, whatever it is.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::durable::{
    check_removable, remove_if_there, remove_tree, rename_dir_no_replace, sync_dir,
    write_atomically,
};
use crate::error::{BackupError, BadTargetSnafu, IoAt as _, JournalSnafu, NoPreviousSnafu, Result};
use crate::events;
use crate::name::random_id;
use crate::target::{IS_MOUNT_POINT, Identity, Sibling, Target, identity};

/// Exchanges the target with the tree that the last restore replaced.
///
/// Rolling back twice is where it began. The store in the target must be closed.
///
/// # Errors
/// `backup.no_previous` when no tree is kept, `backup.target_in_use`,
/// `backup.locked`, `backup.bad_target`, `backup.io`.
pub fn rollback_blocking(target: impl AsRef<Path>) -> Result<()> {
    let target = target.as_ref();
    let done = roll_back(target);
    done.inspect(|()| events::rolled_back(target))
        .inspect_err(|error| events::failed("roll_back", error))
}

fn roll_back(target: &Path) -> Result<()> {
    let target = Target::resolve(target)?;
    if !target.parent().is_dir() {
        newest_previous(&target)?;
    }
    let _lock = target.lock()?;
    recover(&target)?;
    let kept = newest_previous(&target)?;
    let _store = target.seize(None)?;
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

/// Of the journal; 1 named trees by device and inode.
const VERSION: u32 = 2;

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
    // Something may have been mounted since the restore began.
    target.check_mounts()?;
    let Some(new) = identity(staged)? else {
        return Err(io::Error::from(io::ErrorKind::NotFound)).at("publish", staged);
    };
    let name = staged.to_string_lossy();
    let journal = Journal {
        version: VERSION,
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
    write_atomically(&path, &target.journal_draft(), &json)?;
    if let Err(failed) = swap(target, staged, &journal).map_err(|e| immovable(e, target)) {
        // Nothing moved, or the fallback moved one tree: the journal decides.
        recover(target)?;
        if identity(&target.path)? != Some(journal.new) {
            return Err(failed);
        }
    } else {
        settle(target, &journal)?;
    }
    Ok(journal.old.map(|_| journal.previous(target)))
}

fn swap(target: &Target, staged: &Path, journal: &Journal) -> Result<()> {
    if journal.old.is_none() {
        return rename_dir_no_replace(staged, &target.path);
    }
    match renameat_with(CWD, staged, CWD, &target.path, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => two_renames(target, staged, journal),
        Err(Errno::BUSY) => BadTargetSnafu { path: &target.path, reason: IS_MOUNT_POINT }.fail(),
        Err(e) => Err(e).at("exchange", &target.path),
    }
}

/// Overlays refuse to move a directory that a lower layer holds.
fn immovable(error: BackupError, target: &Target) -> BackupError {
    let crosses = Some(Errno::XDEV.raw_os_error());
    match &error {
        BackupError::Io { source, .. } if source.raw_os_error() == crosses => BadTargetSnafu {
            path: &target.path,
            reason: "its file system can't move it, as an overlay can't move what lies in a lower \
                     layer; restore to a directory inside it",
        }
        .build(),
        _ => error,
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
    let previous = journal.previous(target);
    sync_dir(target.parent())?;
    if journal.old.is_some() {
        keep_staged(target, journal)?;
    }
    // The new tree is in place and the old one has its name: what an older one
    // holds on with is no failure of this restore. The journal stays, so that
    // the next start tries again and knows which of the kept trees is the last.
    match remove_previous_but(target, Some(&previous)) {
        Ok(()) => end_journal(target),
        Err(_) => Ok(()),
    }
}

/// Gives whatever stands under the staged tree's name that of the replaced one.
fn keep_staged(target: &Target, journal: &Journal) -> Result<()> {
    let staged = journal.staged(target);
    if journal.staged_kind == StagedKind::Previous && identity(&target.path)? != Some(journal.new) {
        // The rollback did not come about, and the tree has such a name already.
        return Ok(());
    }
    if identity(&staged)?.is_some() {
        rename_dir_no_replace(&staged, &journal.previous(target))?;
        sync_dir(target.parent())?;
    }
    Ok(())
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
            } else {
                return JournalSnafu {
                    path: target.journal(),
                    detail: "the target is gone, and neither tree beside it is the one it names",
                }
                .fail();
            }
        } else {
            // Only what is known to be the tree that was just written, and to
            // be no other, can be written again.
            if journal.origin == Origin::Restore && identity(&staged)? == new && journal.old != new
            {
                let _ = remove_tree(&staged);
            } else {
                keep_staged(target, &journal)?;
            }
            end_journal(target)?;
        }
    }
    // A journal that was never finished moved nothing.
    remove_if_there(&target.journal_draft())?;
    // No journal names them any more: trees that were never finished, or were on their way out.
    if read_journal(target)?.is_none() {
        for leftover in target.siblings(Sibling::Restore)? {
            // What holds it keeps no restore waiting; the next one tries again.
            let _ = remove_tree(&leftover);
        }
    }
    Ok(())
}

/// Whether a restore could take up what an earlier one left.
pub(crate) fn check_journal(target: &Target) -> Result<()> {
    read_journal(target).map(drop)
}

fn read_journal(target: &Target) -> Result<Option<Journal>> {
    let path = target.journal();
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).at("read", &path),
    };
    let detail = match serde_json::from_slice::<Journal>(&json) {
        Ok(journal) if journal.version == VERSION => return Ok(Some(journal)),
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

/// The tree that the last restore or rollback replaced.
fn newest_previous(target: &Target) -> Result<PathBuf> {
    if let Some(journal) = read_journal(target)? {
        let previous = journal.previous(target);
        if identity(&previous)?.is_some() {
            return Ok(previous);
        }
    }
    let kept =
        if target.parent().is_dir() { target.siblings(Sibling::Previous)? } else { Vec::new() };
    // A rename counts as a change of the directory, so the last one kept has the latest.
    let changed = |path: &PathBuf| {
        fs::symlink_metadata(path).map(|m| (m.ctime(), m.ctime_nsec())).unwrap_or_default()
    };
    match kept.into_iter().max_by_key(changed) {
        Some(path) => Ok(path),
        None => NoPreviousSnafu { target: &target.path }.fail(),
    }
}

/// Removes kept trees but `keep`. Each first takes a name that the next start
/// sweeps, so that half a tree is never taken for a kept one.
fn remove_previous_but(target: &Target, keep: Option<&Path>) -> Result<()> {
    let mut outcome = Ok(());
    for previous in target.siblings(Sibling::Previous)? {
        if Some(previous.as_path()) != keep {
            outcome = outcome.and(remove_previous(target, &previous));
        }
    }
    outcome
}

fn remove_previous(target: &Target, previous: &Path) -> Result<()> {
    check_removable(previous)?;
    let leaving = target.sibling(Sibling::Restore, &random_id());
    rename_dir_no_replace(previous, &leaving)?;
    remove_tree(&leaving)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target `t` with content `old`, and a staged tree with content `new`.
    struct Bench {
        dir: tempfile::TempDir,
        target: Target,
        staged: PathBuf,
    }

    impl Bench {
        fn new(origin: Origin) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("t");
            fs::create_dir(&path).unwrap();
            fs::write(path.join("who"), "old").unwrap();
            let target = Target::resolve(&path).unwrap();
            let kind = match origin {
                Origin::Restore => Sibling::Restore,
                Origin::Rollback => Sibling::Previous,
            };
            let staged = target.sibling(kind, "aaaaaa");
            fs::create_dir(&staged).unwrap();
            fs::write(staged.join("who"), "new").unwrap();
            Self { dir, target, staged }
        }

        fn journal(&self, origin: Origin) -> Journal {
            let journal = Journal {
                version: VERSION,
                origin,
                staged_id: "aaaaaa".into(),
                staged_kind: match origin {
                    Origin::Restore => StagedKind::Restore,
                    Origin::Rollback => StagedKind::Previous,
                },
                previous_id: "bbbbbb".into(),
                new: identity(&self.staged).unwrap().unwrap(),
                old: identity(&self.target.path).unwrap(),
            };
            fs::write(self.target.journal(), serde_json::to_vec(&journal).unwrap()).unwrap();
            journal
        }

        fn content(&self) -> String {
            fs::read_to_string(self.target.path.join("who")).unwrap()
        }

        /// The trees beside the target, by what is in them.
        fn beside(&self) -> Vec<String> {
            let mut found: Vec<String> = fs::read_dir(self.dir.path())
                .unwrap()
                .map(|e| e.unwrap().path())
                .filter(|p| *p != self.target.path)
                .map(|p| fs::read_to_string(p.join("who")).unwrap_or(p.display().to_string()))
                .collect();
            found.sort();
            found
        }
    }

    /// Each function goes one step further before the power fails.
    type Steps = [fn(&Bench, &Journal); 4];

    const EXCHANGED: Steps = [
        |_, _| {},
        |b, _| {
            renameat_with(CWD, &b.staged, CWD, &b.target.path, RenameFlags::EXCHANGE).unwrap();
        },
        |b, j| fs::rename(&b.staged, j.previous(&b.target)).unwrap(),
        |b, _| fs::remove_file(b.target.journal()).unwrap(),
    ];

    const TWO_RENAMES: Steps = [
        |_, _| {},
        |b, j| fs::rename(&b.target.path, j.previous(&b.target)).unwrap(),
        |b, _| fs::rename(&b.staged, &b.target.path).unwrap(),
        |b, _| fs::remove_file(b.target.journal()).unwrap(),
    ];

    fn after_a_crash(origin: Origin, steps: &Steps, count: usize) -> Bench {
        let bench = Bench::new(origin);
        let journal = bench.journal(origin);
        for step in &steps[..count] {
            step(&bench, &journal);
        }
        recover(&bench.target).unwrap();
        recover(&bench.target).unwrap();
        bench
    }

    #[test]
    fn a_restore_that_crashed_at_any_step_is_undone_or_finished() {
        for steps in [&EXCHANGED, &TWO_RENAMES] {
            let bench = after_a_crash(Origin::Restore, steps, 1);
            assert_eq!((bench.content(), bench.beside()), ("old".into(), vec![]));
            for count in 2..=4 {
                let bench = after_a_crash(Origin::Restore, steps, count);
                assert_eq!((bench.content(), bench.beside()), ("new".into(), vec!["old".into()]));
            }
        }
    }

    #[test]
    fn a_rollback_that_crashed_at_any_step_keeps_both_trees() {
        for steps in [&EXCHANGED, &TWO_RENAMES] {
            let bench = after_a_crash(Origin::Rollback, steps, 1);
            assert_eq!((bench.content(), bench.beside()), ("old".into(), vec!["new".into()]));
            for count in 2..=4 {
                let bench = after_a_crash(Origin::Rollback, steps, count);
                assert_eq!((bench.content(), bench.beside()), ("new".into(), vec!["old".into()]));
            }
        }
    }

    #[test]
    fn the_fallback_ends_where_the_exchange_ends() {
        let bench = Bench::new(Origin::Restore);
        let journal = bench.journal(Origin::Restore);
        two_renames(&bench.target, &bench.staged, &journal).unwrap();
        settle(&bench.target, &journal).unwrap();
        assert_eq!((bench.content(), bench.beside()), ("new".into(), vec!["old".into()]));
    }

    #[test]
    fn the_journal_tells_the_last_of_two_kept_trees() {
        let bench = Bench::new(Origin::Restore);
        let journal = bench.journal(Origin::Restore);
        for id in ["000000", "zzzzzz"] {
            fs::create_dir(bench.target.sibling(Sibling::Previous, id)).unwrap();
        }
        EXCHANGED[1](&bench, &journal);
        EXCHANGED[2](&bench, &journal);
        assert_eq!(newest_previous(&bench.target).unwrap(), journal.previous(&bench.target));
        recover(&bench.target).unwrap();
        assert_eq!((bench.content(), bench.beside()), ("new".into(), vec!["old".into()]));
    }

    #[test]
    fn a_target_that_somebody_else_replaced_is_left_alone() {
        let bench = Bench::new(Origin::Restore);
        bench.journal(Origin::Restore);
        fs::rename(&bench.target.path, bench.dir.path().join("moved")).unwrap();
        fs::create_dir(&bench.target.path).unwrap();
        fs::write(bench.target.path.join("who"), "theirs").unwrap();
        recover(&bench.target).unwrap();
        assert_eq!((bench.content(), bench.beside()), ("theirs".into(), vec!["old".into()]));
    }

    fn journal_of_strangers(bench: &Bench, origin: Origin, old: bool) -> Journal {
        let mut journal = bench.journal(origin);
        let stranger = tempfile::tempdir().unwrap();
        journal.new = identity(stranger.path()).unwrap().unwrap();
        if old {
            journal.old = Some(journal.new);
        }
        fs::write(bench.target.journal(), serde_json::to_vec(&journal).unwrap()).unwrap();
        journal
    }

    #[test]
    fn trees_that_are_not_what_the_journal_says_are_kept() {
        for origin in [Origin::Restore, Origin::Rollback] {
            for steps in [&EXCHANGED, &TWO_RENAMES] {
                for (count, old) in [(1, true), (1, false), (2, true), (3, true), (3, false)] {
                    let bench = Bench::new(origin);
                    let journal = journal_of_strangers(&bench, origin, old);
                    for step in &steps[..count] {
                        step(&bench, &journal);
                    }
                    let first = recover(&bench.target);
                    let again = recover(&bench.target);
                    assert_eq!(first.is_ok(), again.is_ok());
                    let mut found = bench.beside();
                    if bench.target.exists() {
                        first.unwrap();
                        found.push(bench.content());
                    } else {
                        assert!(matches!(first, Err(BackupError::Journal { .. })), "{first:?}");
                        found.retain(|f| !f.contains("journal"));
                    }
                    found.sort();
                    assert_eq!(found, ["new", "old"], "{origin:?} {count} {old}");
                    assert!(
                        bench.target.siblings(Sibling::Restore).unwrap().is_empty()
                            || !bench.target.exists()
                    );
                }
            }
        }
    }

    #[test]
    fn the_replaced_tree_stays_when_the_new_one_was_moved_away() {
        let bench = Bench::new(Origin::Restore);
        let journal = bench.journal(Origin::Restore);
        EXCHANGED[1](&bench, &journal);
        fs::rename(&bench.target.path, bench.dir.path().join("aside")).unwrap();
        fs::create_dir(&bench.target.path).unwrap();
        fs::write(bench.target.path.join("who"), "theirs").unwrap();
        recover(&bench.target).unwrap();
        recover(&bench.target).unwrap();
        assert_eq!(bench.beside(), ["new", "old"]);
        assert_eq!(newest_previous(&bench.target).unwrap(), journal.previous(&bench.target));
    }

    #[test]
    fn a_lost_staged_tree_brings_the_old_one_back() {
        let bench = Bench::new(Origin::Restore);
        let journal = bench.journal(Origin::Restore);
        TWO_RENAMES[1](&bench, &journal);
        fs::remove_dir_all(&bench.staged).unwrap();
        recover(&bench.target).unwrap();
        assert_eq!((bench.content(), bench.beside()), ("old".into(), vec![]));
    }
}
