//! The store for async code: each change whole and alone, many durable at
//! once, and none begun for whoever has gone.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lyra_errors::Classify as _;
use lyra_memstore::{
    AsyncMemoryStore, Entry, EntryPatch, Filter, List, MemoryError, MemoryStore, Query, Space,
};
use tokio::task::JoinSet;

fn fact(id: impl Into<String>) -> Entry {
    Entry::fact("something that is so").with_id(id)
}

/// A store whose turn to write is taken, until the sender goes.
fn held(store: &MemoryStore) -> mpsc::Sender<()> {
    let (release, wait) = mpsc::channel::<()>();
    let (taken, is_taken) = mpsc::channel();
    let store = store.clone();
    std::thread::spawn(move || {
        let transaction = store.begin().unwrap();
        taken.send(()).unwrap();
        let _ = wait.recv();
        drop(transaction);
    });
    is_taken.recv().unwrap();
    release
}

async fn opened(directory: &tempfile::TempDir) -> AsyncMemoryStore {
    AsyncMemoryStore::open(directory.path().join("memory")).await.unwrap()
}

#[tokio::test]
async fn its_calls_are_those_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(&directory).await;
    let facts = store.collection("facts", Space::lexical(16)).await.unwrap();
    facts.add([fact("a"), fact("b")].to_vec()).await.unwrap();
    facts.update(EntryPatch::new("a").with_content("the river is wide")).await.unwrap();
    facts.upsert(fact("c")).await.unwrap();
    facts.delete(["b"]).await.unwrap();
    let hits = facts.query(Query::text("river").top(1)).await.unwrap();
    assert_eq!(hits[0].entry.id(), Some("a"));
    assert_eq!(
        (facts.count().await.unwrap(), facts.list(List::new()).await.unwrap().len()),
        (2, 2)
    );
    assert_eq!(facts.count_where(Filter::contains("wide")).await.unwrap(), 1);
    assert_eq!(facts.fetch(["a", "x"]).await.unwrap().iter().flatten().count(), 1);
    assert!(facts.get("c").await.unwrap().is_some());
    assert_eq!(store.collections().await.unwrap()[0].entries, 2);
    let error = facts.add(fact("a")).await.unwrap_err();
    assert_eq!(error.code().id(), "memstore.already_exists");
    assert_eq!(
        store.open_collection("none").await.unwrap_err().code().id(),
        "memstore.collection_not_found"
    );
    store.drop_collection("facts").await.unwrap();
    assert_eq!(store.stats().await.unwrap().entries, 0);
}

#[tokio::test]
async fn of_changes_that_are_committed_together_each_is_whole_and_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(&directory).await;
    let facts = store.collection("facts", Space::lexical(16)).await.unwrap();
    let release = held(store.blocking());
    let mut tasks = JoinSet::new();
    for i in 0..60_u32 {
        let store = store.clone();
        tasks.spawn(async move {
            let done = store.transaction(move |tx| {
                tx.add("facts", fact(format!("{i}-first")))?;
                match i % 4 {
                    0 => {
                        return Err(tx.delete("facts", ["nothing"]).unwrap_err());
                    }
                    1 => drop(tx.delete("facts", ["overlooked"])),
                    _ => {}
                }
                tx.add("facts", fact(format!("{i}-second"))).map(drop).or_else(|error| {
                    match i % 4 {
                        1 => Ok(()),
                        _ => Err(error),
                    }
                })
            });
            (i, done.await)
        });
    }
    let panics = {
        let store = store.clone();
        tokio::spawn(async move {
            let work = |tx: &mut lyra_memstore::Transaction<'_>| {
                tx.add("facts", fact("panicked"))?;
                assert!(tx.count("facts")? == u64::MAX, "as it was meant to");
                Ok::<_, MemoryError>(())
            };
            store.transaction(work).await
        })
    };
    tokio::task::yield_now().await;
    drop(release);
    while let Some(ended) = tasks.join_next().await {
        let (i, done) = ended.unwrap();
        let code = done.err().map(|error| error.code().id());
        let wanted = [Some("memstore.not_found"), Some("memstore.transaction_aborted"), None, None];
        assert_eq!(code, wanted[i as usize % 4], "{i}");
    }
    assert!(panics.await.unwrap_err().is_panic());
    let mut ids: Vec<String> =
        facts.list(List::new()).await.unwrap().iter().map(|e| e.id().unwrap().to_owned()).collect();
    let mut wanted: Vec<String> = (0..60)
        .filter(|i| i % 4 >= 2)
        .flat_map(|i| [format!("{i}-first"), format!("{i}-second")])
        .collect();
    ids.sort();
    wanted.sort();
    assert_eq!(ids, wanted);
    let report = store.blocking().check().unwrap();
    assert!(report.is_ok(), "{report:?}");
}

