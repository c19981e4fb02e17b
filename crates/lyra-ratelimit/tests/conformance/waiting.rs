//! Waiting in line: in order, on time, and not in vain.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyra_ratelimit::engine::Ability;
use lyra_ratelimit::{Quota, RateLimitError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::subject::{LONG, Subject, assert_on_time, one_a_unit, settle_down};

pub(crate) async fn waits_end_when_the_tokens_are_there<S: Subject>() {
    let limiter: S = one_a_unit(4).await;
    let start = Instant::now();
    limiter.acquire(4, LONG).await.unwrap();
    let mut due = 0;
    for cost in [1, 3, 2] {
        limiter.acquire(cost, LONG).await.unwrap();
        due += u32::try_from(cost).unwrap();
        assert_on_time::<S>(start.elapsed(), f64::from(due));
    }
}

pub(crate) async fn tasks_are_served_in_the_order_of_their_arrival<S: Subject>() {
    let limiter: S = one_a_unit(2).await;
    limiter.acquire(2, LONG).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for index in 0..40 {
        let (limiter, order) = (limiter.clone(), Arc::clone(&order));
        tasks.spawn(async move {
            limiter.acquire(1 + index % 2, LONG).await.unwrap();
            order.lock().unwrap().push(index);
        });
        tokio::task::yield_now().await; // it is in line
    }
    tasks.join_all().await;
    assert_eq!(*order.lock().unwrap(), (0..40).collect::<Vec<_>>());
}

pub(crate) async fn a_heavy_caller_is_served_in_its_turn<S: Subject>() {
    let quota = Quota::new(10, S::UNIT).with_burst(20);
    let limiter = S::build(&[("requests", quota)]).await;
    let mut light = JoinSet::new();
    for _ in 0..4 {
        let limiter = limiter.clone();
        light.spawn(async move {
            loop {
                limiter.acquire(1, LONG).await.unwrap();
            }
        });
    }
    S::pass(5.0).await;
    for _ in 0..5 {
        let start = Instant::now();
        limiter.acquire(20, LONG).await.unwrap();
        // Four are before it in line, and its own twenty: 24 tokens.
        let ideal = S::units(2.4);
        assert!(start.elapsed() <= ideal.mul_f64(1.1), "it took {:?}", start.elapsed());
    }
}

pub(crate) async fn whoever_cannot_be_served_in_time_is_told_so_at_once<S: Subject>() {
    let limiter: S = one_a_unit(3).await;
    limiter.acquire(3, LONG).await.unwrap();
    let start = Instant::now();
    // Even by what an engine with lumps knows, this takes two units.
    let error = limiter.acquire(3, S::units(1.5)).await.unwrap_err();
    assert!(matches!(error, RateLimitError::TooLate { .. }), "{error:?}");
    assert!(start.elapsed() <= S::LATE, "{:?}", start.elapsed());
    assert!(error.retry_after().unwrap() >= S::units(2.0) - S::LATE);
    let error = limiter.acquire(1, Duration::ZERO).await.unwrap_err();
    assert!(error.retry_after().is_some() || S::LATE > Duration::from_millis(1), "{error:?}");
    limiter.acquire(1, S::units(1.0)).await.unwrap();
    assert!(start.elapsed() <= S::units(1.0) + S::LATE, "in time");
}

pub(crate) async fn a_wait_behind_others_is_foreseen<S: Subject>() {
    let limiter: S = one_a_unit(3).await;
    let start = Instant::now();
    limiter.acquire(3, LONG).await.unwrap();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(3, LONG).await }
    });
    settle_down::<S>().await;

    // Three are before it, so its one comes after four.
    let asked = Instant::now();
    let error = limiter.acquire(1, S::units(2.5)).await.unwrap_err();
    assert!(matches!(error, RateLimitError::TooLate { .. }), "{error:?}");
    assert!(asked.elapsed() <= S::LATE, "{:?}", asked.elapsed());
    let told = error.retry_after().unwrap() + (asked - start);
    if S::is_able(Ability::ExactWait) {
        assert!(told.abs_diff(S::units(4.0)) <= S::LATE, "{told:?}");
    } else {
        assert!(told >= S::units(3.0) && told <= S::units(4.0) + S::LATE, "{told:?}");
    }
    limiter.acquire(1, S::units(4.0)).await.unwrap();
    assert_on_time::<S>(start.elapsed(), 4.0);
    waiting.await.unwrap().unwrap();
}

pub(crate) async fn nobody_overtakes_those_who_wait<S: Subject>() {
    let limiter: S = one_a_unit(3).await;
    limiter.acquire(3, LONG).await.unwrap();
    let heavy = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(3, LONG).await }
    });
    S::pass(2.2).await;
    assert_eq!(limiter.available().await, 2, "they are there, for the first in line");
    let error = limiter.try_acquire(1).await.unwrap_err();
    let told = error.retry_after().unwrap();
    assert!(told > Duration::ZERO && told <= S::units(1.8), "{told:?}");
    heavy.await.unwrap().unwrap();
    assert_eq!(limiter.status().await.granted, 2);
}

pub(crate) async fn a_future_that_nobody_polls_holds_up_nobody_for_long<S: Subject>() {
    let limiter: S = one_a_unit(1).await;
    limiter.try_acquire(1).await.unwrap();
    let start = Instant::now();
    let mut silent = Box::pin(limiter.acquire(1, LONG));
    let first =
        std::future::poll_fn(|context| std::task::Poll::Ready(silent.as_mut().poll(context)));
    assert!(first.await.is_pending());

    limiter.acquire(1, LONG).await.unwrap();
    // Its turn would have come after the other's, and then there is the grace.
    let within = S::units(2.0) + Duration::from_millis(100) + S::LATE;
    assert!(start.elapsed() <= within, "{:?}", start.elapsed());
    limiter.acquire(1, LONG).await.unwrap();
    assert!(start.elapsed() <= within + S::units(1.0), "{:?}", start.elapsed());
    // Polled again it is first.
    silent.await.unwrap();
    assert!(start.elapsed() <= within + S::units(2.0), "{:?}", start.elapsed());
}

pub(crate) async fn the_status_tells_how_it_stands<S: Subject>() {
    let limiter: S = one_a_unit(3).await;
    limiter.try_acquire(3).await.unwrap();
    let status = limiter.status().await;
    assert_eq!((status.granted, status.refused, status.waiting), (1, 0, 0));
    assert_eq!((status.limits[0].available, status.limits[0].burst), (0, 3));
    assert_eq!(status.limits[0].quota, Some(Quota::every(S::UNIT).with_burst(3)));
    assert!(status.next_free <= S::UNIT && status.held_for.is_zero());
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(2, LONG).await }
    });
    settle_down::<S>().await;
    limiter.try_acquire(1).await.unwrap_err();
    let status = limiter.status().await;
    assert_eq!((status.granted, status.refused, status.waiting), (1, 1, 1));
    assert!(status.next_free >= S::units(1.5), "behind the other: {:?}", status.next_free);
    waiting.await.unwrap().unwrap();
}
