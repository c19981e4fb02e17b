//! Deadlines, timeouts and the waits that errors ask for, on the blocking side.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::{Classify, Error, Recovery};
use lyra_retry::{
    Jitter, ManualClock, OnTimeout, RetryPolicy, RetryPolicyBuilder, Sleeper, StopReason,
};

const SECOND: Duration = Duration::from_secs(1);

fn builder(clock: &ManualClock) -> RetryPolicyBuilder {
    RetryPolicy::exponential().with_jitter(Jitter::None).with_manual_time(clock)
}

fn transient() -> Error {
    Error::router("no route yet").with_recovery(Recovery::RETRY)
}

fn throttled(after: Duration) -> Error {
    Error::rate_limit("oracle", Some(after), "slow down")
}

#[test]
fn no_clock_is_read_before_the_first_failure() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    policy.run_blocking(|| Ok::<_, Error>(())).unwrap();
    let mut reads = None;
    policy
        .run_blocking(|| {
            reads.get_or_insert(clock.reads());
            Err::<(), _>(transient())
        })
        .unwrap_err();
    assert_eq!(reads, Some(0));

    let timed = builder(&clock).with_deadline(SECOND).build().unwrap();
    let before = clock.reads();
    timed.run_blocking(|| Ok::<_, Error>(())).unwrap();
    assert_eq!(clock.reads(), before + 1);
}

#[test]
fn the_wait_that_an_error_asks_for_is_a_floor() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    policy.run_blocking(|| Err::<(), _>(throttled(SECOND * 3))).unwrap_err();
    assert_eq!(clock.slept(), [SECOND * 3, SECOND * 3, SECOND * 4]);
}

#[test]
fn it_may_pass_the_cap_which_binds_our_own_delays() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_max_delay(SECOND).with_max_retries(1).build().unwrap();
    policy.run_blocking(|| Err::<(), _>(throttled(SECOND * 90))).unwrap_err();
    assert_eq!(clock.slept(), [SECOND * 90]);
}

#[test]
fn a_function_finds_it_in_an_error_of_any_type() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    let result = policy
        .retry_blocking(|| Err::<(), _>(7u64))
        .when(|_| true)
        .retry_after(|seconds| Some(Duration::from_secs(*seconds)))
        .call();
    assert!(result.is_err());
    assert_eq!(clock.slept(), [SECOND * 7; 3]);
}

#[test]
fn of_what_a_function_finds_and_what_the_error_says_the_longer_holds() {
    for (says, found) in [(3, 7), (7, 3)] {
        let clock = ManualClock::new();
        let policy = builder(&clock).with_max_retries(1).build().unwrap();
        let result = policy
            .retry_blocking(|| Err::<(), _>(throttled(SECOND * says)))
            .retry_after(|_| Some(SECOND * found))
            .call();
        assert!(result.is_err());
        assert_eq!(clock.slept(), [SECOND * 7]);
    }
}

#[test]
fn one_that_cannot_fit_before_the_deadline_fails_at_once_and_says_so() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_deadline(SECOND * 30).build().unwrap();
    let error = policy.run_blocking(|| Err::<(), _>(throttled(SECOND * 30))).unwrap_err();
    let reason = StopReason::RetryAfterTooLong { after: SECOND * 30, limit: SECOND * 30 };
    assert_eq!((error.reason(), error.code().id()), (reason, "retry.retry_after"));
    assert_eq!(error.context().value("retry_after_seconds"), Some(&30.0.into()));
    assert!(clock.slept().is_empty());
}

#[test]
fn a_hostile_one_cannot_make_a_call_wait_for_ever() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    for after in [Duration::from_secs(99_999_999_999), Duration::MAX] {
        let error = policy.run_blocking(|| Err::<(), _>(throttled(after))).unwrap_err();
        assert_eq!(error.code().id(), "retry.retry_after");
    }
    assert!(clock.slept().is_empty());
}

