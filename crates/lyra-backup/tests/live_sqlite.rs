//! Databases are snapshotted while they are written to, and nothing disturbs their users.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lyra_backup::{CreateOptions, SkipReason};
use rusqlite::Connection;
use support::{Place, code, noise, tree};

const ROLE: &str = "LYRA_TEST_ROLE";
const RUNS: usize = 20;

/// What the child does; without a role the test passes at once.
#[test]
fn child_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let db = Connection::open(std::env::var_os("DB").unwrap()).unwrap();
    match role.as_str() {
        // Moves amounts between two accounts until it is killed: the sum never changes.
        "writer" => {
            db.busy_timeout(Duration::from_secs(30)).unwrap();
            for i in 1_i64.. {
                db.execute_batch(&format!(
                    "BEGIN IMMEDIATE;
                     UPDATE account SET amount = amount - {i} WHERE id = 1;
                     INSERT INTO entry(note) VALUES (randomblob(600));
                     UPDATE account SET amount = amount + {i} WHERE id = 2;
                     DELETE FROM entry WHERE id % 7 = 3 AND id < (SELECT max(id) FROM entry) - 400;
                     COMMIT;"
                ))
                .unwrap();
            }
        }
        // Ends well only where somebody else holds the write lock.
        "must_be_locked_out" => {
            db.busy_timeout(Duration::ZERO).unwrap();
            let refused = db.execute_batch("BEGIN IMMEDIATE").unwrap_err();
            assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        }
        other => panic!("no such role: {other}"),
    }
}

