//! Many threads at once.

use std::fs;

use super::place::{Place, line, lines};
use crate::files::Rotation;
use crate::sink::Sink as _;

const THREADS: u64 = 8;
const EACH: u64 = 500;

#[test]
fn eight_threads_tear_no_line_and_keep_to_the_cap() {
    let place = Place::new();
    place.disk.watch(place.dir.path());
    let log = place.open(Rotation::size_bytes(20_000).total_bytes(120_000));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                for i in 0..EACH {
                    let level =
                        if i % 50 == 0 { tracing::Level::ERROR } else { tracing::Level::INFO };
                    log.line(level, &line(thread * EACH + i));
                }
            });
        }
    });
    let (main, errors) = log.counts();
    assert_eq!((main.written, main.lost), (THREADS * EACH, 0));
    assert_eq!((errors.written, errors.lost), (THREADS * EACH / 50, 0));
    let (most, seen) = place.disk.most();
    assert!(most <= 120_000 && seen > THREADS * EACH, "{most} bytes, {seen} looks");
    let old = place.names().iter().filter(|name| name.starts_with("agent.log.")).count();
    assert!((4..=7).contains(&old), "{old}");
    for name in place.names() {
        assert!(fs::metadata(place.path(&name)).unwrap().len() <= 20_000, "{name}");
    }
    // Each parses, and those of each thread stand in their order.
    let (kept, _) = super::place::numbers(&lines(place.dir.path(), "agent.log"));
    for thread in 0..THREADS {
        let own: Vec<u64> = kept.iter().copied().filter(|seq| seq / EACH == thread).collect();
        assert!(own.is_sorted(), "{thread}");
    }
}
