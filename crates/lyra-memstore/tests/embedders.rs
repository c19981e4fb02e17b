//! An embedder is a foreign program: what it answers is checked, what it
//! fails with comes through, and whose vectors a collection holds is known.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind};
use lyra_memstore::{Collection, Embedder, Entry, EntryPatch, MemoryStore, Query, Space};

type Answer = fn(&[&str]) -> Result<Vec<Vec<f32>>, Error>;

struct Scripted {
    answer: Answer,
    largest_batch: AtomicUsize,
}

impl Embedder for Scripted {
    fn fingerprint(&self) -> &str {
        "scripted-v1"
    }

    fn dimension(&self) -> u32 {
        2
    }

    fn max_batch(&self) -> usize {
        10
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        self.largest_batch.fetch_max(texts.len(), Ordering::Relaxed);
        (self.answer)(texts)
    }
}

fn lengths(texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
    Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
}

fn with(dir: &tempfile::TempDir, answer: Answer) -> (Arc<Scripted>, Collection) {
    let embedder = Arc::new(Scripted { answer, largest_batch: AtomicUsize::new(0) });
    let store = MemoryStore::builder(dir.path().join("memory"))
        .with_embedder(embedder.clone())
        .open()
        .unwrap();
    let space = Space::cosine(2).with_embedder(&*embedder);
    let collection = store.collection("texts", space).unwrap();
    (embedder, collection)
}

#[test]
fn texts_are_embedded_in_batches_and_brought_to_unit_length() {
    let dir = tempfile::tempdir().unwrap();
    let (embedder, texts) = with(&dir, lengths);
    let entries: Vec<_> = (1..=25).map(|i| Entry::fact("x".repeat(i))).collect();
    let ids = texts.add(entries).unwrap();
    assert_eq!(embedder.largest_batch.load(Ordering::Relaxed), 10);
    let third = texts.get(&ids[2]).unwrap().unwrap();
    let [x, y] = *third.embedding().unwrap() else { panic!("two dimensions") };
    assert!((x - 0.948_683_3).abs() < 1e-6 && (y - 0.316_227_76).abs() < 1e-6, "{x} {y}");
    let hits = texts.query(Query::text("xxx").top(1)).unwrap();
    assert_eq!(hits[0].entry.content(), "xxx");
}

#[test]
fn a_wrong_answer_is_refused_and_nothing_is_written() {
    let wrong: [Answer; 4] = [
        |texts| Ok(vec![vec![1.0, 1.0]; texts.len() + 1]),
        |texts| Ok(vec![vec![1.0]; texts.len()]),
        |texts| Ok(vec![vec![f32::NAN, 1.0]; texts.len()]),
        |texts| Ok(vec![vec![0.0, 0.0]; texts.len()]),
    ];
    for answer in wrong {
        let dir = tempfile::tempdir().unwrap();
        let (_, texts) = with(&dir, answer);
        let error = texts.add(Entry::fact("x")).unwrap_err();
        assert_eq!(error.code().id(), "memstore.embedder_answer");
        assert_eq!(texts.count().unwrap(), 0);
    }
}

#[test]
fn a_failure_comes_through_with_its_advice() {
    let dir = tempfile::tempdir().unwrap();
    let (_, texts) =
        with(&dir, |_| Err(Error::rate_limit("model", Some(Duration::from_secs(7)), "too fast")));
    let error = texts.add(Entry::fact("x")).unwrap_err();
    assert_eq!(error.code().id(), "memstore.embedding_failed");
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.recovery().after(), Some(Duration::from_secs(7)));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "too fast");
    assert_eq!(texts.count().unwrap(), 0);
}

#[test]
fn a_collection_whose_embedder_is_not_there_still_takes_vectors() {
    let dir = tempfile::tempdir().unwrap();
    drop(with(&dir, lengths));
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let texts = store.open_collection("texts").unwrap();
    assert_eq!(texts.space().embedder(), Some("scripted-v1"));
    let error = texts.add(Entry::fact("x")).unwrap_err();
    assert_eq!(error.code().id(), "memstore.no_embedder");
    assert_eq!(texts.query(Query::text("x")).unwrap_err().code().id(), "memstore.no_embedder");
    texts.add(Entry::fact("x").with_embedding([1.0, 0.0])).unwrap();
    let error = store.collection("texts", Space::cosine(2)).unwrap_err();
    assert_eq!(error.code().id(), "memstore.space_mismatch");
    assert_eq!(
        error.to_string(),
        "collection `texts` holds vectors cosine × 2 by scripted-v1, not cosine × 2 by the caller"
    );
}

/// An embedder may take minutes; meanwhile others must be able to write.
#[test]
fn no_call_of_a_collection_embeds_while_it_holds_the_turn_to_write() {
    struct Watchful(OnceLock<MemoryStore>);
    impl Embedder for Watchful {
        fn fingerprint(&self) -> &str {
            "watchful"
        }
        fn dimension(&self) -> u32 {
            2
        }
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
            if let Some(store) = self.0.get() {
                let free = || store.begin_within(Duration::ZERO).map(drop);
                std::thread::scope(|scope| scope.spawn(free).join().unwrap())?;
            }
            lengths(texts)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let embedder = Arc::new(Watchful(OnceLock::new()));
    let store = MemoryStore::builder(dir.path().join("memory"))
        .with_embedder(embedder.clone())
        .open()
        .unwrap();
    let texts = store.collection("texts", Space::cosine(2).with_embedder(&*embedder)).unwrap();
    embedder.0.set(store).unwrap();
    texts.add(Entry::fact("one").with_id("1")).unwrap();
    texts.upsert(Entry::fact("two").with_id("1")).unwrap();
    texts.update(EntryPatch::new("1").with_content("three")).unwrap();
    assert_eq!(texts.get("1").unwrap().unwrap().content(), "three");
}
