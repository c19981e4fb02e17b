//! Changes that wait at the same time become durable together. It counts what
//! the store tells, of which there is one for a process: so it is alone here.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use lyra_memstore::{AsyncMemoryStore, Entry, Space};
use tokio::task::JoinSet;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

static COMMITTED: AtomicU32 = AtomicU32::new(0);

struct Counting;

impl<S: tracing::Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message(bool);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 |= field.name() == "message" && format!("{value:?}") == "committed";
            }
        }
        let mut message = Message(false);
        event.record(&mut message);
        COMMITTED.fetch_add(u32::from(message.0), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_hundred_changes_at_once_are_a_few_commits() {
    tracing_subscriber::registry().with(Counting).init();
    let directory = tempfile::tempdir().unwrap();
    let store = AsyncMemoryStore::open(directory.path().join("memory")).await.unwrap();
    let facts = store.collection("facts", Space::cosine(2)).await.unwrap();
    let before = COMMITTED.load(Ordering::Relaxed);

    // Nobody has the turn to write until all of them wait.
    let (release, wait) = mpsc::channel::<()>();
    let (taken, is_taken) = mpsc::channel();
    let blocking = store.blocking().clone();
    let holder = std::thread::spawn(move || {
        let transaction = blocking.begin().unwrap();
        taken.send(()).unwrap();
        let _ = wait.recv();
        drop(transaction);
    });
    is_taken.recv().unwrap();
    let mut tasks = JoinSet::new();
    for i in 0..100 {
        let entry = Entry::fact("so it is").with_id(i.to_string()).with_embedding([1.0, 0.5]);
        let work = move |tx: &mut lyra_memstore::Transaction<'_>| tx.add("facts", entry);
        let store = store.clone();
        tasks.spawn(async move { store.transaction(work).await });
        tokio::task::yield_now().await;
    }
    drop(release);
    holder.join().unwrap();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(facts.count().await.unwrap(), 100);
    let commits = COMMITTED.load(Ordering::Relaxed) - before;
    assert!(commits <= 3, "the first, and those that waited meanwhile: {commits} commits");
}
