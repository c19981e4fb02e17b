//! What cannot be meant is refused at once, with its code, and changes
//! nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind, Recovery};
use lyra_ratelimit::{LimitSet, Limits, Quota, RateLimitError, RateLimiter, ServiceLimits};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn absurd_quotas_are_refused_with_the_setting_that_is_wrong() {
    let cases = [
        (Quota::per_minute(0), "amount"),
        (Quota::new(1, Duration::ZERO), "period"),
        (Quota::new(1, Duration::MAX), "period"),
        (Quota::new(1, 397 * DAY), "period"),
        (Quota::per_second(u64::MAX), "amount"),
        (Quota::per_second(1_000_000_001), "amount"),
        (Quota::per_minute(60).with_burst(0), "burst"),
        (Quota::per_minute(60).with_burst(u64::MAX), "burst"),
        (Quota::new(2, 396 * DAY).with_burst(3), "burst"),
        (Quota::per_minute(60).with_burst(10).strict(), "burst"),
        (Quota::per_minute(1_000_001).strict(), "amount"),
    ];
    let limiter = RateLimiter::per_minute(60).build().unwrap();
    for (quota, wrong) in cases {
        let error = RateLimiter::builder(quota).build().unwrap_err();
        assert_eq!(error.code().id(), "ratelimit.invalid");
        assert!(
            matches!(&error, RateLimitError::Invalid { setting, .. } if *setting == wrong),
            "{quota}: {error}"
        );
        assert_eq!(limiter.set_quota(quota).unwrap_err().code().id(), "ratelimit.invalid");
        assert_eq!(limiter.quota(), Quota::per_minute(60), "nothing has changed");
    }
}

#[test]
fn the_extremes_that_can_be_meant_work() {
    let year = RateLimiter::builder(Quota::new(1, 396 * DAY)).build().unwrap();
    year.try_acquire().unwrap();
    let wait = year.try_acquire().unwrap_err().retry_after().unwrap();
    assert!(wait > 395 * DAY && wait <= 396 * DAY);
    let error = year.acquire_blocking(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.too_late");

    let quick = RateLimiter::per_second(1_000_000_000).build().unwrap();
    assert_eq!(quick.try_acquire_n(1_000_000_000), Ok(()));
}

#[test]
fn a_cost_above_the_burst_is_refused_for_ever_and_says_so_at_once() {
    let limiter = RateLimiter::per_minute(60).with_burst(10).named("api").build().unwrap();
    for cost in [11, u64::MAX / 1_000_000_000, u64::MAX] {
        let errors = [
            limiter.try_acquire_n(cost).unwrap_err(),
            limiter.acquire_n_blocking(cost, Duration::MAX).unwrap_err(),
            limiter.reserve_n(cost).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code().id(), "ratelimit.too_large");
            assert_eq!(error.recovery(), Recovery::Permanent);
            let text = format!("api: a cost of {cost} can never be granted: at most 10 at once");
            assert_eq!(error.to_string(), text);
        }
    }
    assert_eq!(limiter.available(), 10);
    let strict = RateLimiter::per_minute(3).strict().build().unwrap();
    assert_eq!(strict.try_acquire_n(4).unwrap_err().code().id(), "ratelimit.too_large");
}

#[test]
fn nothing_costs_nothing() {
    let limiter = RateLimiter::per_hour(1).build().unwrap();
    limiter.try_acquire().unwrap();
    assert_eq!(limiter.try_acquire_n(0), Ok(()));
    assert_eq!(limiter.acquire_n_blocking(0, Duration::ZERO), Ok(()));
    limiter.reserve_n(0).unwrap().settle(0);
}

#[test]
fn a_timeout_of_zero_or_for_ever_is_one() {
    let limiter = RateLimiter::per_second(1_000).with_burst(1).build().unwrap();
    limiter.acquire_blocking(Duration::ZERO).unwrap();
    let hour = RateLimiter::per_hour(1).build().unwrap();
    hour.acquire_blocking(Duration::ZERO).unwrap();
    let error = hour.acquire_blocking(Duration::ZERO).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.too_late");
    limiter.acquire_blocking(Duration::MAX).unwrap();
}

