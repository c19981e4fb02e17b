//! Calls whose real cost shows later.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_ratelimit::{Feedback, ManualClock, Quota, RateLimiter, TokioClock};

#[test]
fn what_was_not_used_is_there_again() {
    let limiter = RateLimiter::per_hour(100).with_clock(ManualClock::new()).build().unwrap();
    let slot = limiter.reserve_n(80).unwrap();
    assert_eq!((slot.cost(), limiter.available()), (80, 20));
    slot.settle(30);
    assert_eq!(limiter.available(), 70);
}

#[test]
fn what_was_used_beyond_is_paid_by_those_who_come_next() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::per_second(10).with_clock(clock.clone()).build().unwrap();
    limiter.reserve_n(5).unwrap().settle(25);
    assert_eq!(limiter.available(), 0);
    let wait = limiter.try_acquire().unwrap_err().retry_after();
    assert_eq!(wait, Some(Duration::from_millis(1_600)), "15 are owed, and one is asked for");
    clock.advance(Duration::from_millis(1_600));
    limiter.try_acquire().unwrap();
}

#[test]
fn a_window_takes_back_what_it_granted_then() {
    let clock = ManualClock::new();
    let quota = Quota::per_minute(10).strict();
    let limiter = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
    let early = limiter.reserve_n(6).unwrap();
    clock.advance(Duration::from_secs(30));
    limiter.try_acquire_n(4).unwrap();
    early.settle(1);
    assert_eq!(limiter.available(), 5);
    clock.advance(Duration::from_secs(30));
    assert_eq!(limiter.available(), 6, "the one of the beginning left the window");
}

#[test]
fn what_comes_back_late_does_not_come_on_top_of_a_full_burst() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::per_second(5).with_clock(clock.clone()).build().unwrap();
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(limiter.reserve_n(5).unwrap());
        clock.advance(Duration::from_secs(1));
    }
    let mut granted = 0;
    let mut take_all = || {
        while limiter.try_acquire().is_ok() {
            granted += 1;
        }
    };
    take_all();
    for reservation in held {
        drop(reservation);
        take_all();
    }
    assert_eq!(granted, 5, "a burst, whatever is cancelled");
}

#[test]
fn in_a_busy_bucket_all_that_was_not_used_comes_back_however_late() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::per_second(5).with_clock(clock.clone()).build().unwrap();
    let slot = limiter.reserve_n(5).unwrap();
    for _ in 0..100 {
        clock.advance(Duration::from_millis(200));
        limiter.try_acquire().unwrap();
    }
    slot.settle(1);
    assert_eq!(limiter.available(), 4);
}

#[test]
fn what_ran_over_takes_nothing_from_what_others_give_back() {
    let clock = ManualClock::new();
    let quota = Quota::every(Duration::from_secs(1)).with_burst(10);
    let limiter = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
    let old = limiter.reserve_n(10).unwrap();
    clock.advance(Duration::from_secs(10));
    let (two, three) = (limiter.reserve_n(2).unwrap(), limiter.reserve_n(3).unwrap());
    let mut left = vec![limiter.available()];
    for reservation in [old, two, three] {
        drop(reservation);
        left.push(limiter.available());
    }
    assert_eq!(left, [5, 5, 7, 10]);
}

#[test]
fn what_the_service_has_left_is_not_topped_up_by_what_comes_back() {
    let limiter = RateLimiter::per_minute(100).with_clock(ManualClock::new()).build().unwrap();
    let slot = limiter.reserve_n(50).unwrap();
    let left = [("x-ratelimit-remaining", "10")];
    limiter.learn(&Feedback::from_headers(200, left, std::time::SystemTime::now()));
    slot.settle(20);
    assert_eq!(limiter.available(), 10);
}

#[test]
fn what_was_reserved_under_another_kind_of_quota_does_not_come_on_top() {
    let clock = ManualClock::new();
    let quota = Quota::per_minute(10);
    let limiter = RateLimiter::builder(quota.strict()).with_clock(clock.clone()).build().unwrap();
    let early = limiter.reserve_n(5).unwrap();
    clock.advance(Duration::from_secs(61));
    limiter.try_acquire_n(5).unwrap();
    limiter.set_quota(quota).unwrap();
    drop(early);
    assert_eq!(limiter.available(), 5);
}

#[test]
fn a_wrong_number_stops_nobody_for_years() {
    let clock = ManualClock::new();
    let bucket = RateLimiter::per_minute(60).with_clock(clock.clone()).build().unwrap();
    bucket.reserve_n(1).unwrap().settle(u64::MAX);
    let wait = bucket.try_acquire().unwrap_err().retry_after().unwrap();
    assert_eq!(wait, Duration::from_secs(3_601), "the longest hold, and the one token");

    let quota = Quota::per_minute(10).strict();
    let strict = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
    let first = strict.reserve_n(1).unwrap();
    clock.advance(Duration::from_secs(1));
    let second = strict.reserve_n(1).unwrap();
    first.settle(u64::MAX);
    second.settle(u64::MAX);
    clock.advance(Duration::from_secs(61));
    assert_eq!(strict.try_acquire(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_overdraft_is_told_to_those_for_whom_it_is_too_much() {
    let limiter =
        RateLimiter::per_second(1).with_burst(10).with_clock(TokioClock::new()).build().unwrap();
    let slot = limiter.reserve_n(10).unwrap();
    let start = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(Duration::from_secs(5)).await }
    });
    tokio::task::yield_now().await;
    slot.settle(30);
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_settled_call_lets_those_who_wait_go_sooner() {
    let limiter =
        RateLimiter::per_second(1).with_burst(60).with_clock(TokioClock::new()).build().unwrap();
    let long = Duration::from_secs(600);
    let slot = limiter.reserve_n_within(60, long).await.unwrap();
    let start = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_n(30, long).await }
    });
    tokio::task::yield_now().await;
    slot.settle(30);
    waiting.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[test]
fn a_thread_can_wait_for_its_reservation() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::per_second(1).with_burst(2).with_clock(clock).build().unwrap();
    limiter.try_acquire_n(2).unwrap();
    let slot = limiter.reserve_n_within_blocking(2, Duration::from_secs(2)).unwrap();
    slot.settle(0);
    assert_eq!(limiter.available(), 2);
}
