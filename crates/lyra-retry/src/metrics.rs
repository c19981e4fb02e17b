//! What this crate counts, as one table, and the places that count it. The
//! whole module is compiled with the feature `metrics` alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::metrics::{Counter, Key, Label, Level, Metadata, with_recorder};
use lyra_errors::Metric;

use crate::{AttemptOutcome, CircuitState, StopReason};

/// Every metric that this crate records, and no other.
pub const METRICS: &[Metric] =
    &[ATTEMPTS, RETRIES, FAILED_CALLS, WAIT, BREAKER_TRANSITIONS, BREAKERS];

const ATTEMPTS: Metric = Metric::counter(
    "lyra_retry_attempts_total",
    "attempts that ended, by how; one that was cancelled from outside is none",
)
.with_labels(&[("outcome", &["succeeded", "failed", "timed_out"])]);

const RETRIES: Metric =
    Metric::counter("lyra_retry_retries_total", "attempts that began after another had failed");

const FAILED_CALLS: Metric =
    Metric::counter("lyra_retry_failed_calls_total", "calls that gave up, by why").with_labels(&[
        (
            "reason",
            &[
                "not_retryable",
                "already_exhausted",
                "retries_used_up",
                "schedule_ended",
                "timeout",
                "deadline",
                "deadline_too_near",
                "retry_after_too_long",
                "budget_empty",
                "circuit_open",
            ],
        ),
    ]);

const WAIT: Metric =
    Metric::histogram("lyra_retry_wait_seconds", "waits before a retry, as they were decided");

const BREAKER_TRANSITIONS: Metric = Metric::counter(
    "lyra_retry_breaker_transitions_total",
    "changes of the state of circuit breakers, by the new one",
)
.with_labels(&[("state", &STATES)]);

const BREAKERS: Metric =
    Metric::gauge("lyra_retry_breakers", "circuit breakers by the state they were last seen in")
        .with_labels(&[("state", &STATES)]);

const STATES: [&str; 4] = ["closed", "open", "half_open", "isolated"];

static METADATA: Metadata<'static> = Metadata::new("lyra_retry", Level::INFO, Some(module_path!()));

/// The key of every successful attempt, ready-made: a success allocates
/// nothing. All others come after a failure, which allocates anyway.
static SUCCEEDED: Key = Key::from_static_parts(ATTEMPTS.name(), &SUCCEEDED_LABELS);
static SUCCEEDED_LABELS: [Label; 1] = [Label::from_static_parts("outcome", "succeeded")];

/// An attempt has succeeded.
pub(crate) fn succeeded() {
    counter(&SUCCEEDED).increment(1);
}

/// An attempt has failed.
pub(crate) fn failed(outcome: AttemptOutcome) {
    counter(&key(&ATTEMPTS, outcome.as_str())).increment(1);
}

/// A wait for a retry begins.
pub(crate) fn waits(delay: Duration) {
    let key = Key::from_static_name(WAIT.name());
    with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(delay);
}

/// A retry begins.
pub(crate) fn retried() {
    counter(&Key::from_static_name(RETRIES.name())).increment(1);
}

/// A call gives up.
pub(crate) fn gave_up(reason: StopReason) {
    counter(&key(&FAILED_CALLS, reason.as_str())).increment(1);
}

/// How many circuit breakers of this process are in each state.
///
/// Kept here, because a gauge that was merely told of changes would stay wrong
/// for ever where the recorder came after a breaker.
static BREAKERS_NOW: Mutex<Census> = Mutex::new(Census { changes: 0, counts: [0; STATES.len()] });

#[derive(Clone, Copy)]
struct Census {
    changes: u64,
    /// In the order of `STATES`.
    counts: [u32; STATES.len()],
}

/// A circuit breaker comes into being (`from` nothing), changes its state, or
/// goes (`to` nothing). Not to be called under its lock: a recorder is code of
/// somebody else's.
pub(crate) fn breaker_moved(from: Option<CircuitState>, to: Option<CircuitState>) {
    if from == to {
        return;
    }
    if let (Some(_), Some(to)) = (from, to) {
        counter(&key(&BREAKER_TRANSITIONS, STATES[position(to)])).increment(1);
    }
    let mut told = census(|now| {
        now.changes = now.changes.wrapping_add(1);
        if let Some(from) = from.map(position) {
            now.counts[from] = now.counts[from].saturating_sub(1);
        }
        if let Some(to) = to.map(position) {
            now.counts[to] = now.counts[to].saturating_add(1);
        }
    });
    loop {
        for (state, count) in STATES.into_iter().zip(told.counts) {
            let key = key(&BREAKERS, state);
            with_recorder(|recorder| recorder.register_gauge(&key, &METADATA)).set(count);
        }
        // Another thread may have told newer numbers meanwhile, which these
        // have overwritten.
        let latest = census(|_| {});
        if latest.changes == told.changes {
            break;
        }
        told = latest;
    }
}

fn census(change: impl FnOnce(&mut Census)) -> Census {
    // Nothing panics while it is held.
    let mut now = BREAKERS_NOW.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut now);
    *now
}

fn position(state: CircuitState) -> usize {
    match state {
        CircuitState::Closed => 0,
        CircuitState::Open => 1,
        CircuitState::HalfOpen => 2,
        CircuitState::Isolated => 3,
    }
}

/// For a metric with one label.
fn key(metric: &Metric, value: &'static str) -> Key {
    let labels = metric.labels().iter().map(|(label, _)| Label::new(*label, value));
    Key::from_parts(metric.name(), labels.collect::<Vec<_>>())
}

fn counter(key: &Key) -> Counter {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}
