//! Old files become smaller, or stay what they are.

use std::fs;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::place::{Fault, Length, Place, line, write};
use crate::files::{LogFiles, Rotation, compress};

/// Without the thread, so that the test says when.
fn rotation() -> Rotation {
    Rotation::size_bytes(900).keep(9)
}

fn compress(log: &LogFiles) {
    drop(compress::pass(&log.shared, log.shared.lock()));
}

fn ending(place: &Place, end: &str) -> usize {
    place.names().iter().filter(|name| name.ends_with(end)).count()
}

#[test]
fn old_files_are_compressed_by_a_thread() {
    let place = Place::new();
    let log = place.open(rotation().zstd());
    write(&log, 1..=60);
    // The two files being written are plain, all others are to be compressed. How many these are can't be
    // counted while the thread works: for a moment a file stands there twice.
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.names().len() - ending(&place, ".zst") > 2 {
        assert!(Instant::now() < deadline, "{:?}", place.names());
        std::thread::yield_now();
    }
    // Rotation goes on with them.
    write(&log, 61..=70);
    drop(log);
    assert_eq!(place.kept(), ((1..=70).collect(), 0));
}

#[test]
fn a_compressed_file_has_the_time_of_what_it_holds() {
    let place = Place::new();
    let log = place.open(rotation());
    write(&log, 1..=9);
    let modified = |name: &str| fs::metadata(place.path(name)).unwrap().modified().unwrap();
    let before = modified("agent.log.1");
    compress(&log);
    assert_eq!(modified("agent.log.1.zst"), before);
    assert!(!place.path("agent.log.1").exists());
}

#[test]
fn a_fault_at_any_call_leaves_every_line() {
    let planted = || {
        let place = Place::new();
        let log = place.open(rotation());
        write(&log, 1..=30);
        (place, log)
    };
    let (dry, log) = planted();
    let before = dry.disk.calls();
    compress(&log);
    let calls = dry.disk.calls() - before;
    let old = ending(&dry, ".zst");
    assert!(old >= 3);
    for at in 0..calls {
        for errno in [Errno::NOSPC, Errno::IO] {
            for length in Length::ALL {
                let (place, log) = planted();
                let fault = Fault { errno, at, length };
                place.disk.fail(fault);
                compress(&log);
                assert_eq!(place.kept(), ((1..=30).collect(), 0), "{fault:?}");
                place.disk.heal();
                // What was left in both forms is made good by a rotation.
                write(&log, 31..=39);
                compress(&log);
                assert_eq!(place.kept(), ((1..=39).collect(), 0), "{fault:?}");
                assert_eq!(ending(&place, ".partial"), 0, "{fault:?}");
                assert_eq!(place.names().len(), 2 + old + 1, "{fault:?}: {:?}", place.names());
                assert_eq!(ending(&place, ".zst"), old + 1, "{fault:?}: {:?}", place.names());
            }
        }
    }
}

#[test]
fn without_room_within_the_cap_a_file_stays_as_it_is() {
    let dry = Place::new();
    write(&dry.open(rotation()), 1..=24);
    let size = |name: String| fs::metadata(dry.path(&name)).unwrap().len();
    let total = dry.names().into_iter().map(size).sum::<u64>() + 10;

    let place = Place::new();
    place.disk.watch(place.dir.path());
    let log = place.open(rotation().total_bytes(total));
    write(&log, 1..=24);
    compress(&log);
    let (most, _) = place.disk.most();
    assert!(most <= total, "{most} of {total}");
    assert_eq!((ending(&place, ".zst"), ending(&place, ".partial")), (0, 0));
    assert_eq!(place.kept(), ((1..=24).collect(), 0));
}

#[test]
fn what_an_interrupted_process_left_is_made_good() {
    let place = Place::new();
    fs::write(place.path("agent.log.1"), line(3)).unwrap();
    fs::write(place.path("agent.log.1.zst"), "half of it").unwrap();
    fs::write(place.path("agent.log.2"), line(2)).unwrap();
    fs::write(place.path("agent.log.zst.partial"), "less").unwrap();
    let log = place.open(rotation());
    assert_eq!(ending(&place, "partial") + ending(&place, ".zst"), 0);
    compress(&log);
    assert_eq!(place.kept(), (vec![2, 3], 0));
    assert_eq!(ending(&place, ".zst"), 2);
}
