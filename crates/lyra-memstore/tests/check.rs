//! `check` finds what cannot be.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use lyra_errors::Classify;
use lyra_memstore::{CheckReport, Entry, EntryPatch, MemoryStore, Space};

fn check_after(sql: &str) -> CheckReport {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.collection("facts", Space::cosine(2)).unwrap();
    for i in 0..10 {
        facts.add(Entry::fact(format!("{i}")).with_embedding([1.0, i as f32])).unwrap();
    }
    // The trigrams of the latest entries are not looked up until there are many.
    store.reindex().unwrap();
    drop((store, facts));
    let meddler = rusqlite::Connection::open(path.join("memory.sqlite3")).unwrap();
    meddler
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
        .unwrap();
    meddler.execute_batch(sql).unwrap();
    drop(meddler);
    MemoryStore::builder(&path).open_read_only().unwrap().check().unwrap()
}

#[test]
fn a_good_store_has_no_problems() {
    let report = check_after("");
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.entries, 10);
}

#[test]
fn each_sort_of_damage_is_found() {
    let damages = [
        ("DELETE FROM embeddings WHERE entry = 3", "1 entries have no vector"),
        ("DELETE FROM entries WHERE entry = 3", "1 rows refer to rows that are not there"),
        ("UPDATE embeddings SET vector = x'0000803f' WHERE entry = 3", "dimensions"),
        ("UPDATE embeddings SET vector = x'00' WHERE entry = 3", "cannot be read"),
        ("UPDATE embeddings SET vector = x'0000c07f00000000' WHERE entry = 3", "finite"),
        ("UPDATE embeddings SET vector = x'0000004000000000' WHERE entry = 3", "unit length"),
        ("UPDATE entries SET tags = 'no json' WHERE entry = 3", "cannot be read"),
        ("UPDATE entries SET metadata = '{\"a\":[1]}' WHERE entry = 3", "cannot be read"),
        ("UPDATE entries SET kind = 'diary' WHERE entry = 3", "cannot be read"),
        ("UPDATE entries SET tags = '[\"not ok\"]' WHERE entry = 3", "tags[0]"),
        ("UPDATE entries SET content = 'two' WHERE entry = 3", "entry 3 is not as it was written"),
        ("UPDATE entries SET summary = 'two' WHERE entry = 3", "not as it was written"),
        ("UPDATE entries SET checksum = NULL WHERE entry = 3", "not as it was written"),
        ("UPDATE embeddings SET embedder = 'x' WHERE entry = 3", "not as it was written"),
        ("UPDATE embeddings SET vector = x'0100803f00000000' WHERE entry = 1", "not as it was"),
        (
            "DELETE FROM words_1 WHERE rowid = 2;
             INSERT INTO words_1 (rowid, text) VALUES (2, 'other')",
            "words are not those of its texts",
        ),
        ("UPDATE words_1_docsize SET sz = x'07' WHERE id = 2", "words are not those of its texts"),
        (
            "DELETE FROM trigrams_1 WHERE rowid = 2;
             INSERT INTO trigrams_1 (rowid, text) VALUES (2, 'other')",
            "trigrams are not those of its texts",
        ),
        ("UPDATE collections SET indexed_slot = 5", "10 texts of 5 are in trigrams"),
    ];
    for (sql, wanted) in damages {
        let report = check_after(sql);
        assert_eq!(report.problem_count, 1, "{sql}: {report:?}");
        assert!(report.problems[0].contains(wanted), "{sql}: {report:?}");
    }
}

#[test]
fn an_entry_whose_vector_is_lost_is_damage_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.collection("facts", Space::lexical(8)).unwrap();
    facts.add(Entry::fact("x").with_id("x")).unwrap();
    let meddler = rusqlite::Connection::open(path.join("memory.sqlite3")).unwrap();
    meddler.execute_batch("DELETE FROM embeddings").unwrap();
    let error = facts.update(EntryPatch::new("x").with_significance(3)).unwrap_err();
    assert_eq!(error.code().id(), "memstore.corrupt");
}

#[test]
fn a_text_that_is_damaged_is_told_as_damage_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let facts = store.collection("facts", Space::lexical(8)).unwrap();
    facts.add(Entry::fact("x").with_id("x")).unwrap();
    let meddler = rusqlite::Connection::open(path.join("memory.sqlite3")).unwrap();
    for damage in
        ["content = CAST(x'ff' AS TEXT)", "content = 'x', tags = '[' || hex(zeroblob(9999))"]
    {
        meddler.execute_batch(&format!("UPDATE entries SET {damage}")).unwrap();
        let error = facts.get("x").unwrap_err();
        assert_eq!(error.code().id(), "memstore.corrupt", "{damage}");
        assert!(error.to_string().len() < 400, "{error}");
    }
}
