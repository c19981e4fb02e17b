//! Several limits as one, and strict windows.

use std::collections::VecDeque;

use lyra_ratelimit::Quota;
use lyra_ratelimit::engine::Ability;
use tokio::time::Instant;

use crate::subject::{LONG, Subject, assert_on_time};

async fn requests_and_tokens<S: Subject>() -> Option<S> {
    if !S::is_able(Ability::SeveralLimits) {
        // There is no way to ask it for two, so it has one.
        let one = S::build(&[("requests", Quota::every(S::UNIT))]).await;
        assert_eq!(one.status().await.limits.len(), 1);
        return None;
    }
    let requests = Quota::every(S::UNIT).with_burst(3);
    let tokens = Quota::new(10, S::UNIT).with_burst(50);
    Some(S::build(&[("requests", requests), ("tokens", tokens)]).await)
}

async fn left<S: Subject>(limiter: &S) -> Vec<u64> {
    limiter.status().await.limits.iter().map(|limit| limit.available).collect()
}

pub(crate) async fn a_call_is_charged_to_all_limits_or_to_none<S: Subject>() {
    let Some(limiter) = requests_and_tokens::<S>().await else { return };
    let slot = limiter.reserve(&[("tokens", 40)], LONG).await.unwrap();
    assert_eq!(left(&limiter).await, [2, 10]);
    let short = S::units(1.0);
    assert!(limiter.reserve(&[("tokens", 40)], short).await.is_err());
    assert!(limiter.reserve(&[("requests", 3)], short / 2).await.is_err());
    assert_eq!(left(&limiter).await[0], 2, "a refusal takes nothing of any limit");
    S::settle(slot, &[("tokens", 30)]).await.unwrap();
    assert!(left(&limiter).await[1] >= 20);
    let unknown = limiter.reserve(&[("cats", 1)], LONG).await.err().unwrap();
    assert_eq!(unknown.to_string(), "there is no limit named \"cats\"");
}

pub(crate) async fn a_wait_for_several_limits_is_that_of_the_slowest<S: Subject>() {
    let Some(limiter) = requests_and_tokens::<S>().await else { return };
    let start = Instant::now();
    drop(limiter.reserve(&[("tokens", 50)], LONG).await.map(S::cancel));
    crate::subject::settle_down::<S>().await;
    let begun = start.elapsed();
    assert_eq!(left(&limiter).await, [3, 50], "all limits take back");
    let slot = limiter.reserve(&[("tokens", 50)], LONG).await.unwrap();
    S::settle(slot, &[("tokens", 50)]).await.unwrap();
    let slot = limiter.reserve(&[("tokens", 20)], LONG).await.unwrap();
    let elapsed = start.elapsed() - begun;
    assert_on_time::<S>(elapsed, 2.0);
    S::settle(slot, &[("tokens", 20)]).await.unwrap();
    let error = limiter.reserve(&[("requests", 3), ("tokens", 11)], S::units(0.5)).await;
    assert!(error.is_err());
}

pub(crate) async fn no_window_of_a_strict_limit_sees_more_than_its_amount<S: Subject>() {
    let quota = Quota::new(5, S::units(10.0)).strict();
    if !S::is_able(Ability::StrictWindow) {
        let limiter = S::build(&[("requests", Quota::new(5, S::units(10.0)))]).await;
        let mut count = 0;
        let start = Instant::now();
        while start.elapsed() < S::units(10.0) {
            limiter.acquire(1, LONG).await.unwrap();
            count += 1;
        }
        assert!(count > 5, "a bucket lets its burst and its stream through");
        return;
    }
    let limiter = S::build(&[("requests", quota)]).await;
    let mut window: VecDeque<(Instant, u64)> = VecDeque::new();
    let mut used = 0;
    for step in 0..60_u32 {
        let cost = u64::from(1 + step % 3);
        let before = Instant::now();
        limiter.acquire(cost, LONG).await.unwrap();
        let now = Instant::now();
        // It was granted somewhere between, as seen from here.
        while window.front().is_some_and(|(at, _)| *at + S::units(10.0) + S::LATE <= before) {
            used -= window.pop_front().unwrap().1;
        }
        window.push_back((now, cost));
        used += cost;
        let oldest = window.front().unwrap().0;
        assert!(used <= 5 || now - oldest >= S::units(10.0) - S::LATE, "{used} at {step}");
        S::pass(f64::from(step % 7) * 0.3).await;
    }
}
