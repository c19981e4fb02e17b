//! A full disk: a clear error, the old state, and work again when there is
//! room.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use lyra_errors::{Classify, Severity};
use lyra_memstore::{Entry, ImportOptions, List, MemoryError, MemoryStore, Space};

#[path = "support/old_format.rs"]
mod old_format;

/// A small file system, as long as it lives.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// None where it cannot be had, which is told.
    #[expect(clippy::explicit_write, reason = "what a test that passes prints is not seen")]
    fn mount(at: &'a Path, megabytes: u32, test: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            let why = "no file system can be mounted here; get it with root rights";
            writeln!(std::io::stderr(), "SKIPPED {test}: {why}").unwrap();
        }
        mounted.then_some(Self(at))
    }

    /// Fills it up but for that much.
    fn leave(&self, room: u64) {
        let path = self.ballast();
        let mut ballast = File::create(&path).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(room)).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let test = "a_full_disk_is_told_and_nothing_is_lost";
    let Some(disk) = SmallDisk::mount(dir.path(), 2, test) else { return };
    let path = disk.0.join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.collection("facts", Space::lexical(64)).unwrap();
    let batch = |round: usize| -> Vec<Entry> {
        (0..20).map(|i| Entry::fact(format!("{round} {i} {}", "text ".repeat(200)))).collect()
    };
    let (mut whole, error) =
        (0..).find_map(|round| facts.add(batch(round)).err().map(|error| (round, error))).unwrap();
    assert!(whole > 2, "the disk took some rounds");
    assert_eq!(error.code().id(), "memstore.disk_full");
    assert_eq!(Classify::severity(&error), Severity::Critical);
    assert_eq!(facts.count().unwrap(), whole as u64 * 20);
    assert!(facts.add(batch(whole)).is_err(), "it stays full, and the store stays usable");
    assert!(store.check().unwrap().is_ok());

    let grown =
        Command::new("mount").args(["-o", "remount,size=16m"]).arg(disk.0).status().unwrap();
    assert!(grown.success());
    facts.add(batch(whole)).expect("there is room again");
    whole += 1;
    drop((store, facts));
    let store = MemoryStore::open(&path).unwrap();
    assert_eq!(store.open_collection("facts").unwrap().count().unwrap(), whole as u64 * 20);
    assert!(store.check().unwrap().is_ok());
}

/// How much the store takes that is worked on.
const ENTRIES: usize = 150;

fn fill(path: &Path) -> Vec<Entry> {
    let store = MemoryStore::open(path).unwrap();
    let facts = store.collection("facts", Space::lexical(64)).unwrap();
    let fact = |i: usize| {
        let text = format!("{i} {}", format!("word{} ", i * 7).repeat(40));
        Entry::fact(text).with_id(i.to_string()).with_metadata("number", i64::try_from(i).unwrap())
    };
    facts.add((0..ENTRIES * 2).map(fact).collect::<Vec<_>>()).unwrap();
    // Gaps, for `compact` to have something to do.
    facts.delete((0..ENTRIES * 2).filter(|i| i % 2 == 0).map(|i| i.to_string())).unwrap();
    drop((store, facts));
    entries(path)
}

fn entries(path: &Path) -> Vec<Entry> {
    let store = MemoryStore::open(path).unwrap();
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
    store.open_collection("facts").unwrap().list(List::new().with_embeddings()).unwrap()
}

/// With more and more room, until there is enough: so it fails at many places.
/// `look` is told whether it was done.
fn with_more_and_more_room(
    disk: &SmallDisk<'_>,
    work: impl Fn() -> Result<(), MemoryError>,
    mut look: impl FnMut(bool),
) {
    let mut failures = 0;
    for room in (0..).map(|step: u64| step * 48 * 1024) {
        disk.leave(room);
        let done = work();
        disk.make_room();
        look(done.is_ok());
        match done {
            Ok(()) => break,
            Err(error) => {
                assert_eq!(error.code().id(), "memstore.disk_full", "{room}: {error:?}");
                failures += 1;
            }
        }
    }
    assert!(failures > 2, "there was too little room at first: {failures}");
}

#[test]
fn what_keeps_a_store_in_shape_leaves_it_whole_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let test = "what_keeps_a_store_in_shape_leaves_it_whole_on_a_full_disk";
    let Some(disk) = SmallDisk::mount(dir.path(), 12, test) else { return };
    type Work = fn(&MemoryStore) -> Result<(), MemoryError>;
    let works: [Work; 2] = [MemoryStore::reindex, |store| store.compact().map(drop)];
    for (at, work) in works.into_iter().enumerate() {
        let path = disk.0.join(format!("memory-{at}"));
        let before = fill(&path);
        with_more_and_more_room(
            &disk,
            || work(&MemoryStore::open(&path)?),
            |_| assert_eq!(entries(&path), before),
        );
        // Its room is for the next one.
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_store_that_found_no_room_for_maintenance_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let test = "a_store_that_found_no_room_for_maintenance_goes_on";
    let Some(disk) = SmallDisk::mount(dir.path(), 12, test) else { return };
    let path = disk.0.join("memory");
    let before = fill(&path);
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.open_collection("facts").unwrap();
    with_more_and_more_room(
        &disk,
        || store.reindex().and_then(|()| store.compact().map(drop)),
        |_| {
            assert_eq!(facts.list(List::new().with_embeddings()).unwrap(), before);
            let report = store.check().unwrap();
            assert!(report.is_ok(), "{report:?}");
            facts.add(Entry::fact("one more").with_id("more")).unwrap();
            facts.delete(["more"]).unwrap();
        },
    );
}

#[test]
fn a_migration_leaves_the_old_format_whole_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let test = "a_migration_leaves_the_old_format_whole_on_a_full_disk";
    let Some(disk) = SmallDisk::mount(dir.path(), 12, test) else { return };
    let path = disk.0.join("memory");
    let before = fill(&path);
    old_format::bring_back(&path);
    with_more_and_more_room(
        &disk,
        || MemoryStore::open(&path).map(drop),
        |is_done| {
            let reader = MemoryStore::builder(&path).open_read_only();
            let code = reader.err().map(|error| error.code().id());
            assert_eq!(code, (!is_done).then_some("memstore.older_format"));
        },
    );
    assert_eq!(entries(&path), before);
}

#[test]
fn an_import_keeps_its_whole_batches_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let test = "an_import_keeps_its_whole_batches_on_a_full_disk";
    let Some(disk) = SmallDisk::mount(dir.path(), 12, test) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let source = elsewhere.path().join("facts.jsonl");
    let lines: Vec<String> = (0..400)
        .map(|i| format!("{{\"kind\":\"fact\",\"content\":\"{i} {}\"}}", "text ".repeat(100)))
        .collect();
    std::fs::write(&source, lines.join("\n")).unwrap();
    let path = disk.0.join("memory");
    let before = fill(&path).len();
    let mut options = ImportOptions::default();
    options.batch = 50;
    let mut there = before;
    with_more_and_more_room(
        &disk,
        || {
            let facts = MemoryStore::open(&path)?.open_collection("facts")?;
            facts.import(std::slice::from_ref(&source), &options, &mut |_| {}).map(drop)
        },
        |_| {
            let now = entries(&path).len();
            assert!(now >= there && (now - before).is_multiple_of(50), "whole batches: {now}");
            there = now;
        },
    );
    assert_eq!(there, before + 400);
}
