//! Every line is written or counted, however slow the disk is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyra_errors::Classify as _;
use tracing::Level;

use super::{Background, LEVELS, Queue, level, tag};
use crate::files::FileError;
use crate::sink::Sink;

const LONG: Duration = Duration::from_secs(60);

/// Keeps lines, and each only when the test lets it, until the gate is open.
#[derive(Debug)]
struct Gated {
    gate: Mutex<Receiver<()>>,
    is_open: AtomicBool,
    lines: Mutex<Vec<(Level, Vec<u8>)>>,
}

impl Gated {
    fn new() -> (Arc<Self>, SyncSender<()>) {
        let (let_through, gate) = sync_channel(1000);
        let (is_open, lines) = (AtomicBool::new(false), Mutex::default());
        (Arc::new(Self { gate: Mutex::new(gate), is_open, lines }), let_through)
    }

    fn texts(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|(_, line)| String::from_utf8(line.clone()).unwrap()).collect()
    }
}

impl Sink for Gated {
    fn line(&self, level: Level, line: &[u8]) {
        if !self.is_open.load(Ordering::SeqCst) {
            // An error means that the test is over.
            let _ = self.gate.lock().unwrap().recv();
        }
        self.lines.lock().unwrap().push((level, line.to_vec()));
    }
}

fn write(background: &Background, numbers: std::ops::Range<u64>) {
    for number in numbers {
        background.line(Level::INFO, format!("{number}\n").as_bytes());
    }
}

fn unwritten(result: Result<(), FileError>) -> u64 {
    let error = result.unwrap_err();
    assert_eq!(error.code().id(), "log.unwritten");
    let FileError::Unwritten { lines, .. } = error else { panic!("{error}") };
    lines
}

#[test]
fn levels_find_their_way() {
    for kept in LEVELS {
        assert_eq!(level(tag(kept)), kept);
    }
    let (sink, _gate) = Gated::new();
    sink.is_open.store(true, Ordering::SeqCst);
    let background = Background::new(sink.clone(), Queue::default());
    background.line(Level::ERROR, b"{}\n");
    background.close().unwrap();
    assert_eq!(*sink.lines.lock().unwrap(), [(Level::ERROR, b"{}\n".to_vec())]);
}

#[test]
fn what_finds_no_place_in_time_is_counted() {
    let (sink, gate) = Gated::new();
    let queue = Queue::default().lines(10).patience(Duration::ZERO);
    let background = Background::new(sink.clone(), queue);
    write(&background, 0..25);
    let counts = background.counts();
    assert_eq!((counts.accepted, counts.written, counts.dropped), (10, 0, 15));
    assert_eq!(unwritten(background.flush(Duration::from_millis(1))), 10);
    for _ in 0..10 {
        gate.send(()).unwrap();
    }
    background.flush(LONG).unwrap();
    write(&background, 25..26);
    gate.send(()).unwrap();
    background.close().unwrap();
    let expected: Vec<String> = (0..10).chain([25]).map(|n| format!("{n}\n")).collect();
    assert_eq!(sink.texts(), expected);
}

#[test]
fn a_line_waits_for_a_place() {
    let (sink, gate) = Gated::new();
    let background = Background::new(sink.clone(), Queue::default().lines(1).patience(LONG));
    write(&background, 0..1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| write(&background, 1..2));
        assert_eq!(background.counts().accepted, 1);
        gate.send(()).unwrap();
        gate.send(()).unwrap();
        waiting.join().unwrap();
    });
    background.close().unwrap();
    assert_eq!(sink.texts(), ["0\n", "1\n"]);
}

#[test]
fn the_end_tells_what_is_left() {
    let (sink, gate) = Gated::new();
    let queue = Queue::default().drain(Duration::from_millis(5));
    let background = Background::new(sink.clone(), queue);
    write(&background, 0..7);
    gate.send(()).unwrap();
    while background.counts().written == 0 {
        std::thread::yield_now();
    }
    assert_eq!(unwritten(background.close()), 6);
    assert_eq!(sink.texts(), ["0\n"]);
}

#[test]
fn many_threads_lose_nothing_uncounted() {
    let (sink, _gate) = Gated::new();
    sink.is_open.store(true, Ordering::SeqCst);
    let queue = Queue::default().lines(4).patience(Duration::ZERO);
    let background = Background::new(sink.clone(), queue);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let background = &background;
            scope.spawn(move || write(background, thread * 1000..thread * 1000 + 1000));
        }
    });
    background.flush(LONG).unwrap();
    let counts = background.counts();
    assert_eq!(counts.accepted + counts.dropped, 8000);
    assert_eq!(counts.written, counts.accepted);
    assert_eq!(sink.texts().len() as u64, counts.written);
}
