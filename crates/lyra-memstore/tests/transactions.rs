//! Promise 3.1: all changes commit together, or all are rolled back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lyra_errors::{Classify, ErrorKind};
use lyra_memstore::{Collection, Entry, EntryPatch, List, MemoryError, MemoryStore, Space};
use tempfile::TempDir;

struct Fixture {
    _dir: TempDir,
    store: MemoryStore,
    journal: Collection,
    facts: Collection,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let journal = store.collection("journal", Space::lexical(16)).unwrap();
    let facts = store.collection("facts", Space::cosine(2)).unwrap();
    journal.add(vec![entry("a"), entry("b")]).unwrap();
    facts.add(fact("f").with_metadata("n", 1)).unwrap();
    Fixture { _dir: dir, store, journal, facts }
}

fn entry(id: &str) -> Entry {
    Entry::journal(format!("content of {id}"), format!("summary of {id}")).with_id(id)
}

fn fact(id: &str) -> Entry {
    Entry::fact(format!("fact {id}")).with_id(id).with_embedding([1.0, 2.0])
}

fn all(fixture: &Fixture) -> (Vec<Entry>, Vec<Entry>) {
    let list = || List::new().with_embeddings();
    (fixture.journal.list(list()).unwrap(), fixture.facts.list(list()).unwrap())
}

/// One change of each sort, over both collections.
fn change_everything(tx: &mut lyra_memstore::Transaction<'_>) -> Result<(), MemoryError> {
    tx.add("journal", vec![entry("c"), entry("d")])?;
    tx.update("journal", EntryPatch::new("a").with_content("new content").with_tags(["t"]))?;
    tx.upsert("facts", vec![fact("f").with_metadata("n", 2), fact("g")])?;
    tx.delete("journal", ["b"])
}

#[test]
fn all_changes_of_a_transaction_are_there_after_it() {
    let fixture = fixture();
    fixture.store.transaction(change_everything).unwrap();
    let (journal, facts) = all(&fixture);
    let ids = |list: &[Entry]| list.iter().map(|e| e.id().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&journal), ["a", "c", "d"], "in the order in which they were added");
    assert_eq!(ids(&facts), ["f", "g"]);
    assert_eq!(journal[0].content(), "new content");
    assert_eq!(journal[0].summary(), Some("summary of a"), "what a patch leaves out stays");
    assert_eq!(facts[0].metadata()["n"], 2.into());
    assert!(fixture.store.check().unwrap().is_ok());
}

