//! What this crate counts, as one table, and the places that count it. The
//! whole module is compiled with the feature `metrics` alone.

use std::cell::Cell;

use ::metrics::{Key, Label, Level, Metadata, with_recorder};
use lyra_errors::{LabelSet, Metric};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Every metric that this crate records, and no other.
///
/// The label `target` is the target of an error: of the first 256 of a
/// process, and `other` for what came later.
pub const METRICS: &[Metric] = &[LINES, ERRORS, BYTES, LOST];

const LINES: Metric = Metric::counter("lyra_log_lines_total", "events that were told, by level")
    .with_labels(&[("level", &LEVELS)]);

const ERRORS: Metric = Metric::counter("lyra_log_errors_total", "events of level ERROR, by target")
    .with_labels(&[("target", &[])]);

const BYTES: Metric =
    Metric::counter("lyra_log_bytes_total", "bytes that were given to a file").with_labels(&[FILE]);

const LOST: Metric =
    Metric::counter("lyra_log_lost_total", "lines that a file could not keep").with_labels(&[FILE]);

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

const FILE: (&str, &[&str]) = ("file", &["all", "errors"]);

/// Only so many targets get series of their own.
static TARGETS: LabelSet = LabelSet::new(256);

static METADATA: Metadata<'static> = Metadata::new("lyra_log", Level::INFO, Some(module_path!()));

/// Counts events, once however many layers write them.
#[derive(Debug)]
pub(crate) struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = *metadata.level();
        add(&LINES, ("level", level_name(level)), 1);
        if level == tracing::Level::ERROR {
            add(&ERRORS, ("target", TARGETS.label(metadata.target())), 1);
        }
    }
}

/// What a call gave to the file of all lines, or of errors.
pub(crate) fn given(is_of_errors: bool, bytes: usize, lost: u64) {
    let file = ("file", if is_of_errors { "errors" } else { "all" });
    add(&BYTES, file, bytes as u64);
    if lost > 0 {
        add(&LOST, file, lost);
    }
}

fn level_name(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

/// A recorder that logs would be counted by itself, for ever.
fn add(metric: &Metric, (name, value): (&'static str, &'static str), count: u64) {
    thread_local! {
        static COUNTS: Cell<bool> = const { Cell::new(false) };
    }
    if COUNTS.try_with(|counts| counts.replace(true)).unwrap_or(true) {
        return;
    }
    let key = Key::from_parts(metric.name(), vec![Label::from_static_parts(name, value)]);
    with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(count);
    let _ = COUNTS.try_with(|counts| counts.set(false));
}
