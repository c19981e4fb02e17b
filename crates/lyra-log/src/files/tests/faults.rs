//! A disk that is full or fails at any call: no panic, no old file lost, and
//! every line is in the files or among those that are told as lost.

use std::time::Duration;

use lyra_errors::Classify as _;
use rustix::io::Errno;

use super::place::{Fault, Length, Place, line, numbers, write};
use crate::files::{LogFiles, Rotation};

const LINES: u64 = 60;

/// About eight lines a file.
fn rotation() -> Rotation {
    Rotation::size_bytes(900).keep(12).total_bytes(12_000)
}

/// Writes and notes which lines were taken.
fn write_noting(log: &LogFiles, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut taken = Vec::new();
    for number in numbers {
        let before = log.counts().0.lost;
        write(log, [number]);
        match log.counts().0.lost - before {
            0 => taken.push(number),
            lost => assert_eq!(lost, 1, "line {number}"),
        }
    }
    taken
}

/// One fault, and what has to be true after it. Says at which point it came.
fn survives(fault: Fault) -> &'static str {
    let place = Place::new();
    place.disk.fail(fault);
    let log = match LogFiles::open(&place.settings(rotation())) {
        Ok(log) => log,
        Err(error) => {
            assert!(["log.dir", "log.io"].contains(&error.code().id()), "{error}");
            place.disk.heal();
            place.open(rotation());
            return "opening";
        }
    };
    let mut taken = write_noting(&log, 1..=LINES / 2);
    // A second passes, and whatever lasts still does.
    place.clock.advance(Duration::from_secs(1));
    taken.extend(write_noting(&log, LINES / 2 + 1..=LINES));
    let refused = place.disk.refused();
    place.disk.heal();
    let told = format!("{fault:?} met {refused:?}");
    let lost = log.counts().0.lost;
    assert_eq!(lost, LINES - taken.len() as u64, "{told}");
    if fault.length == Length::Once {
        assert!(lost <= LINES / 2, "{told}: it is over with the next try");
    }
    place.clock.advance(Duration::from_secs(1));
    taken.extend(write_noting(&log, LINES + 1..=LINES + 20));
    assert_eq!(log.counts().0.lost, lost, "{told}: it has not resumed within a second");
    assert_eq!(log.counts().0.written, taken.len() as u64, "{told}");
    drop(log);
    let mut lines = place.lines();
    let all = lines.len();
    lines.retain(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    let torn = all - lines.len();
    // Only where cutting it off fails as well.
    assert!(torn <= usize::from(fault.length == Length::HalfFirst), "{told}: {torn} are torn");
    let (kept, told_lost) = numbers(&lines);
    assert_eq!(kept, taken, "{told}");
    assert_eq!(told_lost, lost, "{told}");
    if lost > 0 { "writing" } else { "elsewhere" }
}

#[test]
fn a_fault_at_any_call_loses_no_line_untold() {
    let dry = Place::new();
    let log = dry.open(rotation());
    write(&log, 1..=LINES);
    let calls = dry.disk.calls();
    assert!(dry.names().len() > 7, "there were rotations: {:?}", dry.names());
    assert_eq!(log.counts().0.lost, 0);
    let mut seen = [0, 0, 0];
    for at in 0..calls {
        for errno in [Errno::NOSPC, Errno::IO] {
            for length in Length::ALL {
                match survives(Fault { errno, at, length }) {
                    "opening" => seen[0] += 1,
                    "writing" => seen[1] += 1,
                    _ => seen[2] += 1,
                }
            }
        }
    }
    // All three kinds were met, or this would prove little.
    assert!(seen.iter().all(|&n| n > 20), "opening, writing, elsewhere: {seen:?}");
}

