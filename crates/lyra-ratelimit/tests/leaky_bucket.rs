//! The traps of the crate `leaky-bucket` stay inside.
#![cfg(feature = "leaky-bucket")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::Classify;
use lyra_ratelimit::Quota;
use lyra_ratelimit::engine::{Engine, EngineLimiter, LeakyBucket};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_is_built_outside_of_a_runtime_and_starts_full() {
    let engine = LeakyBucket::new(Quota::per_minute(60).with_burst(10)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let limiter = EngineLimiter::new(engine).unwrap();
        limiter.try_acquire_n(10).await.unwrap();
        assert_eq!(limiter.status().await.unwrap().limits[0].available, 0);
    });
}

#[test]
fn quotas_that_it_cannot_hold_are_refused_and_nothing_panics() {
    let absurd = [
        Quota::per_minute(0),
        Quota::new(1, Duration::ZERO),
        Quota::new(1, Duration::MAX),
        Quota::per_second(u64::MAX),
        Quota::per_minute(60).with_burst(u64::MAX),
        Quota::per_minute(60).strict(),
    ];
    for quota in absurd {
        let error = LeakyBucket::new(quota).unwrap_err();
        assert_eq!(error.code().id(), "ratelimit.invalid", "{quota}");
    }
    let extreme = [
        Quota::per_second(1_000_000_000),
        Quota::new(1, Duration::from_secs(396 * 86_400)),
        Quota::every(Duration::from_nanos(1)).with_burst(1_000_000),
    ];
    for quota in extreme {
        assert!(LeakyBucket::new(quota).is_ok(), "{quota}");
    }
}

#[tokio::test(start_paused = true)]
async fn its_balance_is_never_shown_stale() {
    let engine = LeakyBucket::new(Quota::every(SECOND).with_burst(3)).unwrap();
    engine.take(&[3]).await.unwrap();
    for left in [0, 1, 2, 3, 3] {
        assert_eq!(engine.standing().await.unwrap().limits[0].available, left);
        tokio::time::advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_time_in_which_nobody_looks_fills_it_and_no_more() {
    let engine = LeakyBucket::new(Quota::per_second(1_000).with_burst(3)).unwrap();
    let limiter = EngineLimiter::new(engine).unwrap();
    limiter.try_acquire_n(3).await.unwrap();
    tokio::time::advance(Duration::from_secs(400 * 86_400)).await;
    limiter.try_acquire_n(3).await.unwrap();
    assert!(limiter.try_acquire_n(2).await.is_err(), "a lump more at most");
}
