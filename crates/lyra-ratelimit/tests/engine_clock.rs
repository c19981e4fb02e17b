//! An engine whose clock jumps: no more is granted than a burst for that, and
//! nobody waits longer than a burst takes.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_ratelimit::engine::{EngineLimiter, InProcess};
use lyra_ratelimit::{ManualClock, Quota};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn limiter(quota: Quota) -> (EngineLimiter<InProcess<ManualClock>>, ManualClock) {
    let clock = ManualClock::new();
    clock.advance(HOUR * 10);
    let engine = InProcess::with_clock(quota, clock.clone()).unwrap();
    (EngineLimiter::new(engine).unwrap(), clock)
}

#[tokio::test(start_paused = true)]
async fn a_leap_forward_fills_the_bucket_and_no_more() {
    for quota in [Quota::every(SECOND).with_burst(5), Quota::new(5, 5 * SECOND).strict()] {
        let (limiter, clock) = limiter(quota);
        limiter.try_acquire_n(5).await.unwrap();
        clock.advance(HOUR * 8);
        limiter.try_acquire_n(5).await.unwrap();
        assert!(limiter.try_acquire().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_costs_a_burst_at_most() {
    for quota in [Quota::every(SECOND).with_burst(5), Quota::new(5, 5 * SECOND).strict()] {
        let (limiter, clock) = limiter(quota);
        limiter.try_acquire_n(3).await.unwrap();
        clock.set_back(HOUR);
        let told = limiter.try_acquire_n(5).await.unwrap_err().retry_after().unwrap();
        assert!(told <= 5 * SECOND, "{told:?}");
        clock.advance(5 * SECOND);
        limiter.try_acquire_n(5).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_timeout_though_the_engines_clock_stands_still() {
    let (limiter, _) = limiter(Quota::every(SECOND));
    limiter.try_acquire().await.unwrap();
    let start = Instant::now();
    limiter.acquire(SECOND * 3).await.unwrap_err();
    assert!(start.elapsed() <= SECOND * 3, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_told_exactly_goes_on_when_the_clock_is_behind() {
    let (limiter, clock) = limiter(Quota::every(SECOND));
    limiter.try_acquire().await.unwrap();
    let start = Instant::now();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(SECOND * 10).await }
    });
    tokio::time::sleep(SECOND * 2).await; // tidy: sleep - the clock is paused
    assert!(!waiting.is_finished(), "on the engine's clock nothing has passed");
    clock.advance(SECOND);
    waiting.await.unwrap().unwrap();
    assert!(start.elapsed() <= SECOND * 3);
}
