//! What may not be written: every write is refused with its code and changes
//! nothing, and what can be read is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lyra_errors::Classify;
use lyra_memstore::{
    Entry, EntryPatch, Filter, ImportOptions, List, MemoryError, MemoryStore, Query, Space,
};

fn fill(path: &Path) -> MemoryStore {
    let store = MemoryStore::open(path).unwrap();
    let facts = store.collection("facts", Space::lexical(16)).unwrap();
    let fact = |i: i64| Entry::fact(format!("fact {i}")).with_id(i.to_string());
    facts.add((0..30).map(|i| fact(i).with_metadata("n", i)).collect::<Vec<_>>()).unwrap();
    store
}

/// All sorts of reads.
fn read(store: &MemoryStore) -> Result<(), MemoryError> {
    let facts = store.open_collection("facts")?;
    assert_eq!(facts.list(List::new().filter(Filter::lt("n", 5)))?.len(), 5);
    assert_eq!(facts.query(Query::text("fact 7").top(3).hybrid())?[0].entry.id(), Some("7"));
    assert_eq!(facts.count_where(&Filter::contains("fact"))?, 30);
    assert_eq!(facts.export(&mut Vec::new())?, 30);
    assert!(store.check()?.is_ok());
    Ok(())
}

#[test]
fn every_write_to_a_store_that_is_open_for_reading_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    drop(fill(&path));
    let bytes = || fs::read(path.join("memory.sqlite3")).unwrap();
    let before = bytes();
    let source = dir.path().join("more.md");
    fs::write(&source, "# More\n").unwrap();
    let store = MemoryStore::builder(&path).open_read_only().unwrap();
    let facts = store.open_collection("facts").unwrap();
    let refused = [
        facts.add(Entry::fact("x")).err(),
        facts.upsert(Entry::fact("x")).err(),
        facts.update(EntryPatch::new("1").with_significance(3)).err(),
        facts.delete(["1"]).err(),
        facts.import(&[source], &ImportOptions::default(), &mut |_| {}).err(),
        store.transaction(|_| Ok::<_, MemoryError>(())).err(),
        store.begin().err(),
        store.collection("more", Space::l2(3)).err(),
        store.drop_collection("facts").err(),
        store.reindex().err(),
        store.compact().err(),
    ];
    for (at, error) in refused.into_iter().enumerate() {
        assert_eq!(error.expect("it writes").code().id(), "memstore.read_only", "{at}");
    }
    read(&store).unwrap();
    drop((store, facts));
    assert_eq!(bytes(), before);
}

/// A directory that may not be written, as long as this lives.
struct ReadOnly {
    path: PathBuf,
    is_mounted: bool,
}

impl ReadOnly {
    /// Root may write whatever the permissions say, so there it is a file
    /// system that is read-only.
    #[expect(clippy::explicit_write, reason = "what a test that passes prints is not seen")]
    fn over(path: &Path, test: &str) -> Option<Self> {
        set_modes(path, 0o444, 0o555);
        let path = path.to_owned();
        if fs::write(path.join("try"), "").is_err() {
            return Some(Self { path, is_mounted: false });
        }
        fs::remove_file(path.join("try")).unwrap();
        let mount = |options: &[&str]| {
            let mounted = Command::new("mount").args(options).arg(&path).arg(&path).output();
            mounted.is_ok_and(|output| output.status.success())
        };
        if mount(&["--bind"]) {
            let this = Self { path, is_mounted: true };
            let remounted = Command::new("mount")
                .args(["-o", "remount,bind,ro"])
                .arg(&this.path)
                .output()
                .is_ok_and(|output| output.status.success());
            if remounted {
                return Some(this);
            }
        }
        let why = "this user may write anywhere and cannot mount; run it as another one";
        writeln!(std::io::stderr(), "SKIPPED {test}: {why}").unwrap();
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        }
        set_modes(&self.path, 0o644, 0o755);
    }
}

/// Of the files in a directory, and of itself.
fn set_modes(path: &Path, files: u32, own: u32) {
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(path, 0o755);
    for file in fs::read_dir(path).unwrap() {
        set(&file.unwrap().path(), files);
    }
    set(path, own);
}

#[test]
fn a_store_in_a_directory_that_may_not_be_written_is_refused_and_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    drop(fill(&path));
    {
        let test = "a_store_in_a_directory_that_may_not_be_written_is_refused_and_stays_whole";
        let Some(_read_only) = ReadOnly::over(&path, test) else { return };
        let error = MemoryStore::open(&path).unwrap_err();
        assert_eq!(error.code().id(), "memstore.read_only", "{error:?}");
        // SQLite keeps a file beside the database also for those who only read,
        // unless a writer has made one.
        let error = MemoryStore::builder(&path).open_read_only().unwrap_err();
        assert_eq!(error.code().id(), "memstore.storage", "{error:?}");
        assert!(error.to_string().contains("as SQLite has to even for reading"), "{error}");
    }
    read(&MemoryStore::open(&path).unwrap()).unwrap();
}

#[test]
fn who_may_not_write_reads_beside_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let writer = fill(&path);
    let test = "who_may_not_write_reads_beside_a_writer";
    let Some(_read_only) = ReadOnly::over(&path, test) else { return };
    read(&MemoryStore::builder(&path).open_read_only().unwrap()).unwrap();
    drop(writer);
}
