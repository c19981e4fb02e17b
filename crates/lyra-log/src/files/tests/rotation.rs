//! Sizes and numbers of old files.

use std::fs;

use super::place::{Place, line, write};
use crate::files::Rotation;
use crate::sink::Sink as _;

fn size(place: &Place, name: &str) -> u64 {
    fs::metadata(place.path(name)).unwrap().len()
}

#[test]
fn seven_old_files_are_kept_and_none_is_larger_than_the_limit() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(1000));
    write(&log, 1..=200);
    drop(log);
    let mut expected: Vec<String> = (1..=7).map(|n| format!("agent.log.{n}")).collect();
    expected.insert(0, "agent.log".to_owned());
    expected.push("agent_errors.log".to_owned());
    assert_eq!(place.names(), expected);
    for name in &expected[..8] {
        assert!(size(&place, name) <= 1000, "{name}");
    }
    for name in &expected[1..8] {
        // Rotated before the line that would not fit, and not sooner.
        assert!(size(&place, name) + line(0).len() as u64 + 7 > 1000, "{name}");
    }
    let (kept, lost) = place.kept();
    assert_eq!((kept.last(), lost), (Some(&200), 0));
    let first = kept[0];
    assert_eq!(kept, (first..=200).collect::<Vec<_>>());
}

#[test]
fn what_fills_a_file_exactly_stays_in_it() {
    let place = Place::new();
    let two = (line(0).len() * 2) as u64;
    let log = place.open(Rotation::size_bytes(two));
    write(&log, [0, 0]);
    assert!(!place.path("agent.log.1").exists());
    assert_eq!(size(&place, "agent.log"), two);
    write(&log, [0]);
    assert_eq!(size(&place, "agent.log.1"), two);
}

#[test]
fn the_errors_have_a_file_of_their_own_that_is_rotated_too() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(1000).keep(2));
    for seq in 1..=40 {
        let level = if seq % 2 == 0 { tracing::Level::ERROR } else { tracing::Level::WARN };
        log.line(level, &line(seq));
    }
    let (errors, _) =
        super::place::numbers(&super::place::lines(place.dir.path(), "agent_errors.log"));
    assert!(errors.iter().all(|seq| seq % 2 == 0), "{errors:?}");
    assert_eq!(errors.last(), Some(&40));
    assert!(place.path("agent_errors.log.1").exists());
    assert!(
        place.path("agent_errors.log.2").exists() && !place.path("agent_errors.log.3").exists()
    );
}

#[test]
fn a_record_larger_than_a_file_has_one_of_its_own() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(500));
    write(&log, 1..=2);
    let large = String::from_utf8(line(3))
        .unwrap()
        .replace("\"msg\"", &format!("\"large\":\"{}\",\"msg\"", "y".repeat(2000)));
    log.line(tracing::Level::INFO, large.as_bytes());
    write(&log, 4..=4);
    assert_eq!(place.text("agent.log.1"), large);
    assert_eq!(place.kept(), (vec![1, 2, 3, 4], 0));
}

#[test]
fn a_gap_is_filled_and_nothing_is_replaced() {
    let place = Place::new();
    for number in [1, 2, 4, 5] {
        fs::write(place.path(&format!("agent.log.{number}")), format!("old {number}\n")).unwrap();
    }
    let log = place.open(Rotation::size_bytes(300).keep(5));
    write(&log, 1..=3);
    for (number, was) in [(2, 1), (3, 2), (4, 4), (5, 5)] {
        assert_eq!(place.text(&format!("agent.log.{number}")), format!("old {was}\n"));
    }
    write(&log, 4..=5);
    assert_eq!(place.text("agent.log.5"), "old 4\n", "the oldest went");
}

#[test]
fn without_old_files_a_full_one_is_thrown_away() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(300).keep(0));
    write(&log, 1..=7);
    assert_eq!(place.names(), ["agent.log", "agent_errors.log"]);
    assert_eq!(place.kept(), (vec![7], 0));
}

#[test]
fn the_oldest_go_when_the_directory_is_full_whichever_file_they_are_of() {
    let place = Place::new();
    place.disk.watch(place.dir.path());
    let log = place.open(Rotation::size_bytes(1000).keep(7).total_bytes(5000));
    for seq in 1..=12 {
        log.line(tracing::Level::ERROR, &line(seq));
    }
    assert!(place.path("agent_errors.log.1").exists());
    write(&log, 13..=300);
    let (most, seen) = place.disk.most();
    assert!(most <= 5000, "{most} bytes");
    assert!(most > 4500 && seen > 300, "it was looked at: {seen} times, {most} bytes at most");
    assert!(!place.path("agent_errors.log.1").exists(), "it was older than those of the log");
    let (kept, lost) = place.kept();
    assert_eq!((kept.last(), lost), (Some(&300), 0));
    assert!(kept.len() > 25, "{}", kept.len());
}

#[test]
fn fewer_to_keep_takes_effect_at_the_next_opening() {
    let place = Place::new();
    for number in 1..=7 {
        fs::write(place.path(&format!("agent.log.{number}")), "{}\n").unwrap();
    }
    fs::write(place.path("agent.log.notes"), "mine").unwrap();
    place.open(Rotation::default().keep(3));
    assert_eq!(
        place.names(),
        [
            "agent.log",
            "agent.log.1",
            "agent.log.2",
            "agent.log.3",
            "agent.log.notes",
            "agent_errors.log"
        ]
    );
}
