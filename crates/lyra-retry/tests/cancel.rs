//! Promise 4.4: a call that is dropped at any poll leaves nothing behind.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lyra_errors::{Error, Recovery};
use lyra_retry::{CircuitBreaker, CircuitState, RetryBudget, RetryPolicy, SystemClock};

/// Counts those of its kind that are alive.
struct Alive<'a>(&'a Cell<i32>);

impl<'a> Alive<'a> {
    fn new(count: &'a Cell<i32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Fails after a poll that is pending.
async fn attempt(alive: Alive<'_>) -> Result<(), Error> {
    tokio::task::yield_now().await;
    drop(alive);
    Err(Error::router("no route yet").with_recovery(Recovery::RETRY))
}

/// Polls `future` up to `polls` times; whether it came to its end.
async fn poll_times<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if poll {
            return true;
        }
        // Lets the time of a wait pass, so that the next poll gets further.
        tokio::time::advance(Duration::from_secs(70)).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_it_leaves_no_attempt_and_no_withdrawal_behind() {
    for polls in 0.. {
        let (alive, begun) = (Cell::new(0), Cell::new(0u64));
        let budget = RetryBudget::builder().with_reserve(3).build().unwrap();
        let policy = RetryPolicy::exponential().with_budget(budget.clone()).build().unwrap();
        let call = policy.run(|| {
            begun.set(begun.get() + 1);
            attempt(Alive::new(&alive))
        });
        let is_over = poll_times(call, polls).await;
        assert_eq!(alive.get(), 0, "an attempt outlived poll {polls}");
        // A tenth of a retry was paid in, and one taken out for each that began.
        let retries = begun.get().saturating_sub(1);
        assert_eq!(budget.available(), 3 - retries, "at poll {polls}");
        if is_over {
            assert!(polls > 4, "it was never dropped half-way");
            assert_eq!(begun.get(), 4);
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_it_leaves_the_trial_to_another() {
    for polls in 0..4 {
        let breaker = CircuitBreaker::consecutive(1).with_clock(SystemClock).build().unwrap();
        breaker.try_acquire().unwrap().failure();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(breaker.state(), CircuitState::HalfOpen);
        let policy = RetryPolicy::exponential().with_breaker(breaker.clone()).build().unwrap();
        let never = policy.run(std::future::pending::<Result<(), Error>>);
        {
            let mut never = pin!(never);
            for _ in 0..polls {
                let is_ready = poll_fn(|cx| Poll::Ready(never.as_mut().poll(cx).is_ready())).await;
                assert!(!is_ready);
                assert!(breaker.try_acquire().is_err(), "the trial is under way");
            }
        }
        assert!(breaker.try_acquire().is_ok(), "at poll {polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_an_attempt_with_a_time_limit_is_cancelled() {
    let policy = RetryPolicy::network();
    for polls in 0..8 {
        let alive = Cell::new(0);
        let never = policy.run(|| {
            let alive = Alive::new(&alive);
            async move {
                std::future::pending::<()>().await;
                drop(alive);
                Ok::<_, Error>(())
            }
        });
        poll_times(never, polls).await;
        assert_eq!(alive.get(), 0, "an attempt outlived poll {polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ran_out_of_time_is_gone_before_the_wait() {
    let (alive, told) = (Cell::new(0), Cell::new(0));
    let policy = RetryPolicy::network();
    let call = policy
        .retry(|| {
            let alive = Alive::new(&alive);
            async move {
                std::future::pending::<()>().await;
                drop(alive);
                Ok::<_, Error>(())
            }
        })
        .on_retry(|_| {
            assert_eq!(alive.get(), 0, "what it holds is needed by others meanwhile");
            told.set(told.get() + 1);
        });
    assert!(call.await.is_err());
    assert_eq!(told.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_always_works() {
    let policy = RetryPolicy::promised();
    let call = policy.run(std::future::pending::<Result<(), Error>>);
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_context_counts_the_retries_of_a_dropped_call() {
    for (polls, used) in [(1, 0), (2, 0), (3, 1), (5, 2)] {
        let alive = Cell::new(0);
        let mut context = RetryPolicy::promised().context();
        assert!(!poll_times(context.run(|| attempt(Alive::new(&alive))), polls).await);
        assert_eq!(context.retries_used(), used, "at poll {polls}");
    }
}
