//! Eight that read beside one that writes: each sees what some commit has
//! left, and nothing in between.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lyra_memstore::{Collection, Entry, EntryPatch, Filter, List, MemoryStore, Query, Space};

const READERS: u64 = 8;
/// All of them are changed by each transaction.
const KEPT: u64 = 20;
/// These stay as they are: so much there is to go through.
const OTHERS: u64 = 2000;
const DIMENSION: u32 = 64;

fn vector(random: &mut u64) -> Vec<f32> {
    let mut number = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        #[allow(clippy::cast_precision_loss, reason = "any number will do")]
        let number = (*random % 2001) as f32 - 1000.0;
        number / 1000.0
    };
    let mut vector: Vec<f32> = (0..DIMENSION).map(|_| number()).collect();
    vector[0] = 1.5;
    vector
}

fn filled(store: &MemoryStore) -> Collection {
    let things = store.collection("things", Space::l2(DIMENSION)).unwrap();
    let mut random = 7;
    let entry = |id: String, random: &mut u64| {
        Entry::fact("a thing").with_id(id).with_embedding(vector(random))
    };
    let kept = (0..KEPT).map(|i| {
        entry(format!("kept-{i}"), &mut random).with_metadata("generation", 0).with_tags(["kept"])
    });
    things.add(kept.collect::<Vec<_>>()).unwrap();
    let others = (0..OTHERS).map(|i| entry(format!("other-{i}"), &mut random));
    things.add(others.collect::<Vec<_>>()).unwrap();
    things
}

/// Changes all that is kept, and what else there is.
fn write(store: &MemoryStore, generation: i64, random: &mut u64) {
    store
        .transaction(|tx| {
            for i in 0..KEPT {
                let patch = EntryPatch::new(format!("kept-{i}"));
                let patch = patch.with_metadata("generation", generation);
                tx.update("things", patch.with_embedding(vector(random)))?;
            }
            let passing = (0..5).map(|i| {
                Entry::fact("passing")
                    .with_id(format!("{generation}-{i}"))
                    .with_embedding(vector(random))
            });
            tx.add("things", passing.collect::<Vec<_>>())?;
            if generation > 3 {
                tx.delete("things", (0..5).map(|i| format!("{}-{i}", generation - 3)))?;
            }
            Ok::<_, lyra_memstore::MemoryError>(())
        })
        .unwrap();
}

/// One look; the generation that it saw.
fn look(things: &Collection, random: &mut u64) -> i64 {
    let all = usize::try_from(KEPT).unwrap();
    let query = Query::embedding(vector(random)).top(all).filter(Filter::tag("kept"));
    let hits = things.query(query).unwrap();
    assert_eq!(hits.len(), all);
    let generation = |entry: &Entry| match entry.metadata()["generation"] {
        lyra_memstore::MetadataValue::Int(generation) => generation,
        ref other => panic!("{other:?}"),
    };
    let seen = generation(&hits[0].entry);
    assert!(hits.iter().all(|hit| generation(&hit.entry) == seen), "of one commit: {hits:?}");
    assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
    seen
}

/// How long the looks of all readers took, the middle one.
fn read(collections: &[Collection], least: &AtomicI64, time: Duration) -> Duration {
    let ends = Instant::now() + time;
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let readers: Vec<_> = (1..=READERS)
            .zip(collections.iter().cycle())
            .map(|(reader, things)| {
                scope.spawn(move || {
                    let (mut random, mut latest, mut took) = (reader * 7919, 0, Vec::new());
                    while Instant::now() < ends {
                        let known = least.load(Ordering::Acquire);
                        let begun = Instant::now();
                        let seen = look(things, &mut random);
                        took.push(begun.elapsed());
                        assert!(seen >= known.max(latest), "{seen}, and {known} was committed");
                        latest = seen;
                    }
                    took
                })
            })
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    took.sort();
    took[took.len() / 2]
}

#[test]
fn readers_see_whole_commits_and_none_that_is_older_than_they_know() {
    let soak: u32 = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let time = Duration::from_secs(3 * u64::from(soak).min(20));
    let directory = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(directory.path().join("memory")).unwrap();
    let things = filled(&store);
    // Half of them as another process would have it.
    let reader = MemoryStore::builder(store.directory()).open_read_only().unwrap();
    let collections = [things.clone(), reader.open_collection("things").unwrap()];
    let committed = AtomicI64::new(0);
    let alone = read(&collections, &committed, time / 3);
    let is_over = AtomicBool::new(false);
    let beside = thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 99;
            for generation in 1.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                write(&store, generation, &mut random);
                committed.store(generation, Ordering::Release);
            }
        });
        let beside = read(&collections, &committed, time);
        is_over.store(true, Ordering::Relaxed);
        beside
    });
    let commits = committed.load(Ordering::Relaxed);
    println!("{commits} commits; a look took {alone:?} alone, {beside:?} beside the writer");
    assert!(commits > 10, "{commits}");
    assert_eq!(things.list(List::new().filter(Filter::tag("kept"))).unwrap().len() as u64, KEPT);
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
}
