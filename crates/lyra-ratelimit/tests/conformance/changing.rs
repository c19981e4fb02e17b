//! Calls whose real cost shows later, and quotas that change.

use std::time::SystemTime;

use lyra_errors::Classify;
use lyra_ratelimit::engine::Ability;
use lyra_ratelimit::{Feedback, Quota, RateLimitError};
use tokio::time::Instant;

use crate::subject::{LONG, Subject, assert_on_time, one_a_unit, settle_down};

pub(crate) async fn what_was_not_used_is_there_again<S: Subject>() {
    let limiter: S = one_a_unit(8).await;
    let slot = limiter.reserve(&[("requests", 8)], LONG).await.unwrap();
    let start = Instant::now();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(3, LONG).await }
    });
    settle_down::<S>().await;
    S::settle(slot, &[("requests", 4)]).await.unwrap();
    waiting.await.unwrap().unwrap();
    if S::is_able(Ability::Refund) {
        assert!(start.elapsed() <= S::LATE * 4, "those who wait go sooner: {:?}", start.elapsed());
        assert_eq!(limiter.available().await, 1);
    } else {
        assert_on_time::<S>(start.elapsed(), 3.0);
    }
}

pub(crate) async fn what_was_used_beyond_is_paid_by_those_who_come_next<S: Subject>() {
    let limiter: S = one_a_unit(4).await;
    let start = Instant::now();
    let slot = limiter.reserve(&[("requests", 2)], LONG).await.unwrap();
    S::settle(slot, &[("requests", 7)]).await.unwrap();
    if S::is_able(Ability::Overdraft) {
        assert_eq!(limiter.available().await, 0);
        // Three are owed, and one is asked for.
        limiter.acquire(1, LONG).await.unwrap();
        assert_on_time::<S>(start.elapsed(), 4.0);
    } else {
        limiter.try_acquire(2).await.unwrap();
    }
}

pub(crate) async fn a_change_lets_those_who_wait_go_sooner<S: Subject>() {
    let limiter: S = one_a_unit(1).await;
    limiter.try_acquire(1).await.unwrap();
    let start = Instant::now();
    let waits: Vec<_> = (0..2)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(1, LONG).await })
        })
        .collect();
    settle_down::<S>().await;
    let faster = Quota::every(S::units(0.1)).with_burst(1);
    if !S::is_able(Ability::LiveChange) {
        return cannot_change(&limiter, faster).await;
    }
    limiter.set_quota("requests", faster).await.unwrap();
    for wait in waits {
        wait.await.unwrap().unwrap();
    }
    let late = S::LATE * 4;
    assert!(start.elapsed() <= S::units(0.2) + late, "{:?}", start.elapsed());
}

pub(crate) async fn a_change_tells_those_who_will_be_too_late<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    limiter.try_acquire(5).await.unwrap();
    let start = Instant::now();
    let spawn = |cost, within| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.acquire(cost, S::units(within)).await })
    };
    let (patient, hasty) = (spawn(1, 1_000_000.0), spawn(1, 3.0));
    settle_down::<S>().await;
    let (large, last) = (spawn(5, 1_000_000.0), spawn(1, 1_000_000.0));
    settle_down::<S>().await;
    let slower = Quota::every(S::units(100.0)).with_burst(4);
    if !S::is_able(Ability::LiveChange) {
        return cannot_change(&limiter, slower).await;
    }
    limiter.set_quota("requests", slower).await.unwrap();
    let error = hasty.await.unwrap().unwrap_err();
    assert!(matches!(error, RateLimitError::TimedOut { .. }), "{error:?}");
    assert!(error.retry_after().unwrap() >= S::units(3.0), "{error:?}");
    let error = large.await.unwrap().unwrap_err();
    assert!(matches!(error, RateLimitError::TooLarge { cost: 5, most: 4, .. }), "{error:?}");
    assert!(start.elapsed() <= S::LATE * 8, "told at once: {:?}", start.elapsed());
    patient.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
}

pub(crate) async fn what_was_taken_stays_taken_when_the_quota_changes<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    limiter.try_acquire(3).await.unwrap();
    let larger = Quota::every(S::units(10.0)).with_burst(9);
    if !S::is_able(Ability::LiveChange) {
        return cannot_change(&limiter, larger).await;
    }
    limiter.set_quota("requests", larger).await.unwrap();
    assert_eq!(limiter.available().await, 6, "a larger burst is there at once");
    assert_eq!(limiter.status().await.limits[0].quota, Some(larger));
    let error = limiter.set_quota("requests", Quota::per_minute(0)).await.unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.invalid");
    assert_eq!(limiter.available().await, 6, "nothing has changed");
}

pub(crate) async fn what_a_response_says_is_heeded<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    let seconds = S::units(20.0).as_secs().to_string();
    let headers = [("retry-after", seconds.as_str())];
    let feedback = Feedback::from_headers(429, headers, SystemTime::UNIX_EPOCH);
    let start = Instant::now();
    let learned = limiter.learn(&feedback).await;
    if S::is_able(Ability::Learn) {
        learned.unwrap();
        assert!(limiter.status().await.held_for >= S::units(20.0) - S::LATE);
        limiter.acquire(1, S::units(19.0)).await.unwrap_err();
        limiter.acquire(1, LONG).await.unwrap();
        assert_on_time::<S>(start.elapsed(), 20.0);
        assert_eq!(limiter.status().await.limits[0].pace_percent, 50);
    } else {
        assert_eq!(learned.unwrap_err().code().id(), "ratelimit.engine");
        limiter.try_acquire(5).await.unwrap();
    }
}

async fn cannot_change<S: Subject>(limiter: &S, quota: Quota) {
    let before = limiter.status().await.limits;
    let error = limiter.set_quota("requests", quota).await.unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.engine");
    assert!(!error.recovery().is_recoverable(), "it is not a matter of time");
    assert_eq!(limiter.status().await.limits, before);
}
