//! What is opened is recognised: another's directory, a newer format, a
//! damaged file, a second writer, a store that may only be read.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lyra_errors::{Classify, ErrorKind};
use lyra_memstore::{Entry, MemoryError, MemoryStore, Space};

fn filled(dir: &Path) -> PathBuf {
    let path = dir.join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.collection("facts", Space::lexical(16)).unwrap();
    facts.add((0..50).map(|i| Entry::fact(format!("fact {i}"))).collect::<Vec<_>>()).unwrap();
    path
}

fn code_of(result: Result<MemoryStore, MemoryError>) -> &'static str {
    result.expect_err("it must be refused").code().id()
}

fn database(path: &Path) -> PathBuf {
    path.join("memory.sqlite3")
}

/// Runs SQL beside the store, as another program would.
fn meddle(path: &Path, sql: &str) {
    rusqlite::Connection::open(database(path)).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_store_is_created_where_there_is_nothing_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/down/memory");
    let store = MemoryStore::open(&path).unwrap();
    store.collection("facts", Space::lexical(16)).unwrap().add(Entry::fact("x")).unwrap();
    assert_eq!(store.directory(), path);
    drop(store);
    assert!(!path.join("memory.sqlite3-wal").exists(), "a clean close leaves one file");
    let store = MemoryStore::open(&path).unwrap();
    assert_eq!(store.open_collection("facts").unwrap().count().unwrap(), 1);
    assert_eq!(store.stats().unwrap().format, 4);
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert_eq!(code_of(MemoryStore::open(&file)), "memstore.not_a_store");

    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "precious").unwrap();
    assert_eq!(code_of(MemoryStore::open(&foreign)), "memstore.not_a_store");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1, "nothing was put there");

    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    meddle(&other, "CREATE TABLE theirs (a)");
    let before = fs::read(database(&other)).unwrap();
    assert_eq!(code_of(MemoryStore::open(&other)), "memstore.not_a_store");
    assert_eq!(fs::read(database(&other)).unwrap(), before, "not a byte was changed");

    for path in [foreign, file] {
        assert_eq!(code_of(MemoryStore::builder(&path).open_read_only()), "memstore.not_a_store");
        assert_eq!(code_of(MemoryStore::builder(&path).open_existing()), "memstore.not_a_store");
    }
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let killed = dir.path().join("killed");
    fs::create_dir(&killed).unwrap();
    fs::write(killed.join("memory.sqlite3-wal"), "").unwrap();
    for path in [dir.path().join("absent"), empty, killed] {
        assert_eq!(code_of(MemoryStore::builder(&path).open_read_only()), "memstore.no_store");
        assert_eq!(code_of(MemoryStore::builder(&path).open_existing()), "memstore.no_store");
        assert!(!path.join("lyra.lock").exists(), "nothing was created");
    }
    MemoryStore::builder(filled(dir.path())).open_existing().unwrap();
}

#[test]
fn a_store_of_a_newer_format_is_refused_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    meddle(&path, "PRAGMA user_version = 99");
    let before = fs::read(database(&path)).unwrap();
    for error in [
        MemoryStore::open(&path).unwrap_err(),
        MemoryStore::builder(&path).open_read_only().unwrap_err(),
    ] {
        let MemoryError::NewerFormat { found: 99, supported: 4, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(error.code().id(), "memstore.newer_format");
    }
    assert_eq!(fs::read(database(&path)).unwrap(), before);
}

#[test]
fn a_damaged_store_is_told_and_never_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let good = fs::read(database(&path)).unwrap();

    for remains in [b"cut short".to_vec(), b"no database any more ".repeat(100)] {
        fs::write(database(&path), &remains).unwrap();
        assert_eq!(code_of(MemoryStore::open(&path)), "memstore.corrupt");
        assert_eq!(fs::read(database(&path)).unwrap(), remains, "not a byte was changed");
    }

    let mut zeroed = good.clone();
    zeroed[4096..].fill(0);
    fs::write(database(&path), &zeroed).unwrap();
    let damaged = MemoryStore::open(&path)
        .and_then(|store| store.check().map(|report| assert!(!report.is_ok(), "{report:?}")));
    if let Err(error) = damaged {
        assert_eq!(error.code().id(), "memstore.corrupt");
    }

    fs::write(database(&path), &good).unwrap();
    assert!(MemoryStore::open(&path).unwrap().check().unwrap().is_ok());
}

#[test]
fn an_empty_database_of_a_killed_creation_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    fs::create_dir(&path).unwrap();
    fs::write(database(&path), b"").unwrap();
    fs::write(path.join("lyra.lock"), b"").unwrap();
    let read_only = MemoryStore::builder(&path).open_read_only();
    assert_eq!(code_of(read_only), "memstore.no_store");
    assert!(MemoryStore::open(&path).unwrap().collections().unwrap().is_empty());
}

