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

/// How long the looks of all readers took: the middle one, and on the average,
/// in which also counts how long they waited for a core.
#[derive(Debug)]
struct Looks {
    middle: Duration,
    average: Duration,
}

impl Looks {
    /// The worse of both.
    fn times_as_long_as(&self, other: &Self) -> f64 {
        let ratio = |this: Duration, other: Duration| this.as_secs_f64() / other.as_secs_f64();
        ratio(self.middle, other.middle).max(ratio(self.average, other.average))
    }
}

fn read(collections: &[Collection], least: &AtomicI64, time: Duration) -> Looks {
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
    let count = u32::try_from(took.len()).unwrap();
    Looks { middle: took[took.len() / 2], average: took.iter().sum::<Duration>() / count }
}

/// With the writer beside them the readers read for ten seconds, and for a
/// minute with `LYRA_SOAK`; as often as this they read alone before it, for a
/// fifth of that time, so that what else the machine does meets both alike.
const ROUNDS: u32 = 5;

#[test]
fn readers_see_whole_commits_and_none_that_is_older_than_they_know() {
    let soak: Option<u32> = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok());
    let time = Duration::from_secs(if soak.is_some() { 60 } else { 10 }) / ROUNDS;
    let directory = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(directory.path().join("memory")).unwrap();
    let things = filled(&store);
    // Half of them as another process would have it.
    let reader = MemoryStore::builder(store.directory()).open_read_only().unwrap();
    let collections = [things.clone(), reader.open_collection("things").unwrap()];
    let committed = AtomicI64::new(0);
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let alone = read(&collections, &committed, time / 5);
            let beside = read_beside_a_writer(&store, &collections, &committed, time);
            println!("a look took {alone:?} alone, {beside:?} beside the writer");
            beside.times_as_long_as(&alone)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let commits = committed.load(Ordering::Relaxed);
    println!("{commits} commits; beside the writer a look took {ratio:.2} times as long");
    assert!(commits > 10, "{commits}");
    assert_eq!(things.list(List::new().filter(Filter::tag("kept"))).unwrap().len() as u64, KEPT);
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
    // In the gate other tests and other builds have the cores as well, and
    // nothing is optimised: there it would say more about them.
    assert!(soak.is_none() || ratio <= 1.5, "of the rounds, sorted: {ratios:.2?}");
}

fn read_beside_a_writer(
    store: &MemoryStore,
    collections: &[Collection],
    committed: &AtomicI64,
    time: Duration,
) -> Looks {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let first = committed.load(Ordering::Relaxed) + 1;
            let mut random = 99 + first.cast_unsigned();
            for generation in first.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                write(store, generation, &mut random);
                committed.store(generation, Ordering::Release);
            }
        });
        // Also when a reader fails: the writer would never end.
        let _ends = Ends(&is_over);
        read(collections, committed, time)
    })
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
