//! A circuit breaker keeps calls away from what fails, and finds back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::{Classify, Error, Recovery};
use lyra_retry::{CircuitBreaker, CircuitState, Jitter, ManualClock, RetryPolicy, StopReason};

const SECOND: Duration = Duration::from_secs(1);

fn transient() -> Error {
    Error::router("no route yet").with_recovery(Recovery::RETRY)
}

fn fail(breaker: &CircuitBreaker, times: usize) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().failure();
    }
}

fn policy(clock: &ManualClock, breaker: &CircuitBreaker) -> RetryPolicy {
    RetryPolicy::exponential()
        .with_jitter(Jitter::None)
        .with_manual_time(clock)
        .with_breaker(breaker.clone())
        .build()
        .unwrap()
}

fn consecutive(clock: &ManualClock, failures: u32) -> CircuitBreaker {
    CircuitBreaker::consecutive(failures).with_clock(clock.clone()).build().unwrap()
}

#[test]
fn it_opens_after_failures_in_a_row_only() {
    let breaker = consecutive(&ManualClock::new(), 3);
    fail(&breaker, 2);
    breaker.try_acquire().unwrap().success();
    fail(&breaker, 2);
    assert_eq!(breaker.state(), CircuitState::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn it_opens_at_a_ratio_of_the_latest_calls() {
    let breaker = CircuitBreaker::ratio(50, 4).with_minimum(4).build().unwrap();
    let succeed = |times: usize| {
        (0..times).for_each(|_| breaker.try_acquire().unwrap().success());
    };
    fail(&breaker, 3);
    assert_eq!(breaker.state(), CircuitState::Closed, "below the minimum");
    breaker.close();
    succeed(100);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Closed, "1 of the last 4");
    succeed(3);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Closed, "the old failure has left the window");
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open, "2 of the last 4");
}

#[test]
fn half_open_it_lets_as_many_through_as_it_has_trials() {
    let clock = ManualClock::new();
    let breaker =
        CircuitBreaker::consecutive(1).with_trials(2).with_clock(clock.clone()).build().unwrap();
    fail(&breaker, 1);
    clock.advance(SECOND * 29);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after(), Some(SECOND));
    clock.advance(SECOND);
    let (first, second) = (breaker.try_acquire().unwrap(), breaker.try_acquire().unwrap());
    assert!(breaker.try_acquire().is_err());
    first.success();
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    second.success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn half_open_it_opens_at_the_first_failure() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    fail(&breaker, 1);
    clock.advance(SECOND * 30);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn a_trial_that_is_dropped_makes_room_for_another() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    fail(&breaker, 1);
    clock.advance(SECOND * 30);
    drop(breaker.try_acquire().unwrap());
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn a_trial_that_never_ends_does_not_block_it_for_ever() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    fail(&breaker, 1);
    clock.advance(SECOND * 30);
    let _lost = breaker.try_acquire().unwrap();
    clock.advance(SECOND * 29);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after(), Some(SECOND));
    clock.advance(SECOND);
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn trials_that_take_longer_than_it_was_open_still_count() {
    for is_success in [true, false] {
        let clock = ManualClock::new();
        let breaker = consecutive(&clock, 1);
        fail(&breaker, 1);
        clock.advance(SECOND * 30);
        let slow = breaker.try_acquire().unwrap();
        clock.advance(SECOND * 30);
        let _other = breaker.try_acquire().unwrap();
        let expected = match is_success {
            true => {
                slow.success();
                CircuitState::Closed
            }
            false => {
                slow.failure();
                CircuitState::Open
            }
        };
        assert_eq!(breaker.state(), expected);
    }
}

#[test]
fn a_verdict_from_before_it_opened_counts_no_more() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    let old = breaker.try_acquire().unwrap();
    fail(&breaker, 1);
    clock.advance(SECOND * 30);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    old.success();
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
}

