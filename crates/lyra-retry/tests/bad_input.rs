//! What cannot be meant is refused when it is built, by name.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind};
use lyra_retry::{CircuitBreaker, PolicyError, RetryBudget, RetryPolicy};

fn assert_refused<T>(result: Result<T, PolicyError>, setting: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{setting}` was taken"));
    assert_eq!(error.code().id(), "retry.invalid_policy");
    assert_eq!(error.context().value("setting"), Some(&setting.into()));
    assert!(error.to_string().contains(setting), "{error}");
    let error = Error::from(error);
    assert_eq!((error.kind(), error.is_recoverable()), (ErrorKind::Validation, false));
    assert_eq!(error.location().file(), file!());
}

#[test]
fn a_factor_is_a_number_from_one_to_a_thousand() {
    for factor in
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -2.0, -0.0, 0.0, 0.999, 1_000.1, f64::MAX]
    {
        assert_refused(RetryPolicy::exponential().with_factor(factor).build(), "factor");
    }
    for factor in [1.0, 1.5, 1_000.0] {
        assert!(RetryPolicy::exponential().with_factor(factor).build().is_ok());
    }
}

#[test]
fn times_of_zero_are_refused() {
    let (builder, zero) = (RetryPolicy::exponential, Duration::ZERO);
    assert_refused(builder().with_base_delay(zero).build(), "base_delay");
    assert_refused(builder().with_attempt_timeout(zero).build(), "attempt_timeout");
    assert_refused(builder().with_deadline(zero).build(), "deadline");
    assert_refused(builder().with_max_retry_after(zero).build(), "max_retry_after");
}

#[test]
fn the_cap_is_not_below_the_base_delay() {
    let second = Duration::from_secs(1);
    let builder = || RetryPolicy::exponential().with_base_delay(second);
    assert_refused(builder().with_max_delay(second - Duration::from_nanos(1)).build(), "max_delay");
    assert!(builder().with_max_delay(second).build().is_ok());
}

#[test]
fn the_largest_numbers_build_and_saturate() {
    let policy = RetryPolicy::exponential()
        .with_max_retries(u32::MAX)
        .with_base_delay(Duration::MAX)
        .with_max_delay(Duration::MAX)
        .with_factor(1_000.0)
        .with_attempt_timeout(Duration::MAX)
        .with_deadline(Duration::MAX)
        .with_max_retry_after(Duration::MAX)
        .build()
        .unwrap();
    assert!(policy.schedule(0).delay(10_000).is_some());
    assert!(!policy.explain().to_string().is_empty());
    assert!(policy.run_blocking(|| Ok::<_, Error>(())).is_ok());
}

#[test]
fn budgets_are_checked() {
    let builder = RetryBudget::builder;
    assert_refused(builder().with_percent(0).build(), "percent");
    assert_refused(builder().with_percent(101).build(), "percent");
    assert_refused(builder().with_capacity(0).build(), "capacity");
    assert_refused(builder().with_capacity(2).with_reserve(3).build(), "reserve");
}

#[test]
fn breakers_are_checked() {
    assert_refused(CircuitBreaker::consecutive(0).build(), "failures");
    assert_refused(CircuitBreaker::ratio(0, 10).build(), "percent");
    assert_refused(CircuitBreaker::ratio(101, 10).build(), "percent");
    assert_refused(CircuitBreaker::ratio(50, 0).build(), "window");
    assert_refused(CircuitBreaker::ratio(50, u32::MAX).build(), "window");
    assert_refused(CircuitBreaker::ratio(50, 10).with_minimum(11).build(), "minimum");
    assert_refused(CircuitBreaker::ratio(50, 10).with_minimum(0).build(), "minimum");
    let one = || CircuitBreaker::consecutive(1);
    assert_refused(one().with_open_for(Duration::ZERO).build(), "open_for");
    assert_refused(one().with_trials(0).build(), "trials");
}
