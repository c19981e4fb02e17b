//! Promise 2.3: exponential backoff with the promised numbers, both ways.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind, Recovery};
use lyra_retry::{Jitter, ManualClock, RetryPolicy, RetryPolicyBuilder, StopReason};

fn builder(clock: &ManualClock) -> RetryPolicyBuilder {
    RetryPolicy::exponential().with_jitter(Jitter::None).with_manual_time(clock)
}

fn transient() -> Error {
    Error::router("no route yet").with_recovery(Recovery::RETRY)
}

fn seconds(clock: &ManualClock) -> Vec<u64> {
    clock.slept().iter().map(Duration::as_secs).collect()
}

#[test]
fn three_retries_after_one_two_and_four_seconds_by_default() {
    let clock = ManualClock::new();
    let mut calls = 0;
    let error = builder(&clock)
        .build()
        .unwrap()
        .run_blocking(|| {
            calls += 1;
            Err::<(), _>(transient())
        })
        .unwrap_err();
    assert_eq!((calls, error.attempts()), (4, 4));
    assert_eq!(seconds(&clock), [1, 2, 4]);
    assert_eq!(error.reason(), StopReason::RetriesUsedUp);
}

#[test]
fn the_longest_delay_is_sixty_seconds_by_default() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_max_retries(8).build().unwrap();
    policy.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!(seconds(&clock), [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_success_ends_the_retries() {
    let clock = ManualClock::new();
    let mut answers = [Err(transient()), Ok("answer")].into_iter();
    let answer = builder(&clock).build().unwrap().run_blocking(|| answers.next().unwrap());
    assert_eq!(answer.unwrap(), "answer");
    assert_eq!(seconds(&clock), [1]);
}

#[test]
fn only_errors_that_say_so_are_retried() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    for (recovery, code, outer) in [
        (Recovery::Permanent, "retry.not_retryable", Recovery::Permanent),
        (Recovery::Exhausted, "retry.exhausted", Recovery::Exhausted),
    ] {
        let error =
            policy.run_blocking(|| Err::<(), _>(transient().with_recovery(recovery))).unwrap_err();
        assert_eq!((error.attempts(), error.code().id()), (1, code));
        assert_eq!(error.recovery(), outer);
    }
    assert!(clock.slept().is_empty());
}

#[test]
fn a_predicate_takes_any_error_and_decides_against_what_it_says() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    let error = policy
        .retry_blocking(|| Err::<(), _>("busy"))
        .when(|error| *error == "busy")
        .call()
        .unwrap_err();
    assert_eq!((error.attempts(), error.into_last_error()), (4, Some("busy")));

    let error =
        policy.retry_blocking(|| Err::<(), _>(transient())).when(|_| false).call().unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, StopReason::NotRetryable));
}

#[test]
fn every_retry_is_told_before_its_wait() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    let mut told = Vec::new();
    let result = policy
        .retry_blocking(|| Err::<(), _>("busy"))
        .when(|_| true)
        .on_retry(|event| {
            told.push((event.attempt, event.delay.as_secs(), event.elapsed.as_secs()));
            assert_eq!(event.error, Some(&"busy"));
            assert_eq!(clock.slept().len() + 1, event.attempt as usize);
        })
        .call();
    assert!(result.is_err());
    assert_eq!(told, [(1, 1, 0), (2, 2, 1), (3, 4, 3)]);
}

#[test]
fn operations_of_a_context_share_their_retries() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    let mut context = policy.context();
    let mut answers = [Err(transient()), Err(transient()), Ok(1)].into_iter();
    assert_eq!(context.run_blocking(|| answers.next().unwrap()).unwrap(), 1);
    assert_eq!((context.retries_used(), context.retries_left()), (2, 1));

    let error = context.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!(error.attempts(), 2, "the first attempt of its own, and the retry that was left");
    assert_eq!(seconds(&clock), [1, 2, 4], "the delays go on where they were");
    assert_eq!(context.retries_left(), 0);
    // Attempts that need no retry are still made.
    assert_eq!(context.run_blocking(|| Ok::<_, Error>(2)).unwrap(), 2);
}

#[test]
fn a_context_whose_deadline_has_passed_begins_nothing() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_deadline(Duration::from_secs(10)).build().unwrap();
    let mut context = policy.context();
    clock.advance(Duration::from_secs(11));
    let error = context.run_blocking(|| Ok::<_, Error>(())).unwrap_err();
    assert_eq!((error.attempts(), error.code().id()), (0, "retry.deadline"));
    assert_eq!(error.recovery(), Recovery::Exhausted);
}

#[test]
fn nested_retries_do_not_multiply() {
    let clock = ManualClock::new();
    let policy = builder(&clock).build().unwrap();
    let mut calls = 0;
    let error = policy
        .run_blocking(|| {
            policy.run_blocking(|| {
                calls += 1;
                Err::<(), _>(transient())
            })
        })
        .unwrap_err();
    assert_eq!(calls, 4);
    assert_eq!((error.attempts(), error.reason()), (1, StopReason::AlreadyExhausted));
}

#[test]
fn the_final_error_tells_its_history_and_keeps_its_cause() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_max_retries(1).build().unwrap();
    let failing = || {
        clock.advance(Duration::from_millis(250));
        Err::<(), _>(transient())
    };
    let error = policy.run_blocking(failing).unwrap_err();
    let lines: Vec<String> = error.history().iter().map(ToString::to_string).collect();
    // Without a limit of time, no clock was read before the first failure.
    assert_eq!(lines, ["1: host.router, then waited 1s", "2: host.router after 250ms"]);
    assert_eq!(error.elapsed(), Duration::from_millis(1250));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no route yet");

    let error = Error::from(error);
    assert_eq!((error.kind(), error.code().id()), (ErrorKind::Router, "retry.exhausted"));
    assert_eq!(error.recovery(), Recovery::Exhausted);
    assert_eq!(error.location().file(), file!());
    let record = error.to_json();
    assert!(record.contains("1: host.router, then waited 1s"), "{record}");
    assert!(record.contains("no route yet"), "{record}");
}

#[test]
fn the_history_of_many_attempts_stays_small() {
    let clock = ManualClock::new();
    let policy = builder(&clock).with_max_retries(10_000).build().unwrap();
    let error = policy.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!((error.attempts(), error.history().len()), (10_001, 32));
    assert_eq!(error.history()[0].attempt, 1);
    assert_eq!(error.history()[31].attempt, 10_001);
}

#[test]
fn each_preset_ends_when_it_says() {
    for (policy, attempts) in
        [(RetryPolicy::network(), 5), (RetryPolicy::local_model(), 3), (RetryPolicy::promised(), 4)]
    {
        let mut schedule = policy.schedule(1);
        let ends = (1..).find(|attempt| {
            let decision = schedule.decide(*attempt, Duration::ZERO, Recovery::RETRY);
            decision == lyra_retry::Decision::Stop(StopReason::RetriesUsedUp)
        });
        assert_eq!(ends, Some(attempts));
    }
}
