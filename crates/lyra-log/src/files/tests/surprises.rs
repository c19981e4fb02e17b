//! Others who rename, remove and put things in the way.

use std::fs;
use std::time::Duration;

use super::place::{Place, write};
use crate::files::Rotation;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_file_that_was_renamed_is_left_to_whoever_did_it() {
    let place = Place::new();
    let log = place.open(Rotation::default());
    write(&log, 1..=2);
    fs::rename(place.path("agent.log"), place.path("taken")).unwrap();
    write(&log, 3..=3);
    place.clock.advance(SECOND);
    write(&log, 4..=5);
    assert_eq!(place.kept(), (vec![4, 5], 0));
    assert_eq!(place.text("taken").lines().count(), 3, "what came before it was noticed");
    assert_eq!((log.counts().0.written, log.counts().0.lost), (5, 0));
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let place = Place::new();
    let log = place.open(Rotation::default());
    fs::remove_dir_all(place.dir.path()).unwrap();
    place.clock.advance(SECOND);
    write(&log, 1..=1);
    place.clock.advance(SECOND);
    write(&log, 2..=2);
    assert_eq!(place.kept(), (vec![1, 2], 0));
}

#[test]
fn the_cap_takes_the_oldest_by_number_whatever_the_clock_was() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(300).keep(50).total_bytes(3000));
    write(&log, 1..=12);
    let newest = fs::File::options().write(true).open(place.path("agent.log.1")).unwrap();
    newest.set_modified(std::time::SystemTime::UNIX_EPOCH + SECOND).unwrap();
    write(&log, 13..=200);
    let (kept, lost) = place.kept();
    assert!(kept.is_sorted_by(|a, b| a + 1 == *b) && lost == 0, "no gap: {kept:?}");
}

#[test]
fn a_file_that_was_removed_is_made_again_and_what_may_be_lost_is_told() {
    let place = Place::new();
    let log = place.open(Rotation::default());
    write(&log, 1..=2);
    place.clock.advance(SECOND);
    write(&log, 3..=3);
    fs::remove_file(place.path("agent.log")).unwrap();
    write(&log, 4..=5);
    place.clock.advance(SECOND);
    write(&log, 6..=6);
    assert_eq!(place.kept(), (vec![6], 3), "3 to 5 were written since the last look");
    assert_eq!((log.counts().0.written, log.counts().0.lost), (3, 3));
}

#[test]
fn a_removed_file_costs_no_look_at_each_line() {
    let place = Place::new();
    let log = place.open(Rotation::default());
    let before = place.disk.calls();
    write(&log, 1..=1000);
    assert_eq!(place.disk.calls() - before, 1000, "one write a line");
}

#[test]
fn old_files_that_were_removed_are_not_missed() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(500).total_bytes(2000));
    write(&log, 1..=12);
    for name in place.names() {
        if name.starts_with("agent.log.") {
            fs::remove_file(place.path(&name)).unwrap();
        }
    }
    write(&log, 13..=40);
    let (kept, lost) = place.kept();
    assert_eq!((kept.last(), lost), (Some(&40), 0));
    assert!(kept.len() > 10, "{kept:?}");
}
