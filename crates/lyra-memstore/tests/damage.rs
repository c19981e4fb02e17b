//! A store that is damaged: it is told, or every answer is whole. Never a
//! panic, and nothing wrong that `check` does not tell.
#![allow(clippy::print_stdout, reason = "a seed is shown where a test fails")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};

use lyra_errors::Classify;
use lyra_memstore::{Entry, Filter, List, MemoryError, MemoryStore, Query, Space};

const FILE: &str = "memory.sqlite3";
const WAL: &str = "memory.sqlite3-wal";

/// Damages of each sort; `LYRA_SOAK` times as many.
const DOSE: usize = 50;

/// A store, file by file, whose last changes are still in the log.
struct Good {
    database: Vec<u8>,
    wal: Vec<u8>,
    answers: Vec<String>,
    /// The same before the last transaction that is in the log only, and so
    /// on: what a log that is cut short leaves.
    earlier: Vec<Vec<String>>,
}

fn good() -> Good {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    let things = store.collection("things", Space::cosine(8)).unwrap();
    let entry = |i: u8| {
        let vector: Vec<f32> = (0..8).map(|at| f32::from(i % (at + 3)) + 0.5).collect();
        Entry::journal(format!("entry {i}: the river {}", "flows ".repeat(i.into())), "a summary")
            .with_id(format!("id-{i}"))
            .with_tags(["water"])
            .with_significance(i64::from(i % 10) + 1)
            .with_metadata("number", i64::from(i))
            .with_metadata("name", format!("name-{i}"))
            .with_embedding(vector)
    };
    things.add((0..120).map(entry).collect::<Vec<_>>()).unwrap();
    drop((store, things));
    // What is written now stays in the log while it is copied.
    let store = MemoryStore::open(&path).unwrap();
    let things = store.open_collection("things").unwrap();
    let mut earlier = vec![answers(&store).unwrap()];
    for i in 120..124 {
        things.add(entry(i)).unwrap();
        earlier.push(answers(&store).unwrap());
        things.delete([format!("id-{}", i - 120)]).unwrap();
        earlier.push(answers(&store).unwrap());
    }
    let read = |name: &str| fs::read(path.join(name)).unwrap();
    let (database, wal) = (read(FILE), read(WAL));
    assert!(wal.len() > 20_000, "the last changes are in the log: {}", wal.len());
    Good { database, wal, answers: answers(&store).unwrap(), earlier }
}

/// What the store says to all sorts of questions.
fn answers(store: &MemoryStore) -> Result<Vec<String>, MemoryError> {
    let mut said = Vec::new();
    for info in store.collections()? {
        said.push(format!("{info:?}"));
        let things = store.open_collection(&info.name)?;
        let filters = [
            Filter::lt("number", 20),
            Filter::eq("name", "name-41"),
            Filter::tag("water"),
            Filter::contains("river flows flows f"),
            Filter::significance(3..=5),
        ];
        for entry in things.list(List::new().with_embeddings())? {
            said.push(format!("{entry:?}"));
        }
        let vector: Vec<f32> = (0..info.space.dimension()).map(|_| 1.0).collect();
        let query = || Query::embedding(vector.clone());
        said.push(format!("{:?}", things.query(query())?));
        said.push(format!("{:?}", things.query(query().hybrid_with("river"))?));
        for filter in filters {
            said.push(format!("{:?}", things.list(List::new().filter(filter.clone()))?));
            said.push(format!("{:?}", things.query(query().filter(filter))?));
        }
        said.push(format!("{:?}", things.get("id-30")?));
    }
    Ok(said)
}

#[derive(Debug, Default)]
struct Found {
    refused: usize,
    told: usize,
    whole: usize,
    earlier: usize,
    silent: Vec<String>,
}

impl Found {
    fn assert_none_is_silent(&self) {
        println!("{self:?}");
        assert_eq!(self.silent, [""; 0], "wrong answers that `check` does not tell");
    }
}

/// Opens what is at `path`, for reading and then for writing too.
fn look(path: &Path, good: &Good, what: &str, found: &mut Found) {
    let known = [
        "memstore.corrupt",
        "memstore.not_a_store",
        "memstore.no_store",
        "memstore.newer_format",
        "memstore.older_format",
        "memstore.storage",
    ];
    let refused = |error: &MemoryError| {
        assert!(known.contains(&error.code().id()), "{what}: {error:?}");
    };
    for is_reader in [true, false] {
        let builder = MemoryStore::builder(path);
        let opened = if is_reader { builder.open_read_only() } else { builder.open() };
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                refused(&error);
                found.refused += 1;
                continue;
            }
        };
        let said = answers(&store);
        let report = store.check();
        match (said, report) {
            (Err(error), _) | (_, Err(error)) => {
                refused(&error);
                found.refused += 1;
            }
            (_, Ok(report)) if !report.is_ok() => found.told += 1,
            (Ok(said), _) if said == good.answers => found.whole += 1,
            (Ok(said), _) if good.earlier.contains(&said) => found.earlier += 1,
            (Ok(said), _) => {
                let differs = said.iter().zip(&good.answers).find(|(said, good)| said != good);
                found.silent.push(format!("{what}: {differs:?}"));
            }
        }
    }
}

