//! Readers while a store is put into shape, and while a collection goes and
//! comes as another: each answer is of one committed state, or says why there
//! is none. In threads, through a second handle, and in another process.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use lyra_errors::Classify;
use lyra_memstore::{
    Collection, Entry, Filter, List, MemoryError, MemoryStore, MetadataValue, Query, Space,
};

const KEPT: usize = 60;

/// How often there is change; `LYRA_SOAK` times as often.
const ROUNDS: usize = 50;

fn rounds() -> usize {
    let soak: usize = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    ROUNDS * soak
}

/// Another process that looks at the store, and fails as a test does.
fn child(path: &Path, test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("LYRA_TEST_STORE", path)
        .spawn()
        .unwrap()
}

/// By which the processes tell each other that one has begun or the other has
/// come to its end.
fn mark(path: &Path, name: &str) -> PathBuf {
    path.with_extension(name)
}

/// Looks until it is told that all is over.
fn look_on(path: &Path, mut look: impl FnMut()) {
    while !mark(path, "over").exists() {
        look();
        fs::write(mark(path, "begun"), "").unwrap();
    }
}

fn vector(i: usize, dimension: usize) -> Vec<f32> {
    let number = |at: usize| f32::from(u8::try_from((i * 37 + at * 11) % 101).unwrap()) - 50.5;
    (0..dimension).map(number).collect()
}