#[tokio::test]
async fn a_change_whose_future_is_dropped_before_its_turn_is_never_begun() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(&directory).await;
    let facts = store.collection("facts", Space::lexical(16)).await.unwrap();
    let release = held(store.blocking());
    let begun = Arc::new(AtomicU32::new(0));
    // One that the writing thread has taken already waits for its turn to
    // write; the other one waits behind it.
    let first = tokio::spawn({
        let facts = facts.clone();
        async move { facts.add(fact("first")).await }
    });
    {
        let begun = Arc::clone(&begun);
        let mut dropped = pin!(store.transaction(move |tx| {
            begun.fetch_add(1, Ordering::Relaxed);
            tx.add("facts", fact("dropped")).map(drop)
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        let mut again = Poll::Pending;
        for _ in 0..3 {
            tokio::task::yield_now().await;
            again = dropped.as_mut().poll(&mut context);
        }
        assert!(again.is_pending());
    }
    drop(release);
    first.await.unwrap().unwrap();
    facts.add(fact("last")).await.unwrap();
    // It may have been in one batch with the first, which had begun before it
    // was dropped; what it must not be is half there or told.
    let there = facts.get("dropped").await.unwrap().is_some();
    assert_eq!(there, begun.load(Ordering::Relaxed) == 1);
    assert_eq!(facts.count().await.unwrap(), 2 + u64::from(there));
}

#[tokio::test]
async fn a_turn_that_does_not_come_in_time_is_told_to_all_who_wait() {
    let directory = tempfile::tempdir().unwrap();
    let builder = MemoryStore::builder(directory.path().join("memory"));
    let store = builder.with_lock_timeout(Duration::from_millis(20)).open().unwrap();
    let store = AsyncMemoryStore::new(store).unwrap();
    let facts = store.collection("facts", Space::lexical(16)).await.unwrap();
    let release = held(store.blocking());
    let mut tasks = JoinSet::new();
    for i in 0..5 {
        let facts = facts.clone();
        tasks.spawn(async move { facts.add(fact(i.to_string())).await });
    }
    while let Some(ended) = tasks.join_next().await {
        assert_eq!(ended.unwrap().unwrap_err().code().id(), "memstore.busy");
    }
    drop(release);
    facts.add(fact("then")).await.unwrap();
}

/// The thread ends with the last handle, and lets the store go.
#[tokio::test]
async fn the_last_handle_closes_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(&directory).await;
    let facts = store.collection("facts", Space::lexical(16)).await.unwrap();
    facts.add(fact("a")).await.unwrap();
    let path = store.blocking().directory().to_owned();
    drop((store, facts));
    let again = tokio::task::spawn_blocking(move || {
        loop {
            match MemoryStore::open(&path) {
                Err(error) if error.code().id() == "memstore.locked" => std::thread::yield_now(),
                opened => return opened,
            }
        }
    });
    assert_eq!(again.await.unwrap().unwrap().stats().unwrap().entries, 1);
}
