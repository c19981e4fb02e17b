//! What is counted, where a recorder is installed.
#![cfg(all(feature = "metrics", feature = "tokio"))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/recorder.rs"]
mod recorder;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use lyra_errors::{Error, Metric, Recovery};
use lyra_retry::{
    CircuitBreaker, CircuitState, Jitter, METRICS, ManualClock, OnTimeout, RetryBudget,
    RetryPolicy, RetryPolicyBuilder, StopReason,
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use recorder::Recorded;

const SECOND: Duration = Duration::from_secs(1);

fn builder(clock: &ManualClock) -> RetryPolicyBuilder {
    RetryPolicy::exponential().with_jitter(Jitter::None).with_manual_time(clock)
}

fn transient() -> Error {
    Error::router("no route yet").with_recovery(Recovery::RETRY)
}

fn fail(builder: RetryPolicyBuilder, error: fn() -> Error) -> StopReason {
    builder.build().unwrap().run_blocking(|| Err::<(), _>(error())).unwrap_err().reason()
}

fn time_out(builder: RetryPolicyBuilder) -> StopReason {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let policy = builder.with_attempt_timeout(SECOND).build().unwrap();
    runtime.block_on(policy.run(pending::<Result<(), Error>>)).unwrap_err().reason()
}

/// Gives up for every reason that there is.
fn give_up_for_all_reasons(clock: &ManualClock) {
    fail(builder(clock), || Error::validation("query", "it is empty"));
    fail(builder(clock), || Error::router("given up").with_recovery(Recovery::Exhausted));
    fail(builder(clock), transient);
    fail(builder(clock).with_delays(|| [SECOND]), transient);
    time_out(RetryPolicy::exponential().with_on_timeout(OnTimeout::Stop));
    time_out(RetryPolicy::exponential().with_deadline(SECOND));
    fail(builder(clock).with_deadline(SECOND), transient);
    fail(builder(clock), || Error::rate_limit("oracle", Some(Duration::MAX), "slow down"));
    fail(builder(clock).with_budget(RetryBudget::new()), transient);
}

/// Takes a breaker through all its states; its last one is closed.
fn take_through_all_states(clock: &ManualClock) -> CircuitBreaker {
    let breaker = CircuitBreaker::consecutive(1).with_clock(clock.clone()).build().unwrap();
    fail(builder(clock).with_breaker(breaker.clone()), transient);
    clock.advance(SECOND * 30);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    breaker.isolate();
    breaker.close();
    breaker
}

/// One test, because the breakers of all tests of a process are counted
/// together.
#[test]
fn every_metric_of_the_table_is_recorded_with_every_label_and_no_other_is() {
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || {
        let clock = ManualClock::new();
        assert!(builder(&clock).build().unwrap().run_blocking(|| Ok::<_, Error>(())).is_ok());
        give_up_for_all_reasons(&clock);
        let _breaker = take_through_all_states(&clock);
    });
    let mut table = BTreeSet::new();
    for metric in METRICS {
        let series = |labels: &str| format!("{} {}{labels}", metric.kind(), metric.name());
        match metric.labels() {
            [] => drop(table.insert(series(""))),
            [(label, values)] => {
                table.extend(values.iter().map(|value| series(&format!(" {label}={value}"))));
            }
            more => panic!("this test does not know how to combine {more:?}"),
        }
    }
    assert_eq!(recorded.series(), table);
    breakers_are_counted_by_their_state();
    the_last_word_on_breakers_is_the_newest();
}

fn breakers_are_counted_by_their_state() {
    let clock = ManualClock::new();
    // Made before there is a recorder, and counted all the same once one moves.
    let mut breakers =
        [(); 3].map(|()| CircuitBreaker::consecutive(1).with_clock(clock.clone()).build().unwrap());
    let recorded = Recorded::default();
    let state = |state| recorded.value(&format!("lyra_retry_breakers state={state}"));
    metrics::with_local_recorder(&recorded, || {
        breakers[0].isolate();
        assert_eq!((state("closed"), state("isolated")), (2.0, 1.0));
        breakers[1].try_acquire().unwrap().failure();
        assert_eq!((state("closed"), state("open"), state("isolated")), (1.0, 1.0, 1.0));
        clock.advance(SECOND * 30);
        // Seen to be half-open when someone asks.
        breakers[1].try_acquire().unwrap().success();
        assert_eq!((state("closed"), state("open"), state("half_open")), (2.0, 0.0, 0.0));
        breakers[0].isolate();
        breakers[0] = breakers[1].clone();
        assert_eq!((state("closed"), state("isolated")), (2.0, 0.0), "one is gone");
    });
    let moved =
        |state| recorded.value(&format!("lyra_retry_breaker_transitions_total state={state}"));
    // To be isolated twice over is one change.
    assert_eq!(["isolated", "open", "half_open", "closed"].map(moved), [1.0; 4]);
}

