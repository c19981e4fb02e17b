//! Search is exact, under every metric, with and without a filter.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use lyra_errors::Classify;
use lyra_memstore::{
    Collection, Entry, EntryKind, Filter, List, MemoryStore, Metric, Query, Space,
};
use proptest::prelude::*;
use tempfile::TempDir;

fn collection(space: Space) -> (TempDir, Collection) {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let collection = store.collection("vectors", space).unwrap();
    (dir, collection)
}

fn number(i: usize) -> i64 {
    i64::try_from(i).unwrap()
}

fn entry(i: usize, vector: &[f32]) -> Entry {
    Entry::fact(format!("entry {i}"))
        .with_id(format!("{i}"))
        .with_metadata("n", number(i))
        .with_embedding(vector)
}

/// The distance in f64, by the book.
fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let inner: f64 = pairs().map(|(x, y)| x * y).sum();
    let length = |v: &[f32]| v.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    match metric {
        Metric::Cosine => 1.0 - inner / (length(a) * length(b)),
        Metric::InnerProduct => 1.0 - inner,
        _ => pairs().map(|(x, y)| (x - y) * (x - y)).sum(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_nearest_are_found_under_every_metric(
        vectors in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 20), 1..60),
        target in prop::collection::vec(-1.0_f32..1.0, 20),
        top in 1_usize..15,
        modulus in 1_i64..4,
    ) {
        prop_assume!(vectors.iter().chain([&target]).all(|v| v.iter().any(|x| x.abs() > 1e-3)));
        for space in [Space::cosine(20), Space::l2(20), Space::inner_product(20)] {
            let metric = space.metric();
            let (_dir, collection) = collection(space);
            let entries: Vec<_> = vectors.iter().enumerate()
                .map(|(i, v)| entry(i, v).with_metadata("m", number(i) % modulus)).collect();
            collection.add(entries).unwrap();
            for filter in [None, Some(Filter::eq("m", 0))] {
                let mut wanted: Vec<f64> = vectors.iter().enumerate()
                    .filter(|(i, _)| filter.is_none() || number(*i) % modulus == 0)
                    .map(|(_, v)| distance(metric, &target, v)).collect();
                wanted.sort_by(f64::total_cmp);
                wanted.truncate(top);
                let mut query = Query::embedding(target.clone()).top(top);
                if let Some(filter) = filter {
                    query = query.filter(filter);
                }
                let hits = collection.query(query).unwrap();
                prop_assert_eq!(hits.len(), wanted.len());
                for (hit, wanted) in hits.iter().zip(&wanted) {
                    prop_assert!((hit.distance - wanted).abs() < 1e-6);
                    let own: usize = hit.entry.id().unwrap().parse().unwrap();
                    let own = distance(metric, &target, &vectors[own]);
                    prop_assert!((hit.distance - own).abs() < 1e-6);
                }
            }
        }
    }
}

#[test]
fn of_equally_near_entries_the_oldest_come_first() {
    let (_dir, collection) = collection(Space::cosine(2));
    let same: Vec<_> = (0..30).map(|i| entry(i, &[1.0, 0.0])).collect();
    collection.add(same).unwrap();
    let hits = collection.query(Query::embedding([1.0, 0.0]).top(3)).unwrap();
    let ids: Vec<_> = hits.iter().map(|hit| hit.entry.id().unwrap()).collect();
    assert_eq!(ids, ["0", "1", "2"]);
    assert_eq!(hits[0].distance, 0.0);
    assert_eq!(hits[0].similarity(), 1.0);
}

#[test]
fn a_text_finds_the_entries_that_share_its_words() {
    let (_dir, journal) = collection(Space::lexical(384));
    journal
        .add(vec![
            Entry::journal("In spring the river rises above its banks.", "flood"),
            Entry::journal("The harbour lock was rebuilt last year.", "lock"),
            Entry::journal("I bought apples and pears at the market.", "market"),
        ])
        .unwrap();
    let hits = journal.query(Query::text("the rivers in spring").top(2)).unwrap();
    assert_eq!(hits[0].entry.summary(), Some("flood"));
    assert!(hits[0].distance < hits[1].distance);
}

#[test]
fn hits_and_lists_carry_vectors_only_when_asked() {
    let (_dir, collection) = collection(Space::l2(2));
    collection.add(entry(0, &[3.0, 4.0])).unwrap();
    let query = || Query::embedding([0.0, 0.0]);
    assert_eq!(collection.query(query()).unwrap()[0].entry.embedding(), None);
    let hit = &collection.query(query().with_embeddings()).unwrap()[0];
    assert_eq!(hit.entry.embedding(), Some(&[3.0_f32, 4.0][..]));
    assert_eq!(hit.distance, 25.0, "L2 is the squared distance");
    assert_eq!(collection.list(List::new()).unwrap()[0].embedding(), None);
    assert!(collection.list(List::new().with_embeddings()).unwrap()[0].embedding().is_some());
}

#[test]
fn lists_are_filtered_and_paged_in_the_order_of_adding() {
    let (_dir, collection) = collection(Space::l2(1));
    collection.add((0..20).map(|i| entry(19 - i, &[1.0])).collect::<Vec<_>>()).unwrap();
    let even = || Filter::is_in("n", (0..10).map(|i| i * 2));
    let ids = |list: List| -> Vec<String> {
        let entries = collection.list(list).unwrap();
        entries.iter().map(|e| e.id().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(List::new().limit(3)), ["19", "18", "17"]);
    assert_eq!(ids(List::new().filter(even()).offset(2).limit(2)), ["14", "12"]);
    assert_eq!(ids(List::new().offset(100)), [""; 0]);
    assert_eq!(ids(List::new().limit(0)), [""; 0]);
    assert_eq!(collection.count_where(&even()).unwrap(), 10);
    assert_eq!(collection.count_where(&Filter::kind(EntryKind::Journal)).unwrap(), 0);
}

#[test]
fn queries_that_cannot_be_meant_are_refused() {
    let (_dir, collection) = collection(Space::cosine(2));
    collection.add(entry(0, &[1.0, 0.0])).unwrap();
    let cases = [
        (Query::embedding([1.0]), "memstore.invalid_query"),
        (Query::embedding([f32::NAN, 1.0]), "memstore.invalid_query"),
        (Query::embedding([0.0, 0.0]), "memstore.invalid_query"),
        (Query::embedding([1.0, 0.0]).top(0), "memstore.invalid_query"),
        (Query::text(""), "memstore.invalid_query"),
        (Query::text("x"), "memstore.no_embedder"),
        (Query::embedding([1.0, 0.0]).filter(Filter::all([])), "memstore.invalid_filter"),
    ];
    for (query, code) in cases {
        let error = collection.query(query.clone()).unwrap_err();
        assert_eq!(error.code().id(), code, "{query:?}");
    }
    let error = collection.list(List::new().filter(Filter::any([]))).unwrap_err();
    assert_eq!(error.code().id(), "memstore.invalid_filter");
}

#[test]
fn more_hits_than_entries_are_no_problem() {
    let (_dir, collection) = collection(Space::cosine(2));
    assert!(collection.query(Query::embedding([1.0, 0.0]).top(usize::MAX)).unwrap().is_empty());
    collection.add(entry(0, &[1.0, 0.0])).unwrap();
    assert_eq!(collection.query(Query::embedding([1.0, 0.0]).top(usize::MAX)).unwrap().len(), 1);
}
