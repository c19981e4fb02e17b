//! What is granted, and when the rest will be.

use std::time::Duration;

use lyra_ratelimit::engine::Ability;
use lyra_ratelimit::{Quota, RateLimitError};
use tokio::time::Instant;

use crate::subject::{LONG, Subject, assert_on_time, one_a_unit};

pub(crate) async fn a_burst_is_granted_and_then_one_an_interval<S: Subject>() {
    let limiter: S = one_a_unit(3).await;
    let start = Instant::now();
    for _ in 0..3 {
        limiter.try_acquire(1).await.unwrap();
    }
    assert!(start.elapsed() <= S::LATE, "a burst is there at once");
    assert!(limiter.try_acquire(1).await.is_err());
    for units in 1..=3 {
        limiter.acquire(1, LONG).await.unwrap();
        assert_on_time::<S>(start.elapsed(), f64::from(units));
    }
    S::pass(50.0).await;
    assert_eq!(limiter.available().await, 3, "it holds the burst, and no more");
}

pub(crate) async fn a_wait_is_told_exactly<S: Subject>() {
    let limiter: S = one_a_unit(3).await;
    let start = Instant::now();
    limiter.acquire(3, LONG).await.unwrap();
    S::pass(0.4).await;
    let told = retry_after(limiter.try_acquire(2).await);
    let true_wait = S::units(2.0).saturating_sub(start.elapsed());
    if S::is_able(Ability::ExactWait) {
        assert!(told.abs_diff(true_wait) <= S::LATE, "{told:?} instead of {true_wait:?}");
        // A slow line adds its own journey.
        let early = S::LATE.max(Duration::from_nanos(1));
        tokio::time::advance(told.saturating_sub(early)).await;
        if S::LATE <= Duration::from_millis(1) {
            assert!(limiter.try_acquire(2).await.is_err(), "{early:?} before it is too early");
        }
        tokio::time::advance(early + S::LATE).await;
        limiter.try_acquire(2).await.unwrap();
    } else {
        // After a while in which it was not looked at, it can't tell when the
        // next lump comes, and says less than the wait is.
        S::pass(20.0).await;
        limiter.acquire(3, LONG).await.unwrap();
        let asked = Instant::now();
        let told = retry_after(limiter.try_acquire(2).await);
        limiter.acquire(2, LONG).await.unwrap();
        let waited = asked.elapsed();
        assert!(told < waited, "{told:?} is a lower bound of {waited:?}");
    }
}

pub(crate) async fn a_heavy_call_takes_all_of_its_tokens_or_none<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    let start = Instant::now();
    limiter.try_acquire(3).await.unwrap();
    for _ in 0..4 {
        assert!(limiter.try_acquire(3).await.is_err());
    }
    assert_eq!(limiter.available().await, 2, "a refusal takes nothing");
    limiter.try_acquire(2).await.unwrap();
    limiter.acquire(4, LONG).await.unwrap();
    assert_on_time::<S>(start.elapsed(), 4.0);
}

pub(crate) async fn what_can_never_be_granted_is_refused_at_once<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    let start = Instant::now();
    for cost in [6, u64::MAX] {
        let error = limiter.acquire(cost, LONG).await.unwrap_err();
        let RateLimitError::TooLarge { cost: told, most, .. } = error else { panic!("{error:?}") };
        assert_eq!((told, most), (cost, 5));
        let error = limiter.try_acquire(cost).await.unwrap_err();
        assert!(matches!(error, RateLimitError::TooLarge { .. }), "{error:?}");
    }
    // Also with others in line, and without having waited for them.
    limiter.try_acquire(5).await.unwrap();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(5, LONG).await }
    });
    crate::subject::settle_down::<S>().await;
    let error = limiter.acquire(6, LONG).await.unwrap_err();
    assert!(matches!(error, RateLimitError::TooLarge { .. }), "{error:?}");
    assert!(start.elapsed() <= S::LATE * 4, "{:?}", start.elapsed());
    waiting.await.unwrap().unwrap();
}

pub(crate) async fn a_call_that_costs_nothing_is_granted<S: Subject>() {
    let limiter: S = one_a_unit(1).await;
    limiter.try_acquire(1).await.unwrap();
    limiter.acquire(0, Duration::from_millis(100)).await.unwrap();
    limiter.try_acquire(0).await.unwrap();
}

pub(crate) async fn it_fills_evenly<S: Subject>() {
    let limiter: S = one_a_unit(2).await;
    // It is full, and half of an interval has passed.
    S::pass(10.5).await;
    limiter.try_acquire(2).await.unwrap();
    S::pass(0.6).await;
    let next = limiter.try_acquire(1).await;
    if S::is_able(Ability::EvenRefill) {
        assert!(next.is_err(), "an interval begins when a token is taken");
    } else {
        next.unwrap();
        assert!(limiter.try_acquire(1).await.is_err(), "one lump more at most");
    }
}

pub(crate) async fn it_keeps_any_rate<S: Subject>() {
    // Three in ten milliseconds, of which nothing divides.
    let period = Duration::from_millis(10);
    let limiter = S::build(&[("requests", Quota::new(3, period).with_burst(3))]).await;
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < Duration::from_secs(1) {
        limiter.acquire(3, LONG).await.unwrap();
        count += 3;
    }
    assert!(count <= 303, "{count} are more than it may");
    if S::is_able(Ability::AnyRate) {
        // Of three at once every 10 ms, the timer and the journeys cost some.
        let journeys = S::LATE > Duration::from_millis(1);
        assert!(count >= if journeys { 180 } else { 270 }, "{count} are too few");
    } else {
        assert!(count >= 270, "{count}: it is slower by no more than its milliseconds");
    }
}

fn retry_after(outcome: Result<(), RateLimitError>) -> Duration {
    let error = outcome.unwrap_err();
    assert!(matches!(error, RateLimitError::NotYet { .. }), "{error:?}");
    error.retry_after().unwrap()
}
