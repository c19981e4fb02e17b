//! `kill -9` of an import at random moments loses nothing that was
//! acknowledged and leaves no half of a batch.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use support::{Place, Random, busy};

const ENTRIES: usize = 10_000;
const BATCH: usize = 500;
const DIMENSION: usize = 8;
/// Two threads fill five stores each, and each store is killed twice before
/// it is completed.
const THREADS: usize = 2;
const STORES: usize = 5;
const KILLS_A_STORE: usize = 2;
const IMPORT: &str = "memory import in.jsonl --dimension 8";

#[test]
fn an_import_killed_at_random_moments_loses_nothing_acknowledged() {
    let mut random = Random::seeded("import_survives_kills");
    let place = Place::new();
    let inputs = write_inputs(&place, &mut random);
    let reference = reference(&place, &inputs);
    let randoms: Vec<_> = (0..THREADS).map(|_| random.fork()).collect();
    let seen: Vec<usize> = std::thread::scope(|scope| {
        let kill = |random| kill_and_complete(&place.join("in.jsonl"), &reference, random);
        let threads: Vec<_> =
            randoms.into_iter().map(|random| scope.spawn(move || kill(random))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(seen.len(), 20);
    println!("entries after each kill: {seen:?}");
    assert!(seen.iter().any(|count| !matches!(*count, 0 | ENTRIES)), "no kill hit the middle");
}

/// Returns how many entries were there after each kill.
fn kill_and_complete(inputs: &Path, reference: &[String], mut random: Random) -> Vec<usize> {
    let place = Place::new();
    std::fs::copy(inputs, place.join("in.jsonl")).unwrap();
    let mut seen = Vec::new();
    for _ in 0..STORES {
        let mut count = 0;
        for _ in 0..KILLS_A_STORE {
            let acknowledged = import_until_killed(&place, count / BATCH, &mut random);
            count = self::count(&place);
            assert_eq!(count % BATCH, 0, "half a batch: {count}");
            assert!(count >= acknowledged, "{acknowledged} acknowledged, {count} there");
            assert_eq!(lines_of(&place, count), reference[..count], "entries differ");
            seen.push(count);
        }
        place.done(IMPORT);
        assert_eq!(lines_of(&place, ENTRIES), reference, "after completion");
        place.done("memory check");
        std::fs::remove_dir_all(place.join("memory")).unwrap();
    }
    seen
}

/// Entries with a vector for every second one.
fn write_inputs(place: &Place, random: &mut Random) -> Vec<Value> {
    let inputs: Vec<_> = (0..ENTRIES)
        .map(|i| {
            let mut entry = json!({
                "id": format!("entry-{i}"),
                "kind": if i % 3 == 0 { "fact" } else { "journal" },
                "content": format!("Entry {i} of the import: {}", random.below(1 << 40)),
                "summary": format!("Entry {i}"),
                "tags": [format!("tag-{}", i % 7)],
                "significance": 1 + i % 10,
                "metadata": { "number": i, "half": i as f64 / 2.0, "even": i % 2 == 0 },
            });
            if i % 2 == 0 {
                let vector: Vec<_> = (0..DIMENSION).map(|_| random.float()).collect();
                entry["embedding"] = vector.into();
            }
            entry
        })
        .collect();
    let mut text = String::new();
    for entry in &inputs {
        writeln!(text, "{entry}").unwrap();
    }
    place.write("in.jsonl", text);
    inputs
}

/// What an import that nobody disturbs makes of the inputs, each compared
/// with its input; a killed one is then compared with this, byte by byte.
fn reference(place: &Place, inputs: &[Value]) -> Vec<String> {
    place.done(IMPORT);
    let lines = lines_of(place, ENTRIES);
    for (line, input) in lines.iter().zip(inputs) {
        let mut stored: Value = serde_json::from_str(line).unwrap();
        let fields = stored.as_object_mut().unwrap();
        let stored_vector = fields.remove("embedding").unwrap();
        let embedder = fields.remove("embedder");
        let mut input = input.clone();
        match input.as_object_mut().unwrap().remove("embedding") {
            Some(vector) => {
                assert_eq!(embedder, None);
                assert_same_direction(&vector, &stored_vector);
            }
            None => assert_eq!(embedder, Some("lyra-lexical-v1:8".into())),
        }
        assert_eq!(stored, input);
    }
    std::fs::remove_dir_all(place.join("memory")).unwrap();
    lines
}

/// Under cosine a vector is brought to unit length on the way in.
fn assert_same_direction(input: &Value, stored: &Value) {
    let numbers = |v: &Value| -> Vec<f64> {
        v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let (input, stored) = (numbers(input), numbers(stored));
    let length = input.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert_eq!(input.len(), stored.len());
    for (a, b) in input.iter().zip(&stored) {
        assert!((a / length - b).abs() < 1e-6, "{input:?} became {stored:?}");
    }
}

/// Kills an import after a random number of acknowledged batches, at least
/// those that are there already, and a random moment more. Returns the last
/// number that it acknowledged.
fn import_until_killed(place: &Place, batches: usize, random: &mut Random) -> usize {
    let patience = batches as u64 + random.below((ENTRIES / BATCH - batches + 1) as u64);
    let moment = random.below(60_000);
    let mut child =
        place.command(IMPORT).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut acknowledged = 0;
    for _ in 0..patience {
        match lines.next() {
            Some(line) => acknowledged = number_in(&line.unwrap()).unwrap_or(acknowledged),
            None => break,
        }
    }
    busy(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still said before it died counts as well.
    for line in lines {
        acknowledged = number_in(&line.unwrap()).unwrap_or(acknowledged);
    }
    acknowledged
}

fn number_in(line: &str) -> Option<usize> {
    line.strip_prefix("committed ")?.strip_suffix(" entries")?.parse().ok()
}

/// A store that was killed before it was made has no entries.
fn count(place: &Place) -> usize {
    let ran = place.run("memory count --format json");
    match (ran.code, ran.document()) {
        (0, document) => usize::try_from(document["count"].as_u64().unwrap()).unwrap(),
        (code, error) => {
            let known = ["memstore.no_store", "memstore.collection_not_found"];
            assert!(known.contains(&error["code"].as_str().unwrap()), "exit {code}: {error}");
            0
        }
    }
}

fn lines_of(place: &Place, count: usize) -> Vec<String> {
    if count == 0 {
        return Vec::new();
    }
    place.done("memory export --quiet").stdout.lines().map(str::to_owned).collect()
}
