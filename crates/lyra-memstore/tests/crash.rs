//! kill -9 in the middle of the work: all of a transaction or nothing of it,
//! and everything that was acknowledged.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lyra_memstore::{Entry, EntryPatch, Filter, List, MemoryError, MemoryStore, Space};

/// Of one store; `LYRA_SOAK` stores are killed so.
const KILLS: u32 = 100;
const BATCH: i64 = 20;

/// Each transaction adds `BATCH` entries to one collection, one entry to
/// another, changes a counter and deletes the entries of three rounds ago.
fn work(store: &MemoryStore, round: i64) -> Result<(), MemoryError> {
    let id = |round: i64, i: i64| format!("{round}-{i}");
    store.transaction(|tx| {
        let batch: Vec<_> = (0..BATCH)
            .map(|i| {
                Entry::fact(format!("fact {i} of {round}"))
                    .with_id(id(round, i))
                    .with_metadata("round", round)
            })
            .collect();
        tx.add("facts", batch)?;
        tx.add("rounds", Entry::fact("a round").with_id(round.to_string()))?;
        tx.update("rounds", EntryPatch::new("counter").with_metadata("last", round))?;
        if round > 3 {
            tx.delete("facts", (0..BATCH).map(|i| id(round - 3, i)))?;
        }
        Ok(())
    })
}

/// What must hold after any number of whole rounds; returns that number.
fn audit(path: &Path) -> i64 {
    let store = MemoryStore::open(path).unwrap();
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
    let rounds = store.open_collection("rounds").unwrap();
    let facts = store.open_collection("facts").unwrap();
    let done = i64::try_from(rounds.count().unwrap()).unwrap() - 1;
    let counter = rounds.get("counter").unwrap().unwrap();
    assert_eq!(counter.metadata()["last"], done.into(), "the counter belongs to the last round");
    for round in 1..=done {
        let wanted = if round > done - 3 { BATCH } else { 0 };
        let found = facts.count_where(&Filter::eq("round", round)).unwrap();
        assert_eq!(i64::try_from(found).unwrap(), wanted, "round {round} of {done}");
    }
    for entry in facts.list(List::new()).unwrap() {
        let (round, i) = entry.id().unwrap().split_once('-').unwrap();
        assert_eq!(entry.content(), format!("fact {i} of {round}"));
    }
    done
}

#[test]
fn a_kill_at_any_moment_leaves_whole_transactions_and_all_that_were_acknowledged() {
    let soak: u32 = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let seed = std::env::var("LYRA_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into()
    });
    println!("seed {random}; repeat with LYRA_TEST_SEED={random}");
    // A store of its own for each hundred: to go through it takes longer, the
    // longer it lived.
    for _ in 0..soak {
        random = life(random);
    }
}

/// Kills whoever writes to one store again and again.
fn life(mut random: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("memory");
    let store = MemoryStore::open(&path).unwrap();
    store.collection("facts", Space::lexical(8)).unwrap();
    let rounds = store.collection("rounds", Space::lexical(8)).unwrap();
    rounds.add(Entry::fact("counter").with_id("counter").with_metadata("last", 0)).unwrap();
    drop((store, rounds));
    let mut done = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes", "--nocapture"])
            .env("LYRA_TEST_STORE", &path)
            .env("LYRA_TEST_ROUND", (done + 1).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        random = next(random);
        let to_wait_for = done + 1 + i64::try_from(random % 4).unwrap();
        let mut acknowledged = done;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while acknowledged < to_wait_for {
            let line = lines.next().expect("the child writes for ever").unwrap();
            if let Some(round) = line.rsplit("done ").next().and_then(|r| r.parse().ok()) {
                acknowledged = round;
            }
        }
        // Somewhere within the next round, which takes about a millisecond.
        random = next(random);
        let pause = Duration::from_micros(random % 2_000);
        let killed_at = Instant::now() + pause;
        while Instant::now() < killed_at {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had told before it died, but we had not read yet.
        for line in lines.map_while(Result::ok) {
            if let Some(round) = line.rsplit("done ").next().and_then(|r| r.parse().ok()) {
                acknowledged = round;
            }
        }
        done = audit(&path);
        assert!(done >= acknowledged, "round {acknowledged} was acknowledged, {done} are there");
        assert!(done <= acknowledged + 1, "no round is done before it is acknowledged but one");
    }
    assert!(done >= i64::from(KILLS), "the kills hit a store at work: {done}");
    random
}

fn next(random: u64) -> u64 {
    let mut x = random | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_that_writes() {
    let Some(path) = std::env::var_os("LYRA_TEST_STORE") else { return };
    let first: i64 = std::env::var("LYRA_TEST_ROUND").unwrap().parse().unwrap();
    let store = MemoryStore::open(PathBuf::from(path)).unwrap();
    let mut out = std::io::stdout();
    for round in first.. {
        work(&store, round).unwrap();
        writeln!(out, "done {round}").unwrap();
        out.flush().unwrap();
    }
}
