//! The async side, on tokio's paused clock.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind, Recovery};
use lyra_retry::{AttemptOutcome, Jitter, OnTimeout, RetryPolicy, RetryPolicyBuilder, StopReason};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn builder() -> RetryPolicyBuilder {
    RetryPolicy::exponential().with_jitter(Jitter::None)
}

fn transient() -> Error {
    Error::router("no route yet").with_recovery(Recovery::RETRY)
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_the_schedule_says() {
    let started = Instant::now();
    let mut at = Vec::new();
    let error = RetryPolicy::promised()
        .run(|| {
            at.push(started.elapsed().as_secs());
            async { Err::<(), _>(transient()) }
        })
        .await
        .unwrap_err();
    assert_eq!(at, [0, 1, 3, 7]);
    assert_eq!((error.attempts(), error.code().id()), (4, "retry.exhausted"));
    assert_eq!(error.recovery(), Recovery::Exhausted);
}

#[tokio::test(start_paused = true)]
async fn a_predicate_and_a_callback_work_as_on_the_blocking_side() {
    let mut told = Vec::new();
    let error = RetryPolicy::promised()
        .retry(async || Err::<(), _>("busy"))
        .when(|error| *error == "busy")
        .retry_after(|_| Some(SECOND * 3))
        .on_retry(|event| told.push((event.attempt, event.delay.as_secs(), event.error.copied())))
        .await
        .unwrap_err();
    let busy = Some("busy");
    assert_eq!(told, [(1, 3, busy), (2, 3, busy), (3, 4, busy)]);
    assert_eq!(error.last_error(), Some(&"busy"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_is_cancelled_and_retried() {
    let started = Instant::now();
    let policy = builder().with_attempt_timeout(SECOND * 10).with_max_retries(1).build().unwrap();
    let mut errors = Vec::new();
    let error = policy
        .retry(pending::<Result<(), Error>>)
        .on_retry(|event| errors.push(event.error.is_none()))
        .await
        .unwrap_err();
    assert_eq!(started.elapsed(), SECOND * 21);
    assert_eq!(errors, [true]);
    assert!(error.last_error().is_none());
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Internal, StopReason::RetriesUsedUp));
    let outcomes: Vec<_> = error.history().iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::TimedOut; 2]);
    assert_eq!(error.history()[1].duration, Some(SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_of_a_local_model_is_not_retried() {
    let started = Instant::now();
    let error = RetryPolicy::local_model().run(pending::<Result<(), Error>>).await.unwrap_err();
    assert_eq!(started.elapsed(), SECOND * 120);
    assert_eq!((error.attempts(), error.code().id()), (1, "retry.timeout"));
    assert_eq!(error.recovery(), Recovery::Exhausted);

    let policy =
        builder().with_attempt_timeout(SECOND).with_on_timeout(OnTimeout::Stop).build().unwrap();
    let error = policy.run(async || Err::<(), _>(transient())).await.unwrap_err();
    assert_eq!(error.attempts(), 4, "errors are");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ran_out_of_time_is_not_told_with_the_error_of_another() {
    let policy = builder().with_attempt_timeout(SECOND).with_max_retries(2).build().unwrap();
    let (calls, mut told) = (Cell::new(0), Vec::new());
    let error = policy
        .retry(|| {
            calls.set(calls.get() + 1);
            let is_first = calls.get() == 1;
            async move { if is_first { Err("busy") } else { pending::<Result<(), _>>().await } }
        })
        .when(|_| true)
        .on_retry(|event| told.push(event.error.copied()))
        .await
        .unwrap_err();
    assert_eq!(told, [Some("busy"), None]);
    assert_eq!(error.last_error(), Some(&"busy"), "the latest that there was");
}

/// Where both end at once it is the deadline: the policy's word on slow
/// attempts would blame one that had no more time than the call.
#[tokio::test(start_paused = true)]
async fn an_attempt_timeout_that_ends_with_the_deadline_is_the_deadline() {
    let policy = builder()
        .with_attempt_timeout(SECOND * 5)
        .with_deadline(SECOND * 5)
        .with_on_timeout(OnTimeout::Stop)
        .build()
        .unwrap();
    let error = policy.run(pending::<Result<(), Error>>).await.unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (1, StopReason::Deadline));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cancels_the_attempt_that_is_under_way() {
    let started = Instant::now();
    let policy = builder().with_deadline(SECOND * 5).build().unwrap();
    let calls = Cell::new(0);
    let error = policy
        .run(|| {
            calls.set(calls.get() + 1);
            let is_first = calls.get() == 1;
            async move {
                if !is_first {
                    pending::<()>().await;
                }
                Err::<(), _>(transient())
            }
        })
        .await
        .unwrap_err();
    assert_eq!((started.elapsed(), error.elapsed()), (SECOND * 5, SECOND * 5));
    assert_eq!((error.attempts(), error.reason()), (2, StopReason::Deadline));
    assert_eq!(error.last_error().unwrap().to_string(), "no route yet");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_fails_at_once() {
    let policy = builder().with_deadline(SECOND * 5).build().unwrap();
    let started = Instant::now();
    let throttled = async || Err::<(), _>(Error::rate_limit("oracle", Some(SECOND * 5), "slow"));
    let error = policy.run(throttled).await.unwrap_err();
    assert_eq!(error.code().id(), "retry.retry_after");
    let error = policy.run(async || Err::<(), _>(transient())).await.unwrap_err();
    assert_eq!(error.reason(), StopReason::DeadlineTooNear { delay: SECOND * 4, left: SECOND * 2 });
    assert_eq!(started.elapsed(), SECOND * 3, "the two waits that did fit");
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_context_share_retries_and_deadline() {
    let policy = builder().with_deadline(SECOND * 60).build().unwrap();
    let mut context = policy.context();
    let mut answers = [Err(transient()), Err(transient()), Ok(1)].into_iter();
    let answer = context.run(|| std::future::ready(answers.next().unwrap())).await;
    assert_eq!((answer.unwrap(), context.retries_left()), (1, 1));
    // A blocking operation draws from the same.
    tokio::time::advance(SECOND * 57).await;
    let error = context.run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!(error.code().id(), "retry.deadline");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_before_the_first_poll() {
    let policy = RetryPolicy::promised();
    let called = Cell::new(false);
    let future = policy.run(|| {
        called.set(true);
        async { Ok::<_, Error>(()) }
    });
    assert!(!called.get());
    future.await.unwrap();
    assert!(called.get());
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_of_the_callback_there_is_no_further_attempt() {
    let calls = Cell::new(0);
    let policy = RetryPolicy::promised();
    let call = policy
        .retry(|| {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(transient()) }
        })
        .on_retry(|_| panic!("oh"));
    let mut future = pin!(call.into_future());
    for expected in ["oh", "a call was polled after its end"] {
        let panic = poll_fn(|cx| {
            let poll = AssertUnwindSafe(|| future.as_mut().poll(cx).is_pending());
            Poll::Ready(std::panic::catch_unwind(poll).unwrap_err())
        })
        .await;
        assert_eq!(panic.downcast_ref::<&str>(), Some(&expected));
    }
    assert_eq!(calls.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_move_to_another_task() {
    let policy = RetryPolicy::network();
    let task = tokio::spawn(async move { policy.run(async || Ok::<_, Error>(7)).await });
    assert_eq!(task.await.unwrap().unwrap(), 7);
}

/// Such an attempt is pending only because tokio makes it pause, and leaves
/// nothing for a timer beside it.
#[tokio::test]
async fn an_attempt_that_never_rests_is_ended_in_time() {
    let policy = builder()
        .with_max_retries(1)
        .with_base_delay(Duration::from_millis(1))
        .with_attempt_timeout(Duration::from_millis(30))
        .build()
        .unwrap();
    let restless = || async {
        loop {
            tokio::task::consume_budget().await;
        }
        #[allow(unreachable_code, reason = "it tells the type")]
        Ok::<(), Error>(())
    };
    let error = policy.run(restless).await.unwrap_err();
    assert_eq!(error.attempts(), 2);
    assert!(error.history().iter().all(|record| record.outcome == AttemptOutcome::TimedOut));
}
