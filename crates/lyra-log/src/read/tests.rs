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
    // What is told elsewhere accounts for none of them.
    assert_eq!((b.missing, b.told, b.untold(), b.duplicates, b.set_back), (4, 2, 4, 0, 1));
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

fn report(files: &[(&str, String)]) -> super::Report {
    Log::open(planted(files).path(), "agent").unwrap().verify().unwrap()
}

fn planted_bytes(bytes: &[u8]) -> super::Report {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("agent.log"), bytes).unwrap();
    Log::open(dir.path(), "agent").unwrap().verify().unwrap()
}

fn told(run: &str, lost: u64, more: &str) -> String {
    format!(
        "{{\"level\":\"WARN\",\"run\":\"{run}\",\"target\":\"lyra_log\",\"lost\":{lost}{more}}}\n"
    )
}

#[test]
fn a_run_may_end_torn_in_a_character_or_in_zeros() {
    let (one, two) = (line("a", 1, ""), line("b", 1, ""));
    let zeros = [0; 100];
    for torn in [
        &b"{\"msg\":\"\xc3"[..],
        &b"{\"msg\":\"\xf0\x9f\x98"[..],
        &zeros[..],
        &b"{\"msg\":\"x\0\0\0"[..],
        &b"{\"msg\":\"\xc3\0\0"[..],
    ] {
        for next in [String::new(), "\n".to_owned(), format!("\n{two}")] {
            let report = planted_bytes(&[one.as_bytes(), torn, next.as_bytes()].concat());
            assert!(report.is_whole(), "{torn:?} {next:?}: {report:?}");
            assert_eq!(report.broken[0].fault, Fault::Torn);
        }
    }
    let report = planted_bytes(&[one.as_bytes(), b"\xff\xfe\n", two.as_bytes()].concat());
    assert!(!report.is_whole());
}

#[test]
fn what_is_torn_within_a_run_is_damage() {
    let zeros = format!("{}\n", "\0".repeat(1 << 20));
    for torn in ["{\"msg\":\"\n", &zeros] {
        let report = report(&[("agent.log", lines("a", 1..=2) + torn + &lines("a", 3..=4))]);
        assert!(!report.is_whole());
        assert_eq!((report.broken_count, report.torn_ends), (1, 0));
    }
    // A start that was torn as well, and the one after it.
    let ends = lines("a", 1..=2) + "{\"ms\n{\"m\n";
    assert!(report(&[("agent.log.1", ends), ("agent.log", lines("b", 1..=2))]).is_whole());
}

#[test]
fn a_loss_counts_where_it_is_told() {
    let at = |text: String| report(&[("agent.log", text)]);
    let whole = lines("a", 1..=2) + &told("a", 2, "") + &lines("a", 5..=6);
    assert!(at(whole).is_whole());
    let twice = lines("a", 1..=2) + &told("a", 1, "") + &told("a", 1, "") + &lines("a", 5..=6);
    assert!(at(twice).is_whole());
    let elsewhere = lines("a", 1..=2) + &lines("a", 5..=6) + &told("a", 2, "") + &line("a", 7, "");
    assert_eq!(at(elsewhere).runs[0].untold(), 2);
    let hosts = lines("a", 1..=2) + &told("a", 2, ",\"seq\":5") + &lines("a", 6..=7);
    assert_eq!((at(hosts.clone()).runs[0].told, at(hosts).runs[0].untold()), (0, 2));
    let most = told("a", u64::MAX, "");
    let most = at(line("a", 1, "") + &most + &most + &line("a", 3, "") + &most + &line("a", 9, ""));
    assert!(most.is_whole());
    assert_eq!(most.runs[0].told, u64::MAX);
}

#[test]
fn what_comes_late_is_counted_and_is_no_gap() {
    let late = report(&[("agent.log", lines("a", [1, 3, 4, 2, 5]))]);
    assert!(late.is_whole());
    assert_eq!(late.runs[0].out_of_order, 1);
    // Neighbours of the first were rotated away with an older file.
    let edge = report(&[("agent.log", lines("a", [39, 45, 46, 41, 47, 48, 49, 50]))]);
    assert!(edge.is_whole(), "{edge:?}");
    let behind = report(&[("agent.log", lines("a", [39, 41, 42, 43, 47]))]);
    assert_eq!(behind.runs[0].gaps, [44..=46]);
    let begun = report(&[("agent.log", lines("a", [1, 3, 4, 5, 6]))]);
    assert_eq!(begun.runs[0].gaps, [2..=2]);
}