#[test]
fn to_wait_outside_of_a_runtime_is_an_error_and_no_panic() {
    let limiter = RateLimiter::per_hour(2).with_burst(1).build().unwrap();
    limiter.try_acquire().unwrap();
    let mut wait = Box::pin(limiter.acquire(DAY));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match wait.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert_eq!(error.code().id(), "ratelimit.no_runtime"),
        other => panic!("{other:?}"),
    }
    assert_eq!(limiter.status().waiting, 0);
}

#[test]
fn absurd_limits_of_a_set_are_refused() {
    let quota = Quota::per_minute(1);
    let nine = (0..9).fold(Limits::new(), |limits, index| limits.with(index.to_string(), quota));
    let cases = [
        (Limits::new(), "limits"),
        (nine, "limits"),
        (Limits::new().with("", quota), "name"),
        (Limits::from(quota).with("requests", quota), "name"),
        (Limits::new().with_slots("slots", 0), "slots"),
        (Limits::new().with("calls", Quota::per_day(0)), "amount"),
    ];
    for (limits, wrong) in cases {
        let error = LimitSet::new(limits.clone()).unwrap_err();
        assert!(
            matches!(&error, RateLimitError::Invalid { setting, .. } if *setting == wrong),
            "{limits:?}: {error}"
        );
        let error = ServiceLimits::new().register("api", limits).unwrap_err();
        assert_eq!(error.code().id(), "ratelimit.invalid");
    }
}

#[test]
fn a_limit_that_is_not_there_is_an_error() {
    let set = LimitSet::new(Limits::from(Quota::per_minute(10)).with_slots("slots", 1)).unwrap();
    let errors = [
        set.try_enter(&[("tokens", 5)]).map(drop).unwrap_err(),
        set.set_quota("tokens", Quota::per_minute(1)).unwrap_err(),
        set.set_quota("slots", Quota::per_minute(1)).unwrap_err(),
        set.set_slots("requests", 1).unwrap_err(),
        set.try_enter(&[]).unwrap().settle(&[("tokens", 1)]).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.code().id(), "ratelimit.unknown_limit");
    }
    assert_eq!(set.status().limits[0].available, 9, "the call that was settled wrongly counts");
}

#[test]
fn a_limit_that_is_named_twice_is_an_error() {
    let set = LimitSet::new(Limits::from(Quota::per_minute(10))).unwrap();
    let error = set.try_enter(&[("requests", 5), ("requests", 1)]).map(drop).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.invalid");
    assert_eq!(set.status().limits[0].available, 10);
}

#[test]
fn a_service_with_slots_is_not_called_without_a_permit() {
    let services = ServiceLimits::new();
    services.register("arxiv", Limits::from(Quota::per_minute(9)).with_slots("n", 1)).unwrap();
    let error = services.try_acquire("arxiv").unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.needs_permit");
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(services.status()["arxiv"].limits[0].available, 9);
    let permit = services.enter_blocking("arxiv", &[], Duration::ZERO).unwrap();
    let error = services.handle("arxiv").unwrap().try_enter(&[]).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.busy");
    drop(permit);
}

#[test]
fn names_of_services_are_checked() {
    let services = ServiceLimits::new();
    for name in ["", &"x".repeat(129)] {
        assert_eq!(services.try_acquire(name).unwrap_err().code().id(), "ratelimit.invalid");
        assert!(services.register(name, Quota::per_minute(1)).is_err());
        assert!(services.handle(name).is_err());
    }
    services.try_acquire(&"x".repeat(128)).unwrap();
}

#[test]
fn an_error_says_what_to_do_and_where_it_arose() {
    let limiter = RateLimiter::per_hour(1).named("oracle").build().unwrap();
    limiter.try_acquire().unwrap();
    let line = line!() + 1;
    let error = limiter.try_acquire().unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.not_yet");
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.recovery().after(), error.retry_after());
    let location = error.location().unwrap();
    assert_eq!((location.file().ends_with("bad_input.rs"), location.line()), (true, line));
    let error = Error::from(error);
    assert!(error.is_recoverable());
    assert_eq!(error.context().value("limiter").unwrap().to_string(), "oracle");

    let line = line!() + 1;
    let error = limiter.acquire_blocking(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.location().unwrap().line(), line);
}
