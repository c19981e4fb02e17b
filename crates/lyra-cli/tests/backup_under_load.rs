//! Backups that are made while another process writes to the store are
//! consistent, each of them.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::{Place, Random};

const RUNS: usize = 20;
const ENTRIES: usize = 3_000;
const BATCH: u64 = 500;

/// What the writer has acknowledged: how many collections it has completed,
/// and how many entries the next one has.
type Acknowledged = Mutex<(usize, u64)>;

#[test]
fn every_backup_under_write_load_is_consistent() {
    let mut random = Random::seeded("backup_under_load");
    let place = Place::new();
    write_inputs(&place, &mut random);
    let (acknowledged, stop) = (Acknowledged::default(), AtomicBool::new(false));

    let backups: Vec<_> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&stop, &place, &acknowledged));
        let _stop = StopAtEnd(&stop);
        while *acknowledged.lock().unwrap() == (0, 0) {
            assert!(!writer.is_finished(), "the writer gave up");
            std::thread::yield_now();
        }
        (0..RUNS)
            .map(|_| {
                let before = *acknowledged.lock().unwrap();
                let made = place.json("backup create");
                assert_eq!(made["verified"], true, "{made}");
                (made["name"].as_str().unwrap().to_owned(), before)
            })
            .collect()
    });
    let written = *acknowledged.lock().unwrap();
    assert!(written > backups[RUNS / 2].1, "the writer stood still: {written:?}");

    let reference = lines(&place.done("memory export --collection load-0 --quiet").stdout);
    assert_eq!(reference.len(), ENTRIES);
    for (run, (name, before)) in backups.iter().enumerate() {
        place.done(&format!("backup restore {name} --target restored --yes"));
        place.done("memory check --store restored");
        let seen = consistent(&place, &reference);
        assert!(seen >= *before, "run {run}: {before:?} acknowledged, {seen:?} restored");
    }
    println!(
        "consistent: {RUNS} of {RUNS}; acknowledged before each: {:?}",
        backups.iter().map(|(_, before)| before).collect::<Vec<_>>()
    );
}

/// Also when the test fails, the writer ends.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn write_inputs(place: &Place, random: &mut Random) {
    let mut text = String::new();
    for i in 0..ENTRIES {
        let content = format!("Line {i} of the load: {}", random.below(1 << 40));
        writeln!(text, "{}", json!({ "id": format!("line-{i}"), "content": content })).unwrap();
    }
    place.write("in.jsonl", text);
}

/// Imports the same lines into one collection after the other.
fn write_until(stop: &AtomicBool, place: &Place, acknowledged: &Acknowledged) {
    for number in 0.. {
        let import =
            format!("memory import in.jsonl --kind fact --dimension 8 --collection load-{number}");
        let mut child =
            place.command(&import).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            let count = line.strip_prefix("committed ").and_then(|l| l.strip_suffix(" entries"));
            let count = count.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
            *acknowledged.lock().unwrap() =
                if count == ENTRIES as u64 { (number + 1, 0) } else { (number, count) };
        }
        assert!(child.wait().unwrap().success());
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Checks that the restored store is one that was there at some instant:
/// whole collections, and at most one that ends at a batch, each with the
/// very entries. Returns which instant.
fn consistent(place: &Place, reference: &[String]) -> (usize, u64) {
    let stats = place.json("memory stats --store restored");
    let collections = stats["collections"].as_array().unwrap();
    let mut instant = (0, 0);
    for number in 0..collections.len() {
        let name = format!("load-{number}");
        let info = collections.iter().find(|info| info["name"] == name).expect(&name);
        let count = info["entries"].as_u64().unwrap();
        assert_eq!(instant, (number, 0), "{name} began before the one before it was whole");
        assert_eq!(count % BATCH, 0, "half a batch in {name}");
        let export = format!("memory export --store restored --collection {name} --quiet");
        let restored = lines(&place.done(&export).stdout);
        assert_eq!(restored, reference[..usize::try_from(count).unwrap()], "{name}");
        instant = if count == ENTRIES as u64 { (number + 1, 0) } else { (number, count) };
    }
    instant
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
