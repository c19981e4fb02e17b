//! An event costs no allocation; and, with `--release --nocapture`, about how
//! long it takes.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

#[path = "../../lyra-retry/tests/support/counting.rs"]
mod counting;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lyra_log::{Colours, HumanLayer, JsonLayer, Run, Settings, Sink};
use tracing::{Level, info, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

#[derive(Debug, Default)]
struct CountingSink(AtomicU64);

impl Sink for CountingSink {
    fn line(&self, _: Level, line: &[u8]) {
        self.0.fetch_add(line.len() as u64, Ordering::Relaxed);
    }
}

fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    let count = counting::allocations(|| (0..100).for_each(|_| work()));
    assert_eq!(count % 100, 0, "each time the same");
    count / 100
}

/// The fastest of many short slices, in nanoseconds a turn.
fn time(mut work: impl FnMut()) -> u128 {
    let slice = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..500).for_each(|_| work());
        start.elapsed().as_nanos() / 500
    };
    (0..300).map(|_| slice(&mut work)).min().unwrap_or_default()
}

fn event() {
    info!(
        count = black_box(3),
        ratio = black_box(0.5),
        key = black_box("value"),
        "stored {} of {}",
        3,
        5
    );
}

fn in_two_spans(work: impl FnOnce()) {
    let _outer = info_span!("request", user_id = "123", method = "GET").entered();
    let _inner = info_span!("store", collection = "episodic", size = 42).entered();
    work();
}

#[test]
fn an_event_in_two_spans_allocates_nothing() {
    let sink = Arc::new(CountingSink::default());
    let json = JsonLayer::new(sink.clone(), Arc::new(Run::new()), Settings::new());
    tracing::subscriber::with_default(registry().with(json), || {
        in_two_spans(|| {
            assert_eq!(allocations(event), 0);
            let before = sink.0.load(Ordering::Relaxed);
            event();
            println!("bytes a line: {}", sink.0.load(Ordering::Relaxed) - before);
            println!("json, event in two spans: {} ns", time(event));
        });
        println!("json, event alone: {} ns", time(event));
        println!("two spans and an event: {} ns", time(|| in_two_spans(event)));
        println!("two spans and an event: {} allocations", allocations(|| in_two_spans(event)));
    });
    let human = HumanLayer::new(sink, Colours::On, Settings::new());
    tracing::subscriber::with_default(registry().with(human), || {
        in_two_spans(|| {
            assert_eq!(allocations(event), 0);
            println!("human, event in two spans: {} ns", time(event));
        });
    });
    tracing::subscriber::with_default(registry(), || {
        in_two_spans(|| println!("no layer, event: {} ns", time(event)));
        println!("no layer, two spans and an event: {} ns", time(|| in_two_spans(event)));
    });
}