fn role(role: &str, db: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_role"]).env(ROLE, role).env("DB", db);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn accounts(path: &Path, journal: &str) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update_and_check(None, "journal_mode", journal, |_| Ok(())).unwrap();
    db.execute_batch(
        "CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER NOT NULL);
         INSERT INTO account VALUES (1, 1000), (2, 0);
         CREATE TABLE entry(id INTEGER PRIMARY KEY, note BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO entry(note) SELECT randomblob(600) FROM n;",
    )
    .unwrap();
    db
}

fn entries(db: &Connection) -> i64 {
    db.query_row("SELECT max(id) FROM entry", [], |r| r.get(0)).unwrap()
}

#[test]
fn a_database_under_write_load_restores_consistently() {
    let place = Place::new();
    let path = place.source.join("memory.db");
    let reader = accounts(&path, "WAL");
    let mut writer = role("writer", &path).spawn().unwrap();
    let manager = place.manager();
    let (mut consistent, mut moved) = (0, 0);
    let start = entries(&reader);
    let waiting = Instant::now();
    while entries(&reader) == start && waiting.elapsed() < Duration::from_secs(30) {
        std::thread::yield_now();
    }
    for run in 0..RUNS {
        let before = entries(&reader);
        let made = manager.create_blocking(CreateOptions::default()).unwrap();
        moved += usize::from(entries(&reader) > before);
        assert_eq!(made.sqlite_snapshots, [Path::new("memory.db")], "{made:?}");
        assert!(made.is_complete(), "{made:?}");
        let target = place.dir.path().join(format!("run-{run}"));
        let report = manager.restore(&made.name).to(&target).run_blocking().unwrap();
        assert_eq!(report.databases_checked, 1);
        let names: Vec<_> =
            fs::read_dir(&target).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["memory.db"], "no -wal and no -shm comes along");
        let db = Connection::open(target.join("memory.db")).unwrap();
        let check: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        let sum: i64 = db.query_row("SELECT sum(amount) FROM account", [], |r| r.get(0)).unwrap();
        consistent += usize::from(check == "ok" && sum == 1000 && entries(&db) >= before);
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    support::say(&format!(
        "consistent in {consistent} of {RUNS} runs, the writer moved during {moved}"
    ));
    assert_eq!(consistent, RUNS);
    assert!(moved > RUNS / 2, "there was no write load: {moved}");
}

#[test]
fn a_lock_that_this_process_holds_outlives_the_backup() {
    for journal in ["WAL", "DELETE"] {
        let place = Place::new();
        let path = place.source.join("memory.db");
        let db = accounts(&path, journal);
        db.execute_batch("BEGIN IMMEDIATE; UPDATE account SET amount = 7").unwrap();
        let locked_out = || role("must_be_locked_out", &path).status().unwrap().success();
        assert!(locked_out(), "{journal}: the test itself");
        let made = place.create();
        assert_eq!(made.sqlite_snapshots.len(), 1, "{journal}: {made:?}");
        assert!(locked_out(), "{journal}: the backup dropped the lock");
        let manager = place.manager();
        let plan = manager.restore(&made.name).to(&place.source).dry_run_blocking().unwrap();
        assert!(plan.diff.added.is_empty());
        assert!(locked_out(), "{journal}: the comparison dropped the lock");
        db.execute_batch("COMMIT").unwrap();
    }
}

#[test]
fn a_database_in_its_first_transaction_keeps_its_lock() {
    let place = Place::new();
    let path = place.source.join("new.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("BEGIN IMMEDIATE; CREATE TABLE mine(x)").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 0, "the test itself");
    let locked_out = || role("must_be_locked_out", &path).status().unwrap().success();
    assert!(locked_out(), "the test itself");
    let made = place.create();
    assert!(locked_out(), "the backup dropped the lock");
    let manager = place.manager();
    manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(fs::metadata(place.target.join("new.db")).unwrap().len(), 0);
    manager.restore(&made.name).to(&place.source).dry_run_blocking().unwrap();
    assert!(locked_out(), "the comparison dropped the lock");
    db.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_database_that_stays_locked_is_an_error_and_not_a_torn_copy() {
    let place = Place::new();
    let path = place.source.join("memory.db");
    let db = accounts(&path, "DELETE");
    db.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let failed = place.manager().create_blocking(CreateOptions::default());
    let error = failed.as_ref().unwrap_err();
    assert!(error.to_string().contains("memory.db"));
    let cause = std::error::Error::source(error).unwrap().to_string();
    assert!(cause.contains("memory.db for 5 seconds"), "{cause}");
    assert_eq!(code(failed), "backup.unreadable");
    assert!(role("must_be_locked_out", &path).status().unwrap().success());
    assert!(place.manager().list().unwrap().backups.is_empty());
}

#[test]
fn closed_databases_are_copied_without_a_trace() {
    let place = Place::new();
    for (name, journal) in [("wal.db", "WAL"), ("odd ?%#&=\u{e9}.db", "WAL"), ("old.db", "DELETE")]
    {
        drop(accounts(&place.source.join(name), journal));
    }
    fs::write(place.source.join("blocks"), noise(4096, 1)).unwrap();
    let mut before = tree(&place.source);
    let made = place.create();
    let mut after = tree(&place.source);
    assert_eq!(made.sqlite_snapshots.len(), 3, "{made:?}");
    // SQLite tidied up behind itself, which the directory's time tells.
    before.remove(Path::new(""));
    after.remove(Path::new(""));
    assert_eq!(before, after);
}

#[test]
fn a_crashed_writers_wal_is_in_the_snapshot() {
    let place = Place::new();
    let live = place.dir.path().join("live");
    fs::create_dir(&live).unwrap();
    let db = accounts(&live.join("memory.db"), "WAL");
    db.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE account SET amount = 41 WHERE id = 2")
        .unwrap();
    // Copied while nothing writes, the files are what a crash leaves.
    for name in ["memory.db", "memory.db-wal"] {
        fs::copy(live.join(name), place.source.join(name)).unwrap();
    }
    let main = fs::read(place.source.join("memory.db")).unwrap();
    let made = place.create();
    assert_eq!(fs::read(place.source.join("memory.db")).unwrap(), main, "no checkpoint");
    let left_out: Vec<_> = made.skipped.iter().map(|s| s.reason).collect();
    assert_eq!(left_out, [SkipReason::SqliteCompanion], "{made:?}");
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    let db = Connection::open(place.target.join("memory.db")).unwrap();
    let amount: i64 =
        db.query_row("SELECT amount FROM account WHERE id = 2", [], |r| r.get(0)).unwrap();
    assert_eq!(amount, 41);
}

#[test]
fn a_broken_database_is_kept_as_it_is_and_told() {
    let place = Place::new();
    let path = place.source.join("memory.db");
    drop(accounts(&path, "DELETE"));
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[8192..40960] {
        *byte ^= 0x55;
    }
    fs::write(&path, &bytes).unwrap();
    let made = place.create();
    assert!(!made.is_complete());
    assert_eq!(made.sqlite_unsnapshotted[0].path, Path::new("memory.db"), "{made:?}");
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(fs::read(place.target.join("memory.db")).unwrap(), bytes);
}

/// As an application leaves it that brings a collation of its own.
fn needs_a_collation(path: &Path) -> Connection {
    let db = accounts(path, "WAL");
    db.execute_batch(
        "CREATE TABLE name(text TEXT COLLATE NOCASE);
         CREATE INDEX by_name ON name(text);
         INSERT INTO name VALUES ('a'), ('b');
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'mine') WHERE name = 'name';",
    )
    .unwrap();
    drop(db);
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE account SET amount = 77 WHERE id = 2")
        .unwrap();
    db
}

#[test]
fn a_database_that_sqlite_can_not_check_is_snapshotted_all_the_same() {
    let place = Place::new();
    let _open = needs_a_collation(&place.source.join("memory.db"));
    let made = place.create();
    assert_eq!(made.sqlite_unchecked[0].path, Path::new("memory.db"), "{made:?}");
    assert!(made.sqlite_unchecked[0].reason.contains("collation"), "{made:?}");
    assert!(made.is_complete() && made.sqlite_snapshots.is_empty());
    let manager = place.manager();
    for _ in 0..2 {
        let listed = manager.list().unwrap().backups.remove(0);
        assert_eq!((listed.unchecked_databases, listed.unsnapshotted_databases), (1, 0));
        fs::remove_file(made.path.with_file_name(format!("{}.json", made.name))).unwrap_or(());
    }
    let report = manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!((report.databases_checked, report.databases_unchecked.len()), (0, 1));
    let names: Vec<_> =
        fs::read_dir(&place.target).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["memory.db"], "the log is in the snapshot");
    let db = Connection::open(place.target.join("memory.db")).unwrap();
    let amount: i64 =
        db.query_row("SELECT amount FROM account WHERE id = 2", [], |r| r.get(0)).unwrap();
    assert_eq!(amount, 77);
}

#[test]
fn a_rule_that_a_row_breaks_is_not_damage() {
    let place = Place::new();
    let db = Connection::open(place.source.join("memory.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE t(x INTEGER); INSERT INTO t VALUES (NULL);
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE TABLE t(x INTEGER NOT NULL)'",
    )
    .unwrap();
    let made = place.create();
    assert_eq!(made.sqlite_unchecked.len(), 1, "{made:?}");
    assert!(made.sqlite_unchecked[0].reason.contains("NULL value"), "{made:?}");
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
}

#[test]
fn a_copy_that_can_not_be_opened_is_not_damage() {
    let place = Place::new();
    drop(accounts(&place.source.join("memory.db"), "DELETE"));
    let made = place.create();
    // Longer than what SQLite takes for a path, and no problem for the kernel.
    let target = place.dir.path().join("long-".repeat(40)).join("long-".repeat(40));
    let target = target.join("long-".repeat(40));
    let report = place.manager().restore(&made.name).to(&target).run_blocking().unwrap();
    assert_eq!((report.databases_checked, report.databases_unchecked.len()), (0, 1));
    let db = fs::read(place.source.join("memory.db")).unwrap();
    assert_eq!(fs::read(target.join("memory.db")).unwrap().len(), db.len());
}

#[test]
fn copies_in_the_making_are_for_their_owner_alone() {
    let place = Place::new();
    drop(accounts(&place.source.join("memory.db"), "DELETE"));
    let backups = place.backups.clone();
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let modes = Arc::clone(&seen);
    let options = CreateOptions::default().with_progress(move |_| {
        for entry in fs::read_dir(&backups).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let staging = entry.path().extension().is_some_and(|e| e == "staging");
            modes.lock().unwrap().insert(staging, mode);
        }
        ControlFlow::Continue(())
    });
    let made = place.manager().create_blocking(options).unwrap();
    assert_eq!(*seen.lock().unwrap(), BTreeMap::from([(false, 0o600), (true, 0o600)]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&made.path), mode(&place.backups)), (0o600, 0o700));
}

#[test]
fn a_file_that_only_looks_like_one_is_a_file() {
    let place = Place::new();
    let mut fake = b"SQLite format 3\0".to_vec();
    fake.resize(2048, 0);
    fs::write(place.source.join("fake.db"), &fake).unwrap();
    fs::write(place.source.join("notes.db-wal"), "mine").unwrap();
    let made = place.create();
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(tree(&place.target), tree(&place.source));
}
