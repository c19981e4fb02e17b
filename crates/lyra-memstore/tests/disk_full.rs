//! A full disk: a clear error, the old state, and work again when there is
//! room.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use lyra_errors::{Classify, Severity};
use lyra_memstore::{Entry, MemoryStore, Space};

/// A file system of two megabytes, as long as it lives.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(at))
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
    let Some(disk) = SmallDisk::mount(dir.path()) else {
        writeln!(
            std::io::stderr(),
            "SKIPPED a_full_disk_is_told_and_nothing_is_lost: no file system can be mounted here; \
             get it with root rights"
        )
        .unwrap();
        return;
    };
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