#[test]
fn a_failed_operation_rolls_everything_back() {
    type Failure = fn(&mut lyra_memstore::Transaction<'_>) -> Result<(), MemoryError>;
    let failures: [(&str, Failure); 8] = [
        ("memstore.already_exists", |tx| tx.add("journal", entry("a")).map(drop)),
        ("memstore.not_found", |tx| tx.update("journal", EntryPatch::new("nobody"))),
        ("memstore.not_found", |tx| tx.delete("journal", ["a", "nobody"])),
        ("memstore.collection_not_found", |tx| tx.delete("nowhere", ["a"])),
        ("memstore.invalid_entry", |tx| {
            tx.add("journal", entry("z").with_significance(0)).map(drop)
        }),
        ("memstore.invalid_entry", |tx| {
            tx.update("journal", EntryPatch::new("a").with_tags(["not ok"]))
        }),
        ("memstore.dimension_mismatch", |tx| {
            tx.upsert("facts", fact("f").with_embedding([1.0])).map(drop)
        }),
        ("memstore.invalid_entry", |tx| tx.add("facts", vec![fact("x"), fact("x")]).map(drop)),
    ];
    for (code, failure) in failures {
        let fixture = fixture();
        let before = all(&fixture);
        let error = fixture
            .store
            .transaction(|tx| {
                change_everything(tx)?;
                failure(tx)
            })
            .unwrap_err();
        assert_eq!(error.code().id(), code);
        assert_eq!(all(&fixture), before, "{code}");
        assert!(fixture.store.check().unwrap().is_ok());
    }
}

#[test]
fn a_dropped_a_rolled_back_and_a_panicking_transaction_leave_nothing() {
    let fixture = fixture();
    let before = all(&fixture);

    let mut tx = fixture.store.begin().unwrap();
    change_everything(&mut tx).unwrap();
    drop(tx);
    assert_eq!(all(&fixture), before);

    let mut tx = fixture.store.begin().unwrap();
    change_everything(&mut tx).unwrap();
    tx.roll_back();
    assert_eq!(all(&fixture), before);

    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fixture.store.transaction(|tx| {
            change_everything(tx)?;
            panic!("in the middle of the work");
            #[allow(unreachable_code, reason = "it tells the type")]
            Ok::<(), MemoryError>(())
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(all(&fixture), before);
    fixture.store.transaction(change_everything).unwrap();
    assert_ne!(all(&fixture), before, "the store works after a panic");
}

#[test]
fn a_swallowed_error_does_not_commit_half() {
    let fixture = fixture();
    let before = all(&fixture);
    let mut tx = fixture.store.begin().unwrap();
    tx.add("journal", entry("c")).unwrap();
    let _ = tx.add("journal", entry("a"));
    let error = tx.add("journal", entry("d")).unwrap_err();
    assert_eq!(error.code().id(), "memstore.transaction_aborted");
    let error = tx.commit().unwrap_err();
    assert_eq!(error.code().id(), "memstore.transaction_aborted");
    assert_eq!(
        error.to_string(),
        "the transaction is aborted: an earlier step failed with memstore.already_exists"
    );
    assert_eq!(all(&fixture), before);
}

#[test]
fn a_transaction_sees_its_own_changes_and_others_see_them_after_the_commit() {
    let fixture = fixture();
    let mut tx = fixture.store.begin().unwrap();
    tx.add("journal", entry("c")).unwrap();
    assert!(tx.get("journal", "c").unwrap().is_some());
    assert_eq!(tx.count("journal").unwrap(), 3);
    assert_eq!(fixture.journal.count().unwrap(), 2, "a reader sees the state before");
    assert!(fixture.journal.get("c").unwrap().is_none());
    tx.commit().unwrap();
    assert_eq!(fixture.journal.count().unwrap(), 3);
}

#[test]
fn the_callers_own_error_rolls_back_and_comes_through() {
    #[derive(Debug)]
    enum Mine {
        Changed(&'static str),
        Store(MemoryError),
    }
    impl From<MemoryError> for Mine {
        fn from(error: MemoryError) -> Self {
            Self::Store(error)
        }
    }
    let fixture = fixture();
    let before = all(&fixture);
    let result: Result<(), Mine> = fixture.store.transaction(|tx| {
        change_everything(tx)?;
        Err(Mine::Changed("my mind"))
    });
    assert!(matches!(result, Err(Mine::Changed("my mind"))));
    assert_eq!(all(&fixture), before);
    let result: Result<(), Mine> = fixture.store.transaction(|tx| {
        tx.delete("journal", ["nobody"])?;
        Ok(())
    });
    assert!(matches!(result, Err(Mine::Store(MemoryError::NotFound { .. }))));
}

#[test]
fn a_transaction_inside_another_is_refused_at_once() {
    let fixture = fixture();
    let started = Instant::now();
    let error = fixture.store.transaction(|_| fixture.journal.add(entry("c"))).unwrap_err();
    assert_eq!(error.code().id(), "memstore.nested_transaction");
    assert_eq!(error.kind(), ErrorKind::Concurrency);
    assert!(started.elapsed() < Duration::from_secs(5), "it did not wait for itself");
}

#[test]
fn a_write_waits_for_another_thread_and_not_for_ever() {
    let fixture = fixture();
    let (begun, wait_begun) = mpsc::channel();
    let (done, wait_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let store = fixture.store.clone();
        scope.spawn(move || {
            let mut tx = store.begin().unwrap();
            begun.send(()).unwrap();
            wait_done.recv().unwrap();
            tx.add("journal", entry("c")).unwrap();
            tx.commit().unwrap();
        });
        wait_begun.recv().unwrap();
        let error = fixture.store.begin_within(Duration::from_millis(30)).unwrap_err();
        assert_eq!(error.code().id(), "memstore.busy");
        let MemoryError::Busy { waited, .. } = error else { panic!("{error}") };
        assert!(waited >= Duration::from_millis(30));
        assert!(error.recovery().is_recoverable());
        done.send(()).unwrap();
        fixture.journal.add(entry("d")).unwrap();
    });
    assert_eq!(fixture.journal.count().unwrap(), 4);
}

#[test]
fn many_threads_write_and_nothing_is_lost() {
    let fixture = fixture();
    thread::scope(|scope| {
        for t in 0..4 {
            let journal = fixture.journal.clone();
            scope.spawn(move || {
                for i in 0..25 {
                    journal.add(entry(&format!("{t}-{i}"))).unwrap();
                }
            });
        }
    });
    assert_eq!(fixture.journal.count().unwrap(), 102);
    assert!(fixture.store.check().unwrap().is_ok());
}

#[test]
fn an_update_embeds_again_what_the_embedder_had_made() {
    let fixture = fixture();
    let vector = || fixture.journal.get("a").unwrap().unwrap().embedding().unwrap().to_vec();
    let before = vector();
    fixture.journal.update(EntryPatch::new("a").with_significance(5)).unwrap();
    assert_eq!(vector(), before, "the content is the same");
    fixture.journal.update(EntryPatch::new("a").with_content("quite another text")).unwrap();
    assert_ne!(vector(), before);
    let alike = Entry::journal("quite another text", "s").with_id("alike");
    fixture.journal.add(alike).unwrap();
    let alike = fixture.journal.get("alike").unwrap().unwrap();
    assert_eq!(vector(), alike.embedding().unwrap());
}

#[test]
fn an_update_tells_all_its_faults_at_once() {
    let fixture = fixture();
    let patches = vec![
        EntryPatch::new("f").with_content("new").with_significance(99),
        EntryPatch::new("f").with_tags(["not ok"]),
    ];
    let error = fixture.facts.update(patches).unwrap_err();
    let MemoryError::Invalid { faults, .. } = &error else { panic!("{error}") };
    let paths: Vec<_> = faults.iter().map(|fault| (fault.path.as_str(), fault.code)).collect();
    let wanted = [
        ("entries[0].embedding", "no_embedding"),
        ("entries[0].significance", "range"),
        ("entries[1].tags[0]", "characters"),
        ("entries[1].id", "duplicate"),
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn an_update_refuses_to_leave_a_stale_vector_of_the_callers() {
    let fixture = fixture();
    let error = fixture.facts.update(EntryPatch::new("f").with_content("new")).unwrap_err();
    let MemoryError::Invalid { faults, .. } = &error else { panic!("{error}") };
    assert_eq!(faults.first().path, "entries[0].embedding");
    let patch = EntryPatch::new("f").with_content("new").with_embedding([3.0, 4.0]);
    fixture.facts.update(patch).unwrap();
    let stored = fixture.facts.get("f").unwrap().unwrap();
    assert_eq!(stored.embedding(), Some(&[0.6_f32, 0.8][..]));
    fixture.facts.update(EntryPatch::new("f").without_metadata("n")).unwrap();
    let stored = fixture.facts.get("f").unwrap().unwrap();
    assert!(stored.metadata().is_empty());
    assert_eq!(stored.embedding(), Some(&[0.6_f32, 0.8][..]), "and its vector is kept");
}

#[test]
fn the_same_id_twice_in_one_update_is_refused() {
    let fixture = fixture();
    let patches = vec![EntryPatch::new("a"), EntryPatch::new("a")];
    let error = fixture.journal.update(patches).unwrap_err();
    let MemoryError::Invalid { faults, .. } = &error else { panic!("{error}") };
    assert_eq!(faults.first().code, "duplicate");
}

#[test]
fn a_handle_of_a_dropped_collection_reaches_no_other() {
    let fixture = fixture();
    fixture.store.drop_collection("facts").unwrap();
    let other = fixture.store.collection("facts", Space::l2(3)).unwrap();
    let secret = Entry::fact("secret").with_id("s").with_embedding([1.0, 2.0, 3.0]);
    other.add(secret).unwrap();
    let old = &fixture.facts;
    for error in [
        old.add(fact("x")).unwrap_err(),
        old.upsert(fact("s")).unwrap_err(),
        old.update(EntryPatch::new("s")).unwrap_err(),
        old.delete(["s"]).unwrap_err(),
        old.get("s").unwrap_err(),
        old.list(List::new()).unwrap_err(),
        old.count().unwrap_err(),
    ] {
        assert_eq!(error.code().id(), "memstore.collection_not_found");
    }
    assert_eq!(other.count().unwrap(), 1);
    assert!(fixture.store.check().unwrap().is_ok());
}

#[test]
fn a_wait_for_another_program_ends_in_time() {
    let fixture = fixture();
    let path = fixture.store.directory().join("memory.sqlite3");
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    let error = fixture.store.begin_within(Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.code().id(), "memstore.locked");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    drop(other);
    fixture.journal.add(entry("c")).unwrap();
}

#[test]
fn an_empty_batch_changes_nothing_and_is_no_error() {
    let fixture = fixture();
    let before = all(&fixture);
    assert!(fixture.journal.add(Vec::new()).unwrap().is_empty());
    assert!(fixture.journal.upsert(Vec::new()).unwrap().is_empty());
    fixture.journal.update(Vec::new()).unwrap();
    fixture.journal.delete(Vec::<String>::new()).unwrap();
    assert_eq!(all(&fixture), before);
}
