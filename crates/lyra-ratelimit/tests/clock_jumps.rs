//! A clock that jumps: an hour back or ahead, or a night of suspend. Nobody
//! waits for the lost time, and nothing but the burst is won.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_ratelimit::{LimitSet, Limits, ManualClock, Quota, RateLimiter};

const HOUR: Duration = Duration::from_secs(3_600);

fn at_noon() -> ManualClock {
    let clock = ManualClock::new();
    clock.advance(12 * HOUR);
    clock
}

#[test]
fn set_back_an_hour_it_makes_nobody_wait_for_more_than_a_burst() {
    for taken in [1, 5, 10] {
        let clock = at_noon();
        let limiter =
            RateLimiter::per_minute(60).with_burst(10).with_clock(clock.clone()).build().unwrap();
        limiter.try_acquire_n(taken).unwrap();
        clock.set_back(HOUR);
        let wait = limiter.try_acquire().err().and_then(|error| error.retry_after());
        assert!(wait.unwrap_or_default() <= Duration::from_secs(1), "{wait:?}");
        let mut granted = 0;
        for _ in 0..60 {
            clock.advance(Duration::from_secs(1));
            granted += u64::from(limiter.try_acquire().is_ok());
        }
        assert_eq!(granted, 60, "a second a token, as before");
    }
}

#[test]
fn set_back_an_hour_it_does_not_forgive_what_was_overdrawn() {
    let clock = at_noon();
    let limiter =
        RateLimiter::per_minute(60).with_burst(10).with_clock(clock.clone()).build().unwrap();
    limiter.reserve_n(10).unwrap().settle(40);
    clock.set_back(HOUR);
    let wait = limiter.try_acquire().unwrap_err().retry_after().unwrap();
    assert_eq!(wait, Duration::from_secs(31));
}

#[test]
fn set_back_while_others_wait_it_changes_nothing_for_those_who_come() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let clock = at_noon();
    let limiter =
        RateLimiter::per_minute(60).with_burst(1).with_clock(clock.clone()).build().unwrap();
    limiter.try_acquire().unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(limiter.acquire(HOUR))).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
    clock.set_back(10 * HOUR);
    let told = limiter.try_acquire().unwrap_err().retry_after();
    assert_eq!(told, Some(Duration::from_secs(4)), "three are before it");
    for wait in &mut waits {
        clock.advance(Duration::from_secs(1));
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }
}

#[test]
fn an_overdraft_that_was_paid_off_is_not_remembered_by_a_clock_that_is_set_back() {
    let clock = at_noon();
    let limiter =
        RateLimiter::per_minute(60).with_burst(1).with_clock(clock.clone()).build().unwrap();
    limiter.reserve_n(1).unwrap().settle(1_000);
    clock.advance(3 * HOUR);
    limiter.try_acquire().unwrap();
    clock.set_back(2 * HOUR);
    let wait = limiter.try_acquire().unwrap_err().retry_after().unwrap();
    assert_eq!(wait, Duration::from_secs(1));
}

#[test]
fn a_night_of_suspend_fills_the_bucket_and_no_more() {
    for leap in [HOUR, 8 * HOUR, 24 * 365 * 5 * HOUR] {
        let clock = at_noon();
        let limiter =
            RateLimiter::per_minute(60).with_burst(10).with_clock(clock.clone()).build().unwrap();
        limiter.try_acquire_n(10).unwrap();
        clock.advance(leap);
        limiter.try_acquire_n(10).unwrap();
        let wait = limiter.try_acquire().unwrap_err().retry_after().unwrap();
        assert_eq!(wait, Duration::from_secs(1), "after {leap:?}");
    }
}

#[test]
fn a_strict_window_keeps_its_bound_over_jumps() {
    let clock = at_noon();
    let quota = Quota::per_minute(3).strict();
    let limiter = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
    limiter.try_acquire_n(2).unwrap();
    clock.set_back(HOUR);
    limiter.try_acquire().unwrap();
    let wait = limiter.try_acquire().unwrap_err().retry_after().unwrap();
    assert_eq!(wait, Duration::from_secs(60));
    clock.advance(8 * HOUR);
    limiter.try_acquire_n(3).unwrap();
    assert!(limiter.try_acquire().is_err());
}

#[test]
fn a_blocked_thread_goes_on_when_the_clock_jumps_ahead() {
    let clock = at_noon();
    let limiter = RateLimiter::per_hour(1).with_clock(clock).build().unwrap();
    limiter.try_acquire().unwrap();
    // The manual clock's wait is a leap of its own.
    limiter.acquire_blocking(2 * HOUR).unwrap();
    assert_eq!(limiter.status().granted, 2);
}

#[test]
fn slots_know_no_time() {
    let clock = at_noon();
    let set = LimitSet::builder(Limits::new().with_slots("n", 1))
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let permit = set.try_enter(&[]).unwrap();
    clock.advance(8 * HOUR);
    assert!(set.try_enter(&[]).is_err());
    clock.set_back(HOUR);
    drop(permit);
    assert!(set.try_enter(&[]).is_ok());
}

#[test]
fn for_forty_years_it_keeps_its_pace() {
    let clock = ManualClock::new();
    let quota = Quota::new(4, Duration::from_secs(365 * 86_400));
    let limiter = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
    limiter.try_acquire_n(4).unwrap();
    for season in 0..160 {
        clock.advance(Duration::from_secs(365 * 86_400 / 4));
        assert_eq!(limiter.try_acquire(), Ok(()), "season {season}");
        assert!(limiter.try_acquire().is_err(), "season {season}");
    }
}
