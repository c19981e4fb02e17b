//! What was written is read back, whatever has happened to it meanwhile.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lyra_errors::Classify as _;
use tracing::Level;

use super::{Entry, Fault, Log, Query, Record};
use crate::files::{LogFiles, Rotation, Settings};
use crate::sink::Sink as _;

fn line(run: &str, seq: u64, more: &str) -> String {
    let (minute, second) = (seq / 60 % 60, seq % 60);
    format!(
        "{{\"time\":\"2026-11-23T02:{minute:02}:{second:02}.000000000Z\",\"level\":\"INFO\",\"seq\":{seq},\"run\":\"{run}\",\"target\":\"app\",\"msg\":\"m{seq}\"{more}}}\n"
    )
}

fn lines(run: &str, seqs: impl IntoIterator<Item = u64>) -> String {
    seqs.into_iter().map(|seq| line(run, seq, "")).collect()
}

fn planted(files: &[(&str, String)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn open(dir: &Path, rotation: Rotation) -> LogFiles {
    LogFiles::open(&Settings { rotation, ..Settings::new(dir, "agent", "a") }).unwrap()
}

fn seqs(records: impl IntoIterator<Item = Record>) -> Vec<u64> {
    records.into_iter().map(|record| record.seq().unwrap()).collect()
}

fn all(log: &Log) -> Vec<u64> {
    seqs(log.records().unwrap().filter_map(Entry::into_record))
}

#[test]
fn no_log_is_told_with_its_code() {
    let dir = planted(&[("other.log", String::new())]);
    let error = Log::open(dir.path(), "agent").unwrap_err();
    assert_eq!(error.code().id(), "log.not_found");
    let error = Log::open(dir.path().join("absent"), "agent").unwrap_err();
    assert_eq!(error.code().id(), "log.not_found");
    let error = Log::open(dir.path().join("other.log"), "agent").unwrap_err();
    assert_eq!(error.code().id(), "log.io");
}

#[test]
fn the_logs_of_a_directory_are_found() {
    let names = ["b.log", "b_errors.log", "a.log", "a.log.1", "a.log.lock", "notes"];
    let dir = planted(&names.map(|name| (name, String::new())));
    let logs = Log::all_in(dir.path()).unwrap();
    assert_eq!(logs.iter().map(Log::name).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn old_files_come_first_and_the_errors_stand_apart() {
    let dir = planted(&[
        ("agent.log", lines("a", 9..=10)),
        ("agent.log.1", lines("a", 7..=8)),
        ("agent.log.2", lines("a", 5..=6)),
        ("agent.log.10", lines("a", 1..=4)),
        ("agent_errors.log", lines("a", [3])),
    ]);
    let log = Log::open(dir.path(), "agent").unwrap();
    assert_eq!(all(&log), (1..=10).collect::<Vec<_>>());
    assert_eq!(all(&Log::open_errors(dir.path(), "agent").unwrap()), [3]);
    assert_eq!(seqs(log.tail(3).unwrap()), [8, 9, 10]);
    assert_eq!(seqs(log.tail(100).unwrap()), (1..=10).collect::<Vec<_>>());
    assert!(log.tail(0).unwrap().is_empty());
}

#[test]
fn a_query_asks_for_all_of_its_conditions() {
    let more = [
        r#","operation":"store","user":{"id":7,"name":"Ada Lovelace"}"#,
        r#","ok":true"#,
        r#","operation":"store","user":{"id":8}"#,
    ];
    let mut text: String = (1_u64..).zip(more).map(|(seq, more)| line("a", seq, more)).collect();
    text += &line("a", 4, "").replace("INFO", "ERROR").replace("\"app\"", "\"app::db\"");
    text += &line("a", 5, "").replace("INFO", "DEBUG").replace("\"app\"", "\"apple\"");
    text += "{\"level\":50,\"seq\":6,\"msg\":\"as Bunyan writes it\"}\n";
    let dir = planted(&[("agent.log", text)]);
    let log = Log::open(dir.path(), "agent").unwrap();
    let found = |query: Query| seqs(log.query(query).unwrap());
    let at = |seq: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_399_200 + seq);
    assert_eq!(found(Query::new()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(Query::new().level(Level::WARN)), [4, 6]);
    assert_eq!(found(Query::new().level(Level::INFO)), [1, 2, 3, 4, 6]);
    assert_eq!(found(Query::new().target("app")), [1, 2, 3, 4]);
    assert_eq!(found(Query::new().operation("store")), [1, 3]);
    assert_eq!(found(Query::new().operation("store").field("user.id", "8")), [3]);
    assert_eq!(found(Query::new().field("ok", "true")), [2]);
    assert_eq!(found(Query::new().field_containing("user.name", "Love")), [1]);
    assert!(found(Query::new().field("user.name", "Love")).is_empty());
    assert_eq!(found(Query::new().since(at(2)).until(at(4))), [2, 3]);
    assert_eq!(found(Query::new().limit(2)), [1, 2]);
    assert_eq!(found(Query::new().operation("store").last(1)), [3]);
    let record = &log.tail(1).unwrap()[0];
    assert_eq!(
        (record.level(), record.message()),
        (Some(Level::ERROR), Some("as Bunyan writes it"))
    );
}

#[test]
fn a_whole_log_is_whole_and_its_runs_are_told_apart() {
    // Threads swap neighbours; the first run has lost its beginning to rotation.
    let dir = planted(&[
        ("agent.log.1", lines("a", [41, 43, 42, 44])),
        ("agent.log", lines("a", [45]) + &lines("b", [2, 1, 3])),
    ]);
    let report = Log::open(dir.path(), "agent").unwrap().verify().unwrap();
    assert!(report.is_whole(), "{report:?}");
    let runs: Vec<_> =
        report.runs.iter().map(|r| (r.run.as_str(), r.records, r.first, r.last)).collect();
    assert_eq!(runs, [("a", 5, 41, 45), ("b", 3, 1, 3)]);
    assert_eq!(report.files.iter().map(|f| f.records).collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn what_is_missing_double_or_set_back_is_named() {
    let told =
        r#"{"level":"WARN","run":"b","target":"lyra_log","msg":"2 lines were lost","lost":2}"#;
    let text = lines("a", [1, 2, 5, 6, 6, 9])
        + &lines("b", [3, 4, 7])
        + told
        + "\n"
        + &line("b", 8, "").replace("T02", "T01");
    let dir = planted(&[("agent.log", text)]);
    let report = Log::open(dir.path(), "agent").unwrap().verify().unwrap();
    assert!(!report.is_whole());
    let [a, b] = &report.runs[..] else { panic!("{report:?}") };
    assert_eq!(a.gaps, [3..=4, 7..=8]);
    assert_eq!((a.missing, a.untold(), a.duplicates, a.set_back), (4, 4, 1, 0));
    // A run that is not the first has to begin with 1.
    assert_eq!(b.gaps, [1..=2, 5..=6]);
    assert_eq!((b.missing, b.told, b.untold(), b.duplicates, b.set_back), (4, 2, 2, 0, 1));
    assert_eq!(report.unnumbered, 0);
}

#[test]
fn what_is_torn_or_no_record_is_named_with_its_place() {
    let first = line("a", 1, "");
    let text = format!("{first}{{\"time\":\"20\n{}garbage\n\n[1]\n{{\"seq\":3,", line("a", 2, ""));
    let dir = planted(&[("agent.log", text.clone())]);
    let report = Log::open(dir.path(), "agent").unwrap().verify().unwrap();
    let faults: Vec<_> = report.broken.iter().map(|b| (b.offset, b.fault.clone())).collect();
    let at = |part: &str| text.find(part).unwrap() as u64;
    let expected = [
        (at("{\"time\":\"20\n"), Fault::Torn),
        (at("garbage"), Fault::Invalid),
        (at("garbage") + 8, Fault::Invalid),
        (at("[1]"), Fault::Invalid),
        (at("{\"seq\":3,"), Fault::Torn),
    ];
    assert_eq!(faults, expected);
    assert_eq!((report.records(), report.broken_count), (2, 5));
    assert!(!report.is_whole());
    let dir = planted(&[("agent.log", first + "{\"to")]);
    assert!(Log::open(dir.path(), "agent").unwrap().verify().unwrap().is_whole());
}

#[test]
fn a_line_that_is_too_long_is_skipped() {
    let long = format!("{{\"x\":\"{}\"}}\n", "y".repeat(super::lines::LONGEST));
    let large = line("a", 1, &format!(",\"large\":\"{}\"", "z".repeat(10 << 20)));
    let dir = planted(&[("agent.log", large + &long + &line("a", 2, ""))]);
    let log = Log::open(dir.path(), "agent").unwrap();
    assert_eq!(all(&log), [1, 2]);
    assert_eq!(log.verify().unwrap().broken[0].fault, Fault::TooLong);
}

#[cfg(feature = "zstd")]
#[test]
fn compressed_files_are_read_and_damage_is_named() {
    let packed = zstd::encode_all(lines("a", 1..=200).as_bytes(), 3).unwrap();
    let dir = planted(&[("agent.log", lines("a", 201..=202))]);
    let path = dir.path().join("agent.log.1.zst");
    fs::write(&path, &packed).unwrap();
    let log = Log::open(dir.path(), "agent").unwrap();
    assert_eq!(all(&log), (1..=202).collect::<Vec<_>>());
    assert!(log.verify().unwrap().is_whole());
    fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let report = log.verify().unwrap();
    assert!(!report.is_whole());
    assert!(report.files[0].damage.is_some(), "{:?}", report.files);
    assert_eq!(report.files[1].records, 2, "the others are read all the same");
    // A plain file beside it is what was compressed, and counts alone.
    fs::write(dir.path().join("agent.log.1"), lines("a", 1..=200)).unwrap();
    assert_eq!(all(&log), (1..=202).collect::<Vec<_>>());
}

#[test]
fn a_writer_that_rotates_meanwhile_hides_nothing_and_shows_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), Rotation::size_bytes(400).keep(500));
    files.line(Level::INFO, line("a", 1, "").as_bytes());
    let log = Log::open(dir.path(), "agent").unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for seq in 2..=800 {
                files.line(Level::INFO, line("a", seq, "").as_bytes());
            }
        });
        while !writer.is_finished() {
            let found = all(&log);
            assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
        }
    });
    assert_eq!(all(&log).len(), 800);
}