fn laid_out(database: &[u8], wal: Option<&[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    fs::create_dir(&path).unwrap();
    fs::write(path.join(FILE), database).unwrap();
    if let Some(wal) = wal {
        fs::write(path.join(WAL), wal).unwrap();
    }
    (dir, path)
}

#[test]
fn any_flipped_bit_of_the_database_is_told_or_does_no_harm() {
    let (good, mut random, dose) = (good(), random(), dose());
    let mut found = Found::default();
    let places = |text: &[u8]| -> Vec<usize> {
        (0..good.database.len()).filter(|&at| good.database[at..].starts_with(text)).collect()
    };
    let (contents, summaries) = (places(b"flows "), places(b"a summary"));
    for round in 0..dose {
        let mut database = good.database.clone();
        // Nothing but a sum tells one text of another.
        let at = match round % 4 {
            0 => contents[random.below(contents.len())],
            1 => summaries[random.below(summaries.len())],
            _ => random.below(database.len()),
        };
        let bit = random.below(8);
        database[at] ^= 1 << bit;
        let (_dir, path) = laid_out(&database, Some(&good.wal));
        look(&path, &good, &format!("bit {bit} of byte {at}"), &mut found);
    }
    found.assert_none_is_silent();
    assert!(found.told > 0 && found.whole > 0, "both have happened: {found:?}");
    assert_eq!(found.earlier, 0, "what is in the log has all been read");
}

/// The log has sums of its own: what follows a flipped bit does not count.
#[test]
fn any_flipped_bit_of_the_log_leaves_an_earlier_state_or_does_no_harm() {
    let (good, mut random) = (good(), random());
    let mut found = Found::default();
    for _ in 0..dose() {
        let mut wal = good.wal.clone();
        let (at, bit) = (random.below(wal.len()), random.below(8));
        wal[at] ^= 1 << bit;
        let (_dir, path) = laid_out(&good.database, Some(&wal));
        look(&path, &good, &format!("bit {bit} of byte {at} of the log"), &mut found);
    }
    found.assert_none_is_silent();
    assert!(found.earlier > 0, "some had an effect: {found:?}");
}

#[test]
fn a_log_cut_short_leaves_an_earlier_state() {
    let (good, mut random) = (good(), random());
    let mut found = Found::default();
    for at in 0..dose() {
        // Also within its head of 32 bytes and that of a frame.
        let length = if at < 8 { at * 9 } else { random.below(good.wal.len()) };
        let (_dir, path) = laid_out(&good.database, Some(&good.wal[..length]));
        look(&path, &good, &format!("a log of {length} bytes"), &mut found);
    }
    found.assert_none_is_silent();
    assert_eq!((found.refused, found.told), (0, 0), "as after a loss of power: {found:?}");
    assert!(found.earlier > 0, "{found:?}");
}

#[test]
fn a_database_cut_short_is_told() {
    let (good, mut random) = (good(), random());
    let mut found = Found::default();
    for at in 0..dose() {
        let length = match at {
            0..4 => at * 170,
            4..30 => at * 4096 - 4096,
            _ => random.below(good.database.len()),
        };
        let cut = &good.database[..length.min(good.database.len() - 1)];
        let (_dir, path) = laid_out(cut, None);
        // Without the log, for that holds newer pages.
        let what = format!("a database of {length} bytes");
        look_at_cut(&path, length, &what, &good, &mut found);
    }
    found.assert_none_is_silent();
    assert_eq!(found.whole + found.earlier, 0, "nothing is whole that was cut: {found:?}");
}

/// One of no length is what a killed creation leaves: it is completed, and has
/// no collections.
fn look_at_cut(path: &Path, length: usize, what: &str, good: &Good, found: &mut Found) {
    if length > 0 {
        return look(path, good, what, found);
    }
    let read_only = MemoryStore::builder(path).open_read_only().unwrap_err();
    assert_eq!(read_only.code().id(), "memstore.no_store");
    assert!(MemoryStore::open(path).unwrap().collections().unwrap().is_empty());
}

#[test]
fn files_that_are_none_are_refused_with_a_code() {
    let refused = |path: &Path, wanted: &[&str]| {
        for opened in [MemoryStore::open(path), MemoryStore::builder(path).open_read_only()] {
            let code = opened.unwrap_err().code().id();
            assert!(wanted.contains(&code), "{code}");
        }
    };
    let good = good();
    for name in [FILE, WAL] {
        let (_dir, path) = laid_out(&good.database, None);
        let _ = fs::remove_file(path.join(name));
        fs::create_dir(path.join(name)).unwrap();
        // SQLite looks for a log only once it writes.
        refused(&path, &["memstore.not_a_store", "memstore.storage"]);
    }
    let (_dir, path) = laid_out(&good.database, None);
    fs::remove_file(path.join(FILE)).unwrap();
    rusqlite::Connection::open(path.join(FILE))
        .unwrap()
        .execute_batch("CREATE TABLE entries (a); PRAGMA user_version = 3;")
        .unwrap();
    refused(&path, &["memstore.not_a_store"]);
    // The name of ours on a database without our tables.
    rusqlite::Connection::open(path.join(FILE))
        .unwrap()
        .execute_batch("PRAGMA application_id = 1280922177;")
        .unwrap();
    let mut found = Found::default();
    look(&path, &good, "no tables of ours", &mut found);
    assert_eq!(found.refused, 2, "{found:?}");
}

fn dose() -> usize {
    let soak: usize = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    DOSE * soak
}

fn random() -> Random {
    let seed: Option<u64> = std::env::var("LYRA_TEST_SEED").ok().and_then(|n| n.parse().ok());
    let seed = seed.unwrap_or(31);
    println!("seed {seed}; repeat with LYRA_TEST_SEED={seed}");
    Random(seed << 20 | 1)
}

/// The same numbers in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}