#[test]
fn a_log_is_found_by_its_old_files_and_a_directory_is_none() {
    let dir = planted(&[("agent.log.1", lines("a", [1])), ("b_errors.log.1", String::new())]);
    fs::create_dir(dir.path().join("x.log")).unwrap();
    fs::write(dir.path().join("c.log.2.zst"), "").unwrap();
    let logs = Log::all_in(dir.path()).unwrap();
    assert_eq!(logs.iter().map(Log::name).collect::<Vec<_>>(), ["agent", "c"]);
}

#[test]
fn a_log_of_which_no_file_can_be_opened_is_an_error() {
    let dir = planted(&[("elsewhere", lines("a", [1]))]);
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("agent.log")).unwrap();
    let log = Log::open(dir.path(), "agent").unwrap();
    assert_eq!(log.records().unwrap_err().code().id(), "log.io");
    assert_eq!(log.tail(1).unwrap_err().code().id(), "log.io");
    assert!(!log.verify().unwrap().is_whole());
    // Where another can be, the one that can't is told.
    fs::write(dir.path().join("agent.log.1"), lines("a", [1])).unwrap();
    let mut broken = Vec::new();
    let found = log.query_telling(Query::new().last(9), |it| broken.push(it)).unwrap();
    assert_eq!((seqs(found), broken.len()), (vec![1], 1));
    assert!(matches!(&broken[0].fault, Fault::Damaged(why) if why.contains("link")));
}

#[cfg(feature = "zstd")]
#[test]
fn following_finds_what_was_compressed_meanwhile() {
    let dir = planted(&[("agent.log", lines("a", 1..=2))]);
    let path = |name: &str| dir.path().join(name);
    let pack = |name: &str| {
        let plain = fs::File::open(path(name)).unwrap();
        let time = plain.metadata().unwrap().modified().unwrap();
        let packed = zstd::encode_all(plain, 3).unwrap();
        fs::write(path(&format!("{name}.zst")), packed).unwrap();
        let packed = fs::File::options().append(true).open(path(&format!("{name}.zst")));
        packed.unwrap().set_modified(time).unwrap();
        fs::remove_file(path(name)).unwrap();
    };
    let log = Log::open(dir.path(), "agent").unwrap();
    let mut step = 0;
    let followed = log.follow(|| {
        step += 1;
        if step == 1 {
            let mut file = fs::File::options().append(true).open(path("agent.log")).unwrap();
            file.write_all(lines("a", 3..=4).as_bytes()).unwrap();
            fs::rename(path("agent.log"), path("agent.log.2")).unwrap();
            fs::write(path("agent.log.1"), lines("a", 5..=6)).unwrap();
            fs::write(path("agent.log"), lines("a", 7..=8)).unwrap();
            pack("agent.log.2");
            pack("agent.log.1");
        }
        step < 3
    });
    let found: Vec<Entry> = followed.unwrap().collect();
    assert_eq!(found.len(), 6, "{found:?}");
    assert_eq!(seqs(found.into_iter().filter_map(Entry::into_record)), [3, 4, 5, 6, 7, 8]);
}

#[test]
fn following_tells_what_was_removed_before_it_was_read() {
    let dir = planted(&[("agent.log", lines("a", 1..=2))]);
    let path = |name: &str| dir.path().join(name);
    let log = Log::open(dir.path(), "agent").unwrap();
    let mut step = 0;
    let followed = log.follow(|| {
        step += 1;
        if step == 1 {
            let mut file = fs::File::options().append(true).open(path("agent.log")).unwrap();
            file.write_all(lines("a", 3..=3).as_bytes()).unwrap();
            fs::remove_file(path("agent.log")).unwrap();
            fs::write(path("agent.log.1"), lines("a", 7..=8)).unwrap();
            fs::write(path("agent.log"), lines("a", 9..=9)).unwrap();
        }
        step < 3
    });
    let told: Vec<String> = followed
        .unwrap()
        .map(|entry| match entry {
            Entry::Record(record) => record.seq().unwrap().to_string(),
            Entry::Broken(broken) => format!("{:?}", broken.fault),
        })
        .collect();
    assert_eq!(told, ["3", "Missed(Some(3))", "7", "8", "9"]);
}