#[test]
fn by_hand_it_is_isolated_until_it_is_closed() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    breaker.isolate();
    clock.advance(SECOND * 3600);
    let open = breaker.try_acquire().unwrap_err();
    assert_eq!((open.retry_after(), breaker.state()), (None, CircuitState::Isolated));
    assert_eq!(open.code().id(), "retry.circuit_open");
    assert_eq!(Error::from(open).recovery(), Recovery::Exhausted, "nobody knows for how long");
    let error = policy(&clock, &breaker).run_blocking(|| Ok::<_, Error>(())).unwrap_err();
    assert_eq!(error.recovery(), Recovery::Exhausted);
    breaker.close();
    assert!(breaker.try_acquire().is_ok());
}

#[test]
fn a_policy_stops_at_once_when_it_opens_for_longer_than_the_wait() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 2);
    let policy = policy(&clock, &breaker);
    let error = policy.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    let reason = StopReason::CircuitOpen { after: Some(SECOND * 30) };
    assert_eq!((error.attempts(), error.reason()), (2, reason));
    assert_eq!(error.recovery(), Recovery::Exhausted);
    assert_eq!(clock.slept(), [SECOND]);

    // The next call is not let through, and says when it would be.
    let mut calls = 0;
    let counted = || {
        calls += 1;
        Ok::<_, Error>(())
    };
    let error = policy.run_blocking(counted).unwrap_err();
    assert_eq!((calls, error.attempts()), (0, 0));
    assert_eq!(error.code().id(), "retry.circuit_open");
    assert_eq!(error.recovery(), Recovery::retry_after(SECOND * 30));

    clock.advance(SECOND * 30);
    policy.run_blocking(|| Ok::<_, Error>(())).unwrap();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn an_operation_that_panics_leaves_the_trial_to_another() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    let policy = policy(&clock, &breaker);
    fail(&breaker, 1);
    clock.advance(SECOND * 30);
    let panics = || -> Result<(), Error> { panic!("oh") };
    let call = std::panic::AssertUnwindSafe(|| policy.run_blocking(panics));
    assert!(std::panic::catch_unwind(call).is_err());
    policy.run_blocking(|| Ok::<_, Error>(())).unwrap();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn permanent_errors_are_answers_not_failures() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    let policy = policy(&clock, &breaker);
    let refused = || Err::<(), _>(Error::validation("query", "it is empty"));
    policy.run_blocking(refused).unwrap_err();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn no_clock_is_read_while_it_is_closed() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 2);
    policy(&clock, &breaker).run_blocking(|| Ok::<_, Error>(())).unwrap();
    assert_eq!(clock.reads(), 0);
}

#[test]
fn a_predicate_that_does_not_retry_says_nothing_of_health() {
    let clock = ManualClock::new();
    let breaker = consecutive(&clock, 1);
    fail(&breaker, 1);
    clock.advance(SECOND * 3600);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    let policy = policy(&clock, &breaker);
    policy.retry_blocking(|| Err::<(), _>("refused")).when(|_| false).call().unwrap_err();
    assert_eq!(breaker.state(), CircuitState::HalfOpen, "it is still to be tried");
    let permanent = || Err::<(), _>(Error::router("no such route"));
    policy.run_blocking(permanent).unwrap_err();
    assert_eq!(breaker.state(), CircuitState::Closed, "who says what is wrong is in good health");
}

#[test]
fn a_permit_of_an_earlier_round_frees_no_place_in_this_one() {
    let clock = ManualClock::new();
    let breaker = CircuitBreaker::consecutive(1)
        .with_open_for(SECOND)
        .with_trials(1)
        .with_clock(clock.clone())
        .build()
        .unwrap();
    fail(&breaker, 1);
    clock.advance(SECOND);
    let lost = breaker.try_acquire().unwrap();
    clock.advance(SECOND);
    let trial = breaker.try_acquire().unwrap();
    drop(lost);
    assert!(breaker.try_acquire().is_err(), "one trial is under way");
    drop(trial);
    assert!(breaker.try_acquire().is_ok());
}
