//! Where a restore may go, what it would change, and the way back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lyra_backup::{
    BackupManager, CreateOptions, SkipReason, discard_previous_blocking, rollback_blocking,
};
use support::{Locked, Place, code, plant, tree};

#[test]
fn the_previous_tree_stays_until_the_next_restore() {
    let place = Place::planted();
    let manager = place.manager();
    let first = place.create();
    fs::write(place.source.join("journal/new"), "later").unwrap();
    let second = place.create();
    fs::create_dir(&place.target).unwrap();
    fs::write(place.target.join("mine"), "before").unwrap();
    let one =
        manager.restore(&first.name).to(&place.target).run_blocking().unwrap().previous.unwrap();
    assert_eq!(fs::read(one.join("mine")).unwrap(), b"before");
    let two =
        manager.restore(&second.name).to(&place.target).run_blocking().unwrap().previous.unwrap();
    assert!(!one.exists() && two.join("journal").exists());
    assert_eq!(place.siblings().len(), 1, "{:?}", place.siblings());

    let newer = tree(&place.target);
    rollback_blocking(&place.target).unwrap();
    assert!(!place.target.join("journal/new").exists());
    rollback_blocking(&place.target).unwrap();
    assert_eq!(tree(&place.target), newer, "twice is where it began");
    discard_previous_blocking(&place.target).unwrap();
    assert!(place.siblings().is_empty());
    assert_eq!(code(rollback_blocking(&place.target)), "backup.no_previous");
    assert_eq!(code(discard_previous_blocking(&place.target)), "backup.no_previous");
    assert_eq!(code(rollback_blocking(place.dir.path().join("no/such"))), "backup.no_previous");
}

#[test]
fn a_plan_tells_what_would_change_and_changes_nothing() {
    let place = Place::planted();
    let manager = place.manager();
    let made = place.create();
    let fresh = manager.restore(&made.name).to(&place.target).dry_run_blocking().unwrap();
    assert!(!fresh.target_exists && !place.target.exists());
    assert_eq!(fresh.diff.added.len(), 16);
    assert_eq!((fresh.files, fresh.symlinks, fresh.directories), (6, 3, 7));
    assert!(fresh.needed_bytes > fresh.content_bytes && fresh.free_bytes > fresh.needed_bytes);

    fs::create_dir(&place.target).unwrap();
    plant(&place.target);
    fs::write(place.target.join("block"), "changed").unwrap();
    fs::write(place.target.join("mine"), "extra").unwrap();
    fs::remove_file(place.target.join("latest")).unwrap();
    let before = tree(&place.target);
    let plan = manager.restore(&made.name).to(&place.target).dry_run_blocking().unwrap();
    assert_eq!(plan.diff.added, [Path::new("latest")]);
    assert_eq!(plan.diff.changed, [Path::new("block")]);
    assert_eq!(plan.diff.deleted, [Path::new("mine")]);
    assert_eq!(plan.diff.unchanged, 14);
    assert_eq!(tree(&place.target), before);
    assert!(place.siblings().is_empty());
}

#[test]
fn targets_that_can_not_be_exchanged_are_refused() {
    let place = Place::planted();
    let manager = place.manager();
    let made = place.create();
    let file = place.dir.path().join("file");
    let dangling = place.dir.path().join("dangling");
    fs::write(&file, "x").unwrap();
    symlink("nowhere", &dangling).unwrap();
    let outer = place.dir.path().to_owned();
    let inside = place.backups.join("inside");
    let long = place.dir.path().join("n".repeat(240));
    fs::create_dir(&long).unwrap();
    for target in [
        long,
        file,
        dangling,
        outer,
        inside,
        place.backups.clone(),
        PathBuf::from("/"),
        PathBuf::from("/proc"),
    ] {
        let restore = manager.restore(&made.name).to(&target);
        assert_eq!(
            code(restore.clone().run_blocking()),
            "backup.bad_target",
            "{}",
            target.display()
        );
        assert_eq!(code(restore.dry_run_blocking()), "backup.bad_target", "{}", target.display());
    }
}

#[test]
fn links_missing_parents_and_trailing_dots_are_resolved() {
    let place = Place::planted();
    let manager = place.manager();
    let made = place.create();
    let deep = place.dir.path().join("new/deep/target");
    manager.restore(&made.name).to(&deep).run_blocking().unwrap();
    assert_eq!(tree(&deep), tree(&place.source));
    let link = place.dir.path().join("link");
    symlink("new/deep/target", &link).unwrap();
    fs::write(deep.join("mine"), "x").unwrap();
    let report = manager.restore(&made.name).to(link.join(".")).run_blocking().unwrap();
    assert_eq!(report.target, fs::canonicalize(&deep).unwrap());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link stays a link");
    assert!(!deep.join("mine").exists());
    // Over its own source, the usual case.
    fs::write(place.source.join("mistake"), "x").unwrap();
    manager.restore(&made.name).to(&place.source).run_blocking().unwrap();
    assert!(!place.source.join("mistake").exists());
}

