//! Whoever leaves, at whatever moment, has taken nothing and holds up nobody.

use std::pin::pin;
use std::task::Poll;

use lyra_ratelimit::engine::Ability;
use tokio::time::Instant;

use crate::subject::{LONG, Subject, assert_on_time, one_a_unit, settle_down};

/// Polls `future` up to `polls` times, each as soon as it is woken, and drops
/// it; whether it was done before.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut count = 0;
    std::future::poll_fn(|context| {
        if count == polls {
            return Poll::Ready(None);
        }
        count += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

pub(crate) async fn dropped_at_any_poll_a_wait_has_taken_nothing<S: Subject>() {
    let mut was_done = false;
    for polls in 0..16 {
        let limiter: S = one_a_unit(4).await;
        limiter.try_acquire(4).await.unwrap();
        let first = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(2, LONG).await }
        });
        settle_down::<S>().await;
        let mut granted = 2;
        for _ in 0..3 {
            let limiter = limiter.clone();
            let done = drop_after(polls, limiter.acquire(3, LONG)).await;
            was_done |= done.is_some();
            granted += u64::from(done.is_some());
        }
        first.await.unwrap().unwrap();
        S::pass(0.0).await;
        settle_down::<S>().await;
        let status = limiter.status().await;
        assert_eq!(status.waiting, 0, "after {polls} polls nobody is left in line");
        assert_eq!(status.granted, granted, "after {polls} polls");
        // In the time in which all that was granted comes back, all is there.
        S::pass(4.0).await;
        if S::is_able(Ability::Refund) {
            assert_eq!(limiter.available().await, 4, "after {polls} polls nothing is missing");
        }
        limiter.try_acquire(4).await.unwrap();
    }
    assert!(was_done, "16 polls are enough to be granted");
}

pub(crate) async fn many_cancelled_waits_cost_not_one_token<S: Subject>() {
    let limiter: S = one_a_unit(20).await;
    limiter.try_acquire(20).await.unwrap();
    let start = Instant::now();
    let waits: Vec<_> = (0..50)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(1, LONG).await })
        })
        .collect();
    settle_down::<S>().await;
    assert_eq!(limiter.status().await.waiting, 50);
    for wait in waits {
        wait.abort();
        assert!(wait.await.unwrap_err().is_cancelled());
    }
    assert_eq!(limiter.status().await.waiting, 0);
    tokio::time::sleep_until(start + S::units(10.5)).await;
    assert_eq!(limiter.available().await, 10);
}

pub(crate) async fn the_next_in_line_goes_when_the_first_one_leaves<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    limiter.try_acquire(5).await.unwrap();
    let start = Instant::now();
    let spawn = |cost| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.acquire(cost, LONG).await })
    };
    let (heavy, light) = (spawn(5), spawn(1));
    tokio::time::sleep_until(start + S::units(2.5)).await;
    assert!(!light.is_finished(), "it stands behind the other");
    heavy.abort();
    light.await.unwrap().unwrap();
    assert_on_time::<S>(start.elapsed(), 2.5);
}

pub(crate) async fn a_cancelled_reservation_gives_all_back<S: Subject>() {
    let limiter: S = one_a_unit(5).await;
    let slot = limiter.reserve(&[("requests", 4)], LONG).await.unwrap();
    assert_eq!(limiter.available().await, 1);
    S::cancel(slot);
    settle_down::<S>().await;
    let expected = if S::is_able(Ability::Refund) { 5 } else { 1 };
    assert_eq!(limiter.available().await, expected);
}
