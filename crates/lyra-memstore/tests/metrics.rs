//! What is counted, where a recorder is installed.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "../../lyra-retry/tests/support/recorder.rs"]
#[allow(dead_code, reason = "other tests ask more of it")]
mod recorder;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use lyra_errors::{Error, Metric};
use lyra_memstore::{Embedder, Entry, METRICS, MemoryStore, Query, Space};
use recorder::Recorded;

/// A commit that fails is a matter of the disk; what counts it is held to by
/// a test beside it.
const NOT_HERE: &str = "counter lyra_memstore_transactions_total outcome=commit_failed";

struct Moody;

impl Embedder for Moody {
    fn fingerprint(&self) -> &str {
        "moody-v1"
    }
    fn dimension(&self) -> u32 {
        2
    }
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        if texts.contains(&"no") {
            return Err(Error::validation("text", "it says no"));
        }
        Ok(texts.iter().map(|_| vec![1.0, 0.5]).collect())
    }
}

fn series_of_the_table() -> BTreeSet<String> {
    let series = |metric: &Metric| {
        let name = format!("{} {}", metric.kind(), metric.name());
        match metric.labels() {
            [] => vec![name],
            [(label, values)] => values.iter().map(|v| format!("{name} {label}={v}")).collect(),
            more => panic!("this test does not know how to combine {more:?}"),
        }
    };
    METRICS.iter().flat_map(series).collect()
}

/// A transaction of another thread leaves no turn to this one.
fn find_no_turn(store: &MemoryStore) {
    let (begun, is_begun) = channel();
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let transaction = store.begin().unwrap();
            begun.send(()).unwrap();
            is_done.recv().unwrap();
            drop(transaction);
        });
        is_begun.recv().unwrap();
        store.begin_within(Duration::ZERO).unwrap_err();
        done.send(()).unwrap();
    });
}

#[test]
fn every_metric_of_the_table_is_recorded_with_every_label_and_no_other_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("memory");
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || {
        let embedder = Arc::new(Moody);
        let store = MemoryStore::builder(&path).with_embedder(embedder).open().unwrap();
        let space = Space::cosine(2).with_embedder(&Moody);
        let notes = store.collection("notes", space).unwrap();
        notes.add(Entry::fact("yes").with_id("a")).unwrap();
        notes.add(Entry::fact("no")).unwrap_err();
        drop(store.begin().unwrap());
        find_no_turn(&store);
        notes.query(Query::text("yes")).unwrap();
        notes.query(Query::text("no")).unwrap_err();
        assert!(store.check().unwrap().is_ok());
    });
    let count = |name: &str| recorded.values(&format!("lyra_memstore_{name}")).len();
    // The collection's own, and that of the entry.
    assert_eq!(count("transactions_total outcome=committed"), 1, "a counter has its latest");
    assert_eq!(recorded.value("lyra_memstore_transactions_total outcome=committed"), 2.0);
    assert_eq!(recorded.value("lyra_memstore_transactions_total outcome=rolled_back"), 1.0);
    assert_eq!((count("write_seconds"), count("write_wait_seconds")), (3, 4));
    assert_eq!((count("query_seconds"), count("embedding_seconds")), (1, 4));

    damage(&path);
    metrics::with_local_recorder(&recorded, || {
        let store = MemoryStore::builder(&path).open().unwrap();
        assert!(!store.check().unwrap().is_ok());
    });
    let mut table = series_of_the_table();
    assert!(table.remove(NOT_HERE));
    assert_eq!(recorded.series(), table);
}

fn damage(path: &std::path::Path) {
    let database = path.join("memory.sqlite3");
    let connection = rusqlite::Connection::open(database).unwrap();
    let changed = connection.execute("UPDATE entries SET content = 'yea'", []).unwrap();
    assert_eq!(changed, 1);
}