#[test]
fn a_store_that_is_open_is_not_exchanged() {
    let place = Place::planted();
    let manager = place.manager();
    let made = place.create();
    fs::create_dir(&place.target).unwrap();
    let lock_path = place.target.join("lyra.lock");
    fs::write(&lock_path, r#"{"pid": 4242, "started": 1}"#).unwrap();
    let lock = Locked::file(File::options().read(true).write(true).open(&lock_path).unwrap());
    let restore = manager.restore(&made.name).to(&place.target);
    let error = restore.clone().run_blocking().unwrap_err();
    assert!(error.to_string().contains("process 4242"), "{error}");
    assert_eq!(code(restore.clone().run_blocking()), "backup.target_in_use");
    assert_eq!(code(restore.clone().dry_run_blocking()), "backup.target_in_use");
    assert!(place.siblings().is_empty(), "{:?}", place.siblings());
    drop(lock);
    restore.clone().run_blocking().unwrap();

    // Somebody else's locked file is none of ours, and a link to it is not followed.
    let elsewhere = place.dir.path().join("elsewhere");
    let _other = Locked::file(File::create(&elsewhere).unwrap());
    symlink(&elsewhere, &lock_path).unwrap();
    restore.run_blocking().unwrap();
}

/// Makes `lyra.lock` anew, and the directory it is in, and locks it, as opening a store does.
fn open_store(dir: &Path) -> Locked {
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("lyra.lock");
    let _ = fs::remove_file(&path);
    Locked::file(File::create(path).unwrap())
}

#[test]
fn a_store_that_is_opened_during_the_restore_is_not_exchanged() {
    // What there is when the restore begins: nothing, a store that was never
    // opened, and one whose lock file another one takes the place of.
    for before in ["nothing", "a tree", "a closed store"] {
        let place = Place::planted();
        let manager = place.manager();
        let made = place.create();
        if before != "nothing" {
            drop(open_store(&place.target));
        }
        if before == "a tree" {
            fs::remove_file(place.target.join("lyra.lock")).unwrap();
        }
        let opened = Arc::new(Mutex::new(None));
        let (store, target) = (Arc::clone(&opened), place.target.clone());
        let restore = manager.restore(&made.name).to(&place.target);
        let during = restore.clone().with_progress(move |_| {
            store.lock().unwrap().get_or_insert_with(|| {
                fs::create_dir_all(&target).unwrap();
                fs::write(target.join("entry"), "mine").unwrap();
                open_store(&target)
            });
            ControlFlow::Continue(())
        });
        assert_eq!(code(during.run_blocking()), "backup.target_in_use", "{before}");
        assert_eq!(fs::read(place.target.join("entry")).unwrap(), b"mine");
        assert!(place.target.join("lyra.lock").exists(), "the store's own lock");
        assert!(place.siblings().is_empty(), "{:?}", place.siblings());
        *opened.lock().unwrap() = None;
        let previous = restore.run_blocking().unwrap().previous.unwrap();
        assert_eq!(fs::read(previous.join("entry")).unwrap(), b"mine");
        // No way back while the new tree is open.
        let lock = open_store(&place.target);
        assert_eq!(code(rollback_blocking(&place.target)), "backup.target_in_use");
        drop(lock);
        rollback_blocking(&place.target).unwrap();
        assert_eq!(fs::read(place.target.join("entry")).unwrap(), b"mine");
    }
}

#[test]
fn a_tree_without_a_lock_is_kept_as_it_was() {
    let place = Place::planted();
    let made = place.create();
    fs::create_dir(&place.target).unwrap();
    plant(&place.target);
    let before = tree(&place.target);
    let manager = place.manager();
    let restore = manager.restore(&made.name).to(&place.target);
    let previous = restore.run_blocking().unwrap().previous.unwrap();
    assert_eq!(tree(&previous), before);
    rollback_blocking(&place.target).unwrap();
    assert_eq!(tree(&place.target), before);
}

#[test]
fn one_restore_at_a_time_and_a_damaged_journal_stops_it() {
    let place = Place::planted();
    let manager = place.manager();
    let made = place.create();
    let restore = manager.restore(&made.name).to(&place.target);
    let path = place.dir.path().join(".restored.restore-lock");
    let lock = Locked::file(File::create(&path).unwrap());
    assert_eq!(code(restore.clone().run_blocking()), "backup.locked");
    drop(lock);
    fs::write(place.dir.path().join(".restored.restore-journal"), "{\"version\":").unwrap();
    assert_eq!(code(restore.clone().run_blocking()), "backup.journal");
    assert_eq!(code(restore.clone().dry_run_blocking()), "backup.journal");
    assert!(!place.target.exists());
    fs::remove_file(place.dir.path().join(".restored.restore-journal")).unwrap();
    restore.run_blocking().unwrap();
}

#[test]
fn a_failed_restore_leaves_nothing_and_strangers_beside_the_target_stay() {
    let place = Place::planted();
    let made = place.create();
    let stranger = place.dir.path().join(".restored.restore-notes");
    fs::create_dir(&stranger).unwrap();
    let manager = BackupManager::builder(&place.source, &place.backups).build().unwrap();
    let leftover = place.dir.path().join(".restored.restore-abc123");
    fs::create_dir_all(leftover.join("half")).unwrap();
    manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert!(stranger.exists() && !leftover.exists());
    manager.create_blocking(CreateOptions::default()).unwrap();
}

#[test]
fn what_restores_keep_beside_a_target_in_the_source_is_left_out_and_named() {
    let place = Place::planted();
    let manager = place.manager();
    let inner = place.source.join("journal/inner");
    let first = place.create();
    fs::create_dir(&inner).unwrap();
    let previous = manager.restore(&first.name).to(&inner).run_blocking().unwrap().previous;
    let stranger = place.source.join("journal/.inner.previous-notes");
    fs::create_dir(&stranger).unwrap();
    let made = place.create();
    assert!(made.is_complete());
    let skipped: Vec<_> =
        made.skipped.iter().map(|s| (place.source.join(&s.path), s.reason)).collect();
    assert_eq!(skipped, [(previous.unwrap(), SkipReason::RestoreSibling)]);
    manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert!(place.target.join("journal/.inner.previous-notes").exists());
    assert!(place.target.join("journal/inner/block").exists());
}
