//! Any schedule of the package `backoff`, under the rules of this crate.
#![cfg(feature = "backoff")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::{Backoff, Constant, Stop, Zero};
use lyra_errors::{Error, Recovery};
use lyra_retry::{ManualClock, RetryPolicy, RetryPolicyBuilder, StopReason};

const SECOND: Duration = Duration::from_secs(1);

fn run(clock: &ManualClock, builder: RetryPolicyBuilder, asked: Option<Duration>) -> StopReason {
    let failed = || {
        let recovery = Recovery::Retry { after: asked };
        Err::<(), _>(Error::router("no route yet").with_recovery(recovery))
    };
    let policy = builder.with_manual_time(clock).build().unwrap();
    policy.run_blocking(failed).unwrap_err().reason()
}

#[test]
fn its_delays_are_taken_up_to_our_number_of_retries() {
    let clock = ManualClock::new();
    let builder = RetryPolicy::exponential().with_backoff(|| Constant::new(SECOND * 2));
    assert_eq!(run(&clock, builder, None), StopReason::RetriesUsedUp);
    assert_eq!(clock.slept(), [SECOND * 2; 3]);
}

#[test]
fn its_jitter_no_longer_passes_the_cap() {
    let clock = ManualClock::new();
    let exponential = || {
        ExponentialBackoffBuilder::new()
            .with_initial_interval(SECOND * 60)
            .with_max_interval(SECOND * 60)
            .with_randomization_factor(0.5)
            .with_max_elapsed_time(None)
            .build()
    };
    let builder = RetryPolicy::exponential().with_max_retries(200).with_backoff(exponential);
    run(&clock, builder, None);
    let slept = clock.slept();
    assert!(slept.iter().all(|slept| *slept <= SECOND * 60), "{slept:?}");
    // By itself, half of them would.
    assert!(slept.iter().filter(|slept| **slept == SECOND * 60).count() > 20, "{slept:?}");
}

#[test]
fn retry_after_is_a_floor_and_does_not_replace_it() {
    let clock = ManualClock::new();
    let builder = RetryPolicy::exponential().with_backoff(|| Constant::new(SECOND * 5));
    run(&clock, builder.clone(), Some(SECOND));
    run(&clock, builder, Some(SECOND * 9));
    assert_eq!(clock.slept(), [5, 5, 5, 9, 9, 9].map(Duration::from_secs));
}

#[test]
fn where_it_ends_the_retries_end() {
    let clock = ManualClock::new();
    let builder = RetryPolicy::exponential().with_backoff(|| Stop {});
    assert_eq!(run(&clock, builder, None), StopReason::ScheduleEnded);
    let builder = RetryPolicy::exponential().with_backoff(|| Zero {});
    assert_eq!(run(&clock, builder, None), StopReason::RetriesUsedUp);
}

/// Counts up, and remembers that it was reset.
struct Steps {
    next: u64,
    is_reset: bool,
}

impl Backoff for Steps {
    fn reset(&mut self) {
        self.is_reset = true;
    }

    fn next_backoff(&mut self) -> Option<Duration> {
        assert!(self.is_reset);
        self.next += 1;
        Some(Duration::from_secs(self.next))
    }
}

#[test]
fn every_operation_has_a_fresh_one_of_any_type() {
    let clock = ManualClock::new();
    let builder = RetryPolicy::exponential().with_backoff(|| Steps { next: 0, is_reset: false });
    let boxed = RetryPolicy::exponential()
        .with_backoff(|| Box::new(Steps { next: 0, is_reset: false }) as Box<dyn Backoff + Send>);
    run(&clock, builder, None);
    run(&clock, boxed, None);
    assert_eq!(clock.slept(), [1, 2, 3, 1, 2, 3].map(Duration::from_secs));
}