#[test]
fn a_second_writer_is_refused_by_name_and_readers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let writer = MemoryStore::open(&path).unwrap();
    let error = MemoryStore::open(&path).unwrap_err();
    assert_eq!((error.code().id(), error.kind()), ("memstore.locked", ErrorKind::Concurrency));
    assert!(error.recovery().is_recoverable());
    let pid = std::process::id();
    assert!(error.to_string().contains(&format!("(pid {pid})")), "{error}");

    let reader = MemoryStore::builder(&path).open_read_only().unwrap();
    let facts = reader.open_collection("facts").unwrap();
    assert_eq!(facts.count().unwrap(), 50);
    writer.open_collection("facts").unwrap().add(Entry::fact("one more")).unwrap();
    assert_eq!(facts.count().unwrap(), 51, "a reader sees what was committed since");

    let clone = writer.clone();
    drop(writer);
    assert_eq!(code_of(MemoryStore::open(&path)), "memstore.locked");
    drop(clone);
    MemoryStore::open(&path).expect("the last handle lets go of the lock");
}

#[test]
fn a_store_that_was_deleted_or_exchanged_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let writer = MemoryStore::open(&path).unwrap();
    let reader = MemoryStore::builder(&path).open_read_only().unwrap();
    let handles = [&writer, &reader].map(|store| store.open_collection("facts").unwrap());
    fs::rename(&path, dir.path().join("moved")).unwrap();
    for error in [
        handles[0].add(Entry::fact("into nothing")).unwrap_err(),
        handles[0].count().unwrap_err(),
        handles[1].count().unwrap_err(),
    ] {
        assert_eq!(error.code().id(), "memstore.moved");
    }
    let other = MemoryStore::open(&path).expect("the path is free for a new store");
    assert_eq!(handles[1].count().unwrap_err().code().id(), "memstore.moved");
    drop((writer, other, handles));

    let path = dir.path().join("moved");
    let writer = MemoryStore::open(&path).unwrap();
    fs::remove_file(path.join("lyra.lock")).unwrap();
    let error = writer.begin().unwrap_err();
    assert_eq!(error.code().id(), "memstore.moved", "a second writer could get in");
}

#[test]
fn a_store_is_found_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    let store = MemoryStore::open(link.join("memory")).unwrap();
    assert_eq!(store.directory(), path.canonicalize().unwrap());
    assert_eq!(store.open_collection("facts").unwrap().count().unwrap(), 50);
    assert_eq!(code_of(MemoryStore::open(&path)), "memstore.locked");
}

#[test]
fn a_relative_path_means_the_same_wherever_the_process_goes() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_changes_its_directory", "--nocapture"])
        .env("LYRA_TEST_RELATIVE", "memory")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && told.contains("51 entries"), "{told}");
}

/// Not a test of its own: a working directory belongs to a whole process.
#[test]
fn child_that_changes_its_directory() {
    let Some(path) = std::env::var_os("LYRA_TEST_RELATIVE") else { return };
    let store = MemoryStore::open(PathBuf::from(path)).unwrap();
    std::env::set_current_dir("/").unwrap();
    let facts = store.open_collection("facts").unwrap();
    facts.add(Entry::fact("from elsewhere")).unwrap();
    println!("{} entries", facts.count().unwrap());
}

#[test]
fn a_database_that_is_a_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(database(&path), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, database(&path)).unwrap();
    assert_eq!(code_of(MemoryStore::open(&path)), "memstore.storage");
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let precious = dir.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::remove_file(path.join("lyra.lock")).unwrap();
    std::os::unix::fs::symlink(&precious, path.join("lyra.lock")).unwrap();
    assert_eq!(code_of(MemoryStore::open(&path)), "memstore.not_a_store");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

/// POSIX gives up all locks of a process on a file when it closes any handle
/// of that file; SQLite's own would go with them.
#[test]
fn looking_at_a_store_does_not_take_its_locks_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.open_collection("facts").unwrap();
    facts.add(Entry::fact("before")).unwrap();
    MemoryStore::builder(&path).open_read_only().unwrap().stats().unwrap();
    assert_eq!(code_of(MemoryStore::open(&path)), "memstore.locked");
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(database(&path)).unwrap());
    let held = |line: &str| line.contains("POSIX") && line.contains(&format!(":{inode} "));
    assert!(locks.is_empty() || locks.lines().any(held), "SQLite holds its shared lock: {locks}");
}