#[test]
fn the_deadline_counts_what_the_attempts_take() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_deadline(SECOND * 10).build().unwrap();
    let slow = || {
        clock.advance(SECOND * 4);
        Err::<(), _>(transient())
    };
    let error = policy.run_blocking(slow).unwrap_err();
    // 4 s, a wait of 1 s, 4 s; the wait of 2 s no longer fits.
    assert_eq!((error.attempts(), error.elapsed()), (2, SECOND * 9));
    assert_eq!(error.reason(), StopReason::DeadlineTooNear { delay: SECOND * 2, left: SECOND });
    assert_eq!(error.code().id(), "retry.deadline");

    let late = || {
        clock.advance(SECOND * 11);
        Err::<(), _>(transient())
    };
    let error = policy.run_blocking(late).unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, StopReason::Deadline));
}

/// Waits ten seconds, whatever it is asked.
struct Oversleeper(ManualClock);

impl Sleeper for Oversleeper {
    fn sleep(&self, _wait: Duration) {
        self.0.advance(SECOND * 10);
    }
}

#[test]
fn no_attempt_begins_after_the_deadline_though_the_wait_was_to_end_before() {
    let clock = ManualClock::new();
    let sleeper = Oversleeper(clock.clone());
    let policy = builder(&clock).with_sleeper(sleeper).with_deadline(SECOND * 8).build().unwrap();
    let error = policy.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, StopReason::Deadline));
    assert_eq!(error.elapsed(), SECOND * 10);
    assert_eq!(error.last_error().unwrap().to_string(), "no route yet");
}

#[test]
fn a_late_success_is_a_success() {
    let clock = ManualClock::new();
    let policy =
        builder(&clock).with_attempt_timeout(SECOND).with_deadline(SECOND * 2).build().unwrap();
    let late = || {
        clock.advance(SECOND * 60);
        Ok::<_, Error>("late")
    };
    assert_eq!(policy.run_blocking(late).unwrap(), "late");
}

#[test]
fn a_late_failure_is_a_timeout_unless_it_is_permanent() {
    let clock = ManualClock::new();
    let policy = builder(&clock)
        .with_attempt_timeout(SECOND)
        .with_on_timeout(OnTimeout::Stop)
        .build()
        .unwrap();
    let late = |error: Error| {
        clock.advance(SECOND * 2);
        Err::<(), _>(error)
    };
    let error = policy.run_blocking(|| late(transient())).unwrap_err();
    assert_eq!((error.attempts(), error.code().id()), (1, "retry.timeout"));
    assert_eq!(error.recovery(), Recovery::Exhausted);
    let error =
        policy.run_blocking(|| late(transient().with_recovery(Recovery::Permanent))).unwrap_err();
    assert_eq!(error.reason(), StopReason::NotRetryable);
    // In time, it is retried as ever.
    let error = policy.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!(error.attempts(), 4);
}

#[test]
fn a_clock_that_is_set_back_is_one_that_stands_still() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_deadline(SECOND * 100).build().unwrap();
    let hour = SECOND * 3600;
    let error = policy
        .run_blocking(|| {
            clock.set_back(hour);
            Err::<(), _>(transient())
        })
        .unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (4, StopReason::RetriesUsedUp));
    assert_eq!(error.history()[0].duration, Some(Duration::ZERO));
}

#[test]
fn a_machine_that_slept_for_hours_ends_the_call() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_deadline(SECOND * 100).build().unwrap();
    let error = policy
        .run_blocking(|| {
            clock.advance(SECOND * 8 * 3600);
            Err::<(), _>(transient())
        })
        .unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, StopReason::Deadline));
}

#[test]
fn a_clock_that_is_set_back_in_the_middle_gives_no_more_time() {
    let clock = ManualClock::new();
    let policy = RetryPolicy::exponential()
        .with_jitter(Jitter::None)
        .with_max_retries(1_000)
        .with_factor(1.0)
        .with_base_delay(SECOND)
        .with_deadline(SECOND * 60)
        .with_manual_time(&clock)
        .build()
        .unwrap();
    let mut attempts = 0;
    let error = policy
        .run_blocking(|| {
            attempts += 1;
            if attempts == 50 {
                clock.set_back(SECOND * 40);
            }
            Err::<(), _>(transient())
        })
        .unwrap_err();
    assert!((55..=61).contains(&error.attempts()), "{}", error.attempts());
}
