//! A retry budget bounds what retries add, over all calls together.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lyra_errors::{Classify, Error, Recovery};
use lyra_retry::{ManualClock, RetryBudget, RetryPolicy, StopReason};

fn transient() -> Error {
    Error::router("no route yet").with_recovery(Recovery::RETRY)
}

fn policy(budget: &RetryBudget) -> RetryPolicy {
    let clock = ManualClock::new();
    RetryPolicy::exponential().with_manual_time(&clock).with_budget(budget.clone()).build().unwrap()
}

#[test]
fn a_total_outage_costs_at_most_a_tenth_more_calls() {
    let policy = policy(&RetryBudget::new());
    let attempts = Cell::new(0u64);
    for calls in 1..=10_000u64 {
        let failing = || {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(transient())
        };
        policy.run_blocking(failing).unwrap_err();
        assert!(attempts.get() * 10 <= calls * 11, "{} attempts of {calls}", attempts.get());
    }
    // And the budget is used, not merely kept.
    assert_eq!(attempts.get(), 11_000);
}

#[test]
fn an_empty_budget_is_told() {
    let budget = RetryBudget::builder().with_reserve(1).build().unwrap();
    let error = policy(&budget).run_blocking(|| Err::<(), _>(transient())).unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (2, StopReason::BudgetEmpty));
    assert_eq!((error.code().id(), error.recovery()), ("retry.budget_empty", Recovery::Exhausted));
}

#[test]
fn policies_and_threads_share_a_balance() {
    let budget = RetryBudget::builder().with_reserve(5).build().unwrap();
    let attempts: u32 = std::thread::scope(|scope| {
        let call = || policy(&budget).run_blocking(|| Err::<(), _>(transient())).unwrap_err();
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(move || call().attempts())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).sum()
    });
    assert_eq!(attempts, 4 + 5);
}

#[test]
fn a_callback_that_panics_costs_nothing() {
    let budget = RetryBudget::builder().with_reserve(1).build().unwrap();
    let policy = policy(&budget);
    let calls = Cell::new(0);
    let call = || {
        let failing = || {
            calls.set(calls.get() + 1);
            Err::<(), _>(transient())
        };
        let _ = policy.retry_blocking(failing).when(|_| true).on_retry(|_| panic!("oh")).call();
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!((calls.get(), budget.available()), (1, 1));
}