#[test]
fn of_four_that_create_a_store_at_once_one_has_it() {
    use std::sync::Barrier;
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory");
        let barrier = Barrier::new(4);
        let codes: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                MemoryStore::open(&path).map_err(|error| error.code().id())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(codes.iter().filter(|code| code.is_ok()).count() == 1, "{codes:?}");
        let refused = codes.iter().filter_map(|code| code.as_ref().err());
        assert!(refused.into_iter().all(|code| *code == "memstore.locked"), "{codes:?}");
    }
}

#[test]
fn a_killed_writer_leaves_no_stale_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_holds_the_store", "--nocapture"])
        .env("LYRA_TEST_STORE", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("holding")), "the child holds the store");
    let error = MemoryStore::open(&path).unwrap_err();
    assert!(error.to_string().contains(&format!("(pid {})", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(MemoryStore::open(&path).unwrap().check().unwrap().is_ok());
}

/// Not a test of its own: the other process of the one above.
#[test]
fn child_that_holds_the_store() {
    let Some(path) = std::env::var_os("LYRA_TEST_STORE") else { return };
    let _store = MemoryStore::open(PathBuf::from(path)).unwrap();
    println!("holding");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_store_that_is_open_for_reading_refuses_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let reader = MemoryStore::builder(&path).open_read_only().unwrap();
    let facts = reader.open_collection("facts").unwrap();
    for error in [
        facts.add(Entry::fact("x")).unwrap_err(),
        facts.delete(["x"]).unwrap_err(),
        reader.begin().unwrap_err(),
        reader.collection("more", Space::cosine(2)).unwrap_err(),
        reader.drop_collection("facts").unwrap_err(),
    ] {
        assert_eq!(error.code().id(), "memstore.read_only");
    }
    assert_eq!(facts.count().unwrap(), 50);
}

#[test]
fn collections_remember_what_they_are_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    store.collection("vectors", Space::cosine(3)).unwrap();
    store.collection("vectors", Space::cosine(3)).unwrap();
    for other in [Space::cosine(4), Space::l2(3), Space::lexical(3)] {
        let error = store.collection("vectors", other).unwrap_err();
        assert_eq!(error.code().id(), "memstore.space_mismatch");
    }
    let info = store.collections().unwrap();
    assert_eq!((info.len(), info[0].entries), (1, 0));
    assert_eq!(info[0].space, Space::cosine(3));

    let error = store.open_collection("vector").unwrap_err();
    let MemoryError::CollectionNotFound { known, .. } = &error else { panic!("{error}") };
    assert_eq!(known, &["vectors"]);
    store.drop_collection("vectors").unwrap();
    assert_eq!(
        store.drop_collection("vectors").unwrap_err().code().id(),
        "memstore.collection_not_found"
    );
    store.collection("vectors", Space::l2(4)).expect("the name is free again");
}

#[test]
fn dropping_a_collection_takes_its_entries_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path());
    let store = MemoryStore::open(&path).unwrap();
    let other = store.collection("other", Space::lexical(16)).unwrap();
    other.add(Entry::fact("stays")).unwrap();
    let facts = store.open_collection("facts").unwrap();
    store.drop_collection("facts").unwrap();
    assert_eq!(other.count().unwrap(), 1);
    assert_eq!(store.stats().unwrap().entries, 1);
    let error = facts.add(Entry::fact("late")).unwrap_err();
    assert_eq!(error.code().id(), "memstore.collection_not_found", "a handle of the past");
    assert!(store.check().unwrap().is_ok());
}

#[test]
fn names_and_dimensions_that_cannot_be_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let long = "x".repeat(65);
    for name in ["", "ab", "-ab", "ab-", "a b", "a/b", "ümlaut", long.as_str(), "a\0bc"] {
        let error = store.collection(name, Space::cosine(2)).unwrap_err();
        assert_eq!(error.code().id(), "memstore.invalid_collection", "{name:?}");
    }
    let mut strange = Strange("x\n".repeat(300));
    for _ in 0..2 {
        let space = Space::cosine(2).with_embedder(&strange);
        let error = store.collection("good", space).unwrap_err();
        assert_eq!(error.code().id(), "memstore.invalid_collection");
        assert!(error.to_string().len() < 200);
        strange.0.clear();
    }
    for dimension in [0, Space::MAX_DIMENSION + 1] {
        let error = store.collection("good", Space::l2(dimension)).unwrap_err();
        assert_eq!(error.code().id(), "memstore.invalid_collection", "{dimension}");
    }
    assert!(store.collections().unwrap().is_empty());
}

struct Strange(String);

impl lyra_memstore::Embedder for Strange {
    fn fingerprint(&self) -> &str {
        &self.0
    }
    fn dimension(&self) -> u32 {
        2
    }
    fn embed(&self, _: &[&str]) -> Result<Vec<Vec<f32>>, lyra_errors::Error> {
        Ok(Vec::new())
    }
}