#[test]
fn a_full_disk_is_tried_ten_times_a_second_and_no_more() {
    let place = Place::new();
    let log = place.open(rotation());
    write(&log, 1..=3);
    place.disk.fail_all(Errno::NOSPC);
    write(&log, 4..=4);
    let calls = place.disk.calls();
    write(&log, 5..=1000);
    assert_eq!(place.disk.calls(), calls, "no call until it is time");
    place.clock.advance(Duration::from_millis(100));
    write(&log, 1001..=1001);
    assert!(place.disk.calls() > calls);
    place.disk.heal();
    place.clock.advance(Duration::from_millis(100));
    write(&log, 1002..=1002);
    let text = place.text("agent.log");
    let told: serde_json::Value = serde_json::from_str(text.lines().nth(3).unwrap()).unwrap();
    assert_eq!(told["msg"], "998 lines were lost");
    assert_eq!((&told["lost"], &told["level"]), (&998.into(), &"WARN".into()));
    assert!(told["reason"].as_str().unwrap().contains("No space left"), "{told}");
    assert_eq!(told["since"], "1970-01-01T00:00:00.000000000Z");
    assert_eq!(place.kept(), (vec![1, 2, 3, 1002], 998));
}

#[test]
fn what_was_lost_last_is_told_at_the_end() {
    let place = Place::new();
    let log = place.open(rotation());
    place.disk.fail_all(Errno::IO);
    write(&log, 1..=5);
    place.disk.heal();
    drop(log);
    assert_eq!(place.kept(), (vec![], 5));
}

#[test]
fn each_file_counts_its_own_losses() {
    use crate::sink::Sink as _;
    let place = Place::new();
    let log = place.open(rotation());
    // The second call is the write to the file of errors.
    place.disk.fail(Fault { errno: Errno::NOSPC, at: 1, length: Length::Once });
    #[cfg(feature = "metrics")]
    {
        let recorded = super::recorder::Recorded::default();
        metrics::with_local_recorder(&recorded, || log.line(tracing::Level::ERROR, &line(1)));
        assert_eq!(recorded.value("lyra_log_lost_total file=errors"), 1.0);
        assert!(recorded.values("lyra_log_lost_total file=all").is_empty());
    }
    #[cfg(not(feature = "metrics"))]
    log.line(tracing::Level::ERROR, &line(1));
    let (main, errors) = log.counts();
    assert_eq!((main.written, main.lost, errors.written, errors.lost), (1, 0, 0, 1));
    drop(log);
    assert_eq!(place.kept(), (vec![1], 0));
    assert_eq!(numbers(&super::place::lines(place.dir.path(), "agent_errors.log")), (vec![], 1));
}

#[test]
fn a_torn_line_that_was_there_is_no_line_that_is_kept() {
    let place = Place::new();
    std::fs::write(place.path("agent.log"), "{\"torn").unwrap();
    let log = place.open(rotation());
    // What is written first is the end of the torn line and half of the next.
    place.disk.fail(Fault { errno: Errno::NOSPC, at: 0, length: Length::HalfOnce });
    write(&log, 1..=1);
    assert_eq!((log.counts().0.written, log.counts().0.lost), (0, 1));
    assert_eq!(place.text("agent.log"), "{\"torn\n");
}

#[test]
fn without_a_new_file_the_old_one_is_written_on() {
    let place = Place::new();
    let log = place.open(rotation());
    place.disk.break_call("open_append");
    write(&log, 1..=40);
    assert_eq!(log.counts().0.lost, 0);
    assert!(!place.path("agent.log.1").exists());
    place.disk.heal();
    place.clock.advance(Duration::from_secs(1));
    write(&log, 41..=41);
    assert!(place.path("agent.log.1").exists());
    assert_eq!(place.kept(), ((1..=41).collect(), 0));
}

#[test]
fn a_log_that_can_not_be_rotated_says_so_once_and_goes_on() {
    let place = Place::new();
    let log = place.open(rotation());
    // A directory stands where the old file should go; nothing replaces it.
    for number in 1..=12 {
        std::fs::create_dir(place.path(&format!("agent.log.{number}"))).unwrap();
    }
    write(&log, 1..=40);
    assert_eq!(log.counts().0.lost, 0);
    let text = place.text("agent.log");
    assert_eq!(text.matches("can't be rotated").count(), 1, "{text}");
    assert!(text.len() > 2000);
    for number in 1..=12 {
        std::fs::remove_dir(place.path(&format!("agent.log.{number}"))).unwrap();
    }
    write(&log, 41..=41);
    assert!(!place.path("agent.log.1").exists(), "not before a second has passed");
    place.clock.advance(Duration::from_secs(1));
    write(&log, 42..=42);
    assert!(place.path("agent.log.1").exists());
    assert_eq!(place.kept(), ((1..=42).collect(), 0));
}
