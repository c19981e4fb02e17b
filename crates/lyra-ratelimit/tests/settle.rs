//! Calls whose real cost shows later.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_ratelimit::{ManualClock, Quota, RateLimiter, TokioClock};

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