#[test]
fn following_goes_on_across_rotations() {
    let dir = tempfile::tempdir().unwrap();
    let files = open(dir.path(), Rotation::size_bytes(400));
    let write = |seqs: std::ops::RangeInclusive<u64>| {
        for seq in seqs {
            files.line(Level::INFO, line("a", seq, "").as_bytes());
        }
    };
    write(1..=2);
    let log = Log::open(dir.path(), "agent").unwrap();
    // Each wait is the moment in which the next lines come.
    let mut steps = [3..=3, 4..=5, 6..=15, 16..=16].into_iter();
    let followed = log.follow(|| steps.next().map(write).is_some()).unwrap();
    assert_eq!(seqs(followed.filter_map(Entry::into_record)), (3..=16).collect::<Vec<_>>());
}

#[test]
fn following_waits_for_the_end_of_a_line_and_begins_anew_in_an_emptied_file() {
    let dir = planted(&[("agent.log", lines("a", [1]))]);
    let path: PathBuf = dir.path().join("agent.log");
    let append = |text: &str| {
        fs::File::options().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    let (begin, end) = (line("a", 2, ""), line("a", 3, ""));
    let (left, right) = begin.split_at(20);
    let mut step = 0;
    let log = Log::open(dir.path(), "agent").unwrap();
    let followed = log.follow(|| {
        step += 1;
        match step {
            1 => append(left),
            2 => append(right),
            3 => fs::write(&path, "").unwrap(),
            4 => append(&end),
            _ => return false,
        }
        true
    });
    assert_eq!(seqs(followed.unwrap().filter_map(Entry::into_record)), [2, 3]);
}