/// Has another breaker move while it is told of the first, as another thread
/// might.
struct Meddling<'a>(&'a Recorded, Cell<Option<&'a CircuitBreaker>>);

impl Recorder for Meddling<'_> {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(key, metadata)
    }
    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        if let Some(other) = self.1.take() {
            other.isolate();
        }
        self.0.register_gauge(key, metadata)
    }
    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(key, metadata)
    }
}

fn the_last_word_on_breakers_is_the_newest() {
    let breakers = [(); 2].map(|()| CircuitBreaker::consecutive(1).build().unwrap());
    let recorded = Recorded::default();
    let meddling = Meddling(&recorded, Cell::new(Some(&breakers[1])));
    metrics::with_local_recorder(&meddling, || breakers[0].isolate());
    assert_eq!(recorded.value("lyra_retry_breakers state=isolated"), 2.0);
    assert_eq!(recorded.value("lyra_retry_breakers state=closed"), 0.0);
}

#[test]
fn attempts_retries_and_waits_are_counted_one_by_one() {
    let recorded = Recorded::default();
    let reason = metrics::with_local_recorder(&recorded, || {
        let clock = ManualClock::new();
        for _ in 0..5 {
            builder(&clock).build().unwrap().run_blocking(|| Ok::<_, Error>(())).unwrap();
        }
        fail(builder(&clock), transient)
    });
    assert_eq!(reason, StopReason::RetriesUsedUp);
    assert_eq!(recorded.value("lyra_retry_attempts_total outcome=succeeded"), 5.0);
    assert_eq!(recorded.value("lyra_retry_attempts_total outcome=failed"), 4.0);
    assert_eq!(recorded.value("lyra_retry_retries_total"), 3.0);
    assert_eq!(recorded.value("lyra_retry_failed_calls_total reason=retries_used_up"), 1.0);
    assert_eq!(recorded.values("lyra_retry_wait_seconds"), [1.0, 2.0, 4.0]);
}

#[test]
fn both_sides_count_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for timeout in [None, Some(SECOND)] {
        let policy = |builder: RetryPolicyBuilder| match timeout {
            Some(timeout) => builder.with_attempt_timeout(timeout).build().unwrap(),
            None => builder.build().unwrap(),
        };
        let (blocking, asynchronous) = (Recorded::default(), Recorded::default());
        let script = [false, false, true, true, false, true];
        metrics::with_local_recorder(&blocking, || {
            let policy = policy(builder(&ManualClock::new()));
            let mut script = script.iter();
            while script.len() > 0 {
                let attempt = || script.next().unwrap().then_some(()).ok_or_else(transient);
                policy.run_blocking(attempt).unwrap();
            }
        });
        metrics::with_local_recorder(&asynchronous, || {
            let policy = policy(RetryPolicy::exponential().with_jitter(Jitter::None));
            let mut script = script.iter();
            while script.len() > 0 {
                let mut attempt = || script.next().unwrap().then_some(()).ok_or_else(transient);
                runtime.block_on(policy.run(|| std::future::ready(attempt()))).unwrap();
            }
        });
        assert_eq!(blocking.all(), asynchronous.all());
        assert_eq!(blocking.value("lyra_retry_attempts_total outcome=succeeded"), 3.0);
        assert_eq!(blocking.value("lyra_retry_retries_total"), 3.0);
    }
}

#[test]
fn a_recorder_is_told_the_help_text_of_every_metric() {
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || METRICS.iter().for_each(Metric::describe));
    let expected: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| format!("{} {}: {}", metric.kind(), metric.name(), metric.help()))
        .collect();
    assert_eq!(recorded.described(), expected);
}
