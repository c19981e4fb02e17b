//! kill -9 while a store is put into shape: `reindex`, `compact` and what brings
//! an older store to this format leave it as it was, or are done.
#![allow(clippy::print_stdout, reason = "a seed is shown where a test fails")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lyra_errors::Classify;
use lyra_memstore::{Entry, Filter, Hit, List, MemoryStore, Query, Space};

#[path = "support/old_format.rs"]
mod old_format;

/// Of each sort of work; `LYRA_SOAK` times as many.
const KILLS: u32 = 10;
const DIMENSION: u32 = 32;

fn fill(path: &Path) {
    let store = MemoryStore::open(path).unwrap();
    for name in ["facts", "others"] {
        let facts = store.collection(name, Space::lexical(DIMENSION)).unwrap();
        let fact = |i: i64| {
            let entry = Entry::fact(format!("fact {i} of {name}, word{}", i * 31 % 17));
            entry.with_id(i.to_string()).with_metadata("number", i).with_tags(["some"])
        };
        facts.add((0..400).map(fact).collect::<Vec<_>>()).unwrap();
        facts.delete((0..400).step_by(3).map(|i| i.to_string())).unwrap();
    }
}

/// What there is, and what is found of it.
type Told = Vec<(Vec<Entry>, Vec<Hit>, Vec<Entry>)>;

fn audit(path: &Path) -> Told {
    let store = MemoryStore::open(path).unwrap();
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
    let told = store.collections().unwrap().into_iter().map(|info| {
        let facts = store.open_collection(&info.name).unwrap();
        let filter = Filter::lt("number", 200).and(Filter::contains("word1"));
        (
            facts.list(List::new().with_embeddings()).unwrap(),
            facts.query(Query::text("fact 7, word11").top(20).hybrid()).unwrap(),
            facts.list(List::new().filter(filter)).unwrap(),
        )
    });
    told.collect()
}

fn soak() -> u32 {
    std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed: Option<u64> = std::env::var("LYRA_TEST_SEED").ok().and_then(|n| n.parse().ok());
        let seed = seed.unwrap_or(41);
        println!("seed {seed}; repeat with LYRA_TEST_SEED={seed}");
        Self(seed << 20 | 1)
    }

    fn within(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64(f64::from(u32::try_from(self.0 % 10_000).unwrap()) / 10_000.0)
    }
}

/// Starts the work in another process, and kills it so long after it began.
fn killed(path: &Path, work: &str, after: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_works", "--nocapture"])
        .env("LYRA_TEST_STORE", path)
        .env("LYRA_TEST_WORK", work)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_begin(&mut child);
    let killed_at = Instant::now() + after;
    while Instant::now() < killed_at {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn wait_for_begin(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("begun")), "the child begins");
}

fn took(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn kill_in(work: &str, do_it: impl FnOnce(&MemoryStore)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    fill(&path);
    let before = audit(&path);
    assert_eq!(before[0].0.len(), 266);
    // The first kills come while there are gaps still.
    let (copy, mut random) = (dir.path().join("copy"), Random::new());
    fs::create_dir(&copy).unwrap();
    let file = |path: &Path| path.join("memory.sqlite3");
    fs::copy(file(&path), file(&copy)).unwrap();
    let once = took(|| do_it(&MemoryStore::open(&copy).unwrap()));
    for _ in 0..KILLS * soak() {
        killed(&path, work, random.within(once.mul_f64(1.3)));
        assert!(audit(&path) == before, "killed in {work}, it is another");
    }
    println!("{work} takes {once:?}");
}

#[test]
fn a_kill_in_the_middle_of_a_reindex_changes_no_entry() {
    kill_in("reindex", |store| store.reindex().unwrap());
}

#[test]
fn a_kill_in_the_middle_of_a_compact_changes_no_entry() {
    kill_in("compact", |store| {
        store.compact().unwrap();
    });
}

#[test]
fn a_kill_in_the_middle_of_a_migration_leaves_the_old_format_or_the_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    fill(&path);
    let before = audit(&path);
    old_format::bring_back(&path);
    let file = path.join("memory.sqlite3");
    let old = fs::read(&file).unwrap();
    let once = took(|| drop(MemoryStore::open(&path).unwrap()));
    let (mut random, mut earlier) = (Random::new(), 0);
    for _ in 0..KILLS * soak() {
        for name in ["memory.sqlite3-wal", "memory.sqlite3-shm"] {
            let _ = fs::remove_file(path.join(name));
        }
        fs::write(&file, &old).unwrap();
        killed(&path, "migrate", random.within(once.mul_f64(1.3)));
        if let Err(error) = MemoryStore::builder(&path).open_read_only() {
            assert_eq!(error.code().id(), "memstore.older_format", "{error}");
            earlier += 1;
        }
        assert!(audit(&path) == before, "killed in a migration, it is another");
    }
    println!("{earlier} of {} kills left the old format; it takes {once:?}", KILLS * soak());
    assert!(earlier > 0, "the kills hit the migration");
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_that_works() {
    let Some(path) = std::env::var_os("LYRA_TEST_STORE").map(PathBuf::from) else { return };
    let work = std::env::var("LYRA_TEST_WORK").unwrap();
    let begun = || {
        let mut out = std::io::stdout();
        writeln!(out, "begun").unwrap();
        out.flush().unwrap();
    };
    if work == "migrate" {
        begun();
        let _store = MemoryStore::open(path).unwrap();
        loop {
            std::thread::park();
        }
    }
    let store = MemoryStore::open(path).unwrap();
    begun();
    loop {
        match &*work {
            "reindex" => store.reindex().unwrap(),
            _ => {
                store.compact().unwrap();
            }
        }
    }
}