/// Runs `write` again and again, with `look` in two threads and in the child
/// beside it.
fn beside(
    path: &Path,
    mut child: Child,
    look: impl Fn(usize) + Sync,
    mut write: impl FnMut(usize),
) {
    let is_over = AtomicBool::new(false);
    let looks = AtomicUsize::new(0);
    thread::scope(|scope| {
        for reader in 0..2 {
            let (look, looks, is_over) = (&look, &looks, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    look(reader);
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Also when it panics: the readers would never end.
        let _ends = Ends(&is_over);
        let mut round = 0;
        while round < rounds() || !mark(path, "begun").exists() {
            write(round);
            round += 1;
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the other process has seen something wrong");
        }
        assert!(looks.load(Ordering::Relaxed) > 0, "the threads looked as well");
    });
    fs::write(mark(path, "over"), "").unwrap();
    assert!(child.wait().unwrap().success(), "the other process saw nothing wrong");
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// These stay as they are all the time.
fn kept() -> Vec<Entry> {
    let kept = |i: usize| {
        Entry::fact(format!("kept {i}, by the river"))
            .with_id(format!("kept-{i}"))
            .with_tags(["kept"])
            .with_embedding(vector(i, 16))
    };
    (0..KEPT).map(kept).collect()
}

fn ids(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.id().unwrap().to_owned()).collect()
}

/// All that is kept, by each way to it.
fn look_at_kept(things: &Collection) {
    let is_kept = || Filter::tag("kept");
    let wanted: Vec<String> = (0..KEPT).map(|i| format!("kept-{i}")).collect();
    assert_eq!(ids(things.list(List::new().filter(is_kept())).unwrap()), wanted);
    let by_river = Filter::contains("the river");
    assert_eq!(things.count_where(&by_river).unwrap(), KEPT as u64);
    let hits = things.query(Query::embedding(vector(7, 16)).top(3).filter(is_kept())).unwrap();
    assert_eq!((hits.len(), hits[0].entry.id(), hits[0].distance), (3, Some("kept-7"), 0.0));
    let words = Query::embedding(vector(9, 16)).top(KEPT).hybrid_with("river").filter(is_kept());
    assert_eq!(things.query(words).unwrap().len(), KEPT);
    assert_eq!(things.get("kept-5").unwrap().unwrap().content(), "kept 5, by the river");
}

#[test]
fn readers_go_on_while_a_store_is_compacted_and_reindexed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let things = store.collection("things", Space::l2(16)).unwrap();
    let passing = |round: usize| -> Vec<Entry> {
        let passing = |i: usize| {
            Entry::fact("passing")
                .with_id(format!("{round}-{i}"))
                .with_embedding(vector(i + round, 16))
        };
        (0..20).map(passing).collect()
    };
    things.add(passing(0)).unwrap();
    things.add(kept()).unwrap();
    let reader = MemoryStore::builder(&path).open_read_only().unwrap();
    let collections = [things.clone(), reader.open_collection("things").unwrap()];
    beside(
        &path,
        child(&path, "child_that_looks_at_what_is_kept"),
        |reader| look_at_kept(&collections[reader]),
        |round| {
            things.add(passing(round + 1)).unwrap();
            things.delete((0..20).map(|i| format!("{round}-{i}"))).unwrap();
            match round % 2 {
                0 => store.reindex().unwrap(),
                _ => assert!(store.compact().unwrap().bytes_after > 0),
            }
        },
    );
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
}

/// Not a test of its own: the other process of the one above.
#[test]
fn child_that_looks_at_what_is_kept() {
    let Some(path) = std::env::var_os("LYRA_TEST_STORE").map(PathBuf::from) else { return };
    let store = MemoryStore::builder(&path).open_read_only().unwrap();
    let things = store.open_collection("things").unwrap();
    look_on(&path, || look_at_kept(&things));
}

/// The generations of a collection take turns.
fn space_of(generation: i64) -> Space {
    match generation % 3 {
        0 => Space::l2(5),
        1 => Space::cosine(8),
        _ => Space::inner_product(3),
    }
}

/// The collection as it is now: not there, empty, or whole, and all of one
/// generation; also through a handle of the past.
fn look_at_what_changes(store: &MemoryStore, held: &mut Option<Collection>) {
    match store.open_collection("things") {
        Ok(now) => drop(answers_of(&now).map(|()| *held = Some(now))),
        Err(error) => assert_eq!(error.code().id(), "memstore.collection_not_found", "{error:?}"),
    }
    // Of the look before: mostly gone by now.
    if let Some(things) = held
        && answers_of(things).is_err()
    {
        *held = None;
    }
}

/// How often this process saw all entries of a generation.
static WHOLE: AtomicUsize = AtomicUsize::new(0);

/// An error when it is gone.
fn answers_of(things: &Collection) -> Result<(), ()> {
    let space = things.space().clone();
    let query = || Query::embedding(vector(1, space.dimension() as usize)).top(100);
    let all = |filter: &Filter| things.list(List::new().filter(filter.clone()).with_embeddings());
    let filter = Filter::gte("generation", 0);
    let answers: [Result<Vec<Entry>, MemoryError>; 4] = [
        things.query(query()).map(|hits| hits.into_iter().map(|hit| hit.entry).collect()),
        things
            .query(query().filter(filter.clone()).hybrid_with("thing"))
            .map(|hits| hits.into_iter().map(|hit| hit.entry).collect()),
        all(&filter),
        all(&Filter::contains("a thing")),
    ];
    for answer in answers {
        let entries = match answer {
            Ok(entries) => entries,
            Err(error) => {
                assert_eq!(error.code().id(), "memstore.collection_not_found", "{error:?}");
                return Err(());
            }
        };
        assert!(entries.is_empty() || entries.len() == KEPT, "{} of them", entries.len());
        WHOLE.fetch_add(entries.len() / KEPT, Ordering::Relaxed);
        let generations = entries.iter().map(|entry| match entry.metadata()["generation"] {
            MetadataValue::Int(generation) => generation,
            ref other => panic!("{other:?}"),
        });
        let generations: Vec<i64> = generations.collect();
        assert!(generations.iter().all(|&of| of == generations[0] && space_of(of) == space));
    }
    Ok(())
}

#[test]
fn a_collection_that_comes_again_as_another_is_never_mixed_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let reader = MemoryStore::builder(&path).open_read_only().unwrap();
    let make = |generation: i64| {
        let space = space_of(generation);
        let dimension = space.dimension() as usize;
        let things = store.collection("things", space).unwrap();
        let thing = |i: usize| {
            let entry = Entry::fact(format!("a thing {i}")).with_embedding(vector(i, dimension));
            entry.with_metadata("generation", generation)
        };
        things.add((0..KEPT).map(thing).collect::<Vec<_>>()).unwrap();
    };
    make(0);
    thread_local! {
        static HELD: std::cell::RefCell<Option<Collection>> =
            const { std::cell::RefCell::new(None) };
    }
    let stores = [store.clone(), reader];
    beside(
        &path,
        child(&path, "child_that_looks_at_what_changes"),
        |at| HELD.with_borrow_mut(|held| look_at_what_changes(&stores[at], held)),
        |round| {
            store.drop_collection("things").unwrap();
            make(i64::try_from(round).unwrap() + 1);
        },
    );
    let whole = WHOLE.load(Ordering::Relaxed);
    println!("{whole} answers were of all entries");
    assert!(whole > 0, "it was seen while it was there");
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
}

/// Not a test of its own: the other process of the one above.
#[test]
fn child_that_looks_at_what_changes() {
    let Some(path) = std::env::var_os("LYRA_TEST_STORE").map(PathBuf::from) else { return };
    let store = MemoryStore::builder(&path).open_read_only().unwrap();
    let mut held = None;
    look_on(&path, || look_at_what_changes(&store, &mut held));
}
