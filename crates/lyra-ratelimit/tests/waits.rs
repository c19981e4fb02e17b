//! Waiting in line, on tokio's paused clock: never early, hardly late, in
//! order, and not for ever.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyra_errors::Classify;
use lyra_ratelimit::{Feedback, LimitSet, Limits, Quota, RateLimitError, RateLimiter, TokioClock};
use tokio::task::JoinSet;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(3_600);

fn limiter(quota: Quota) -> RateLimiter<TokioClock> {
    RateLimiter::builder(quota).with_clock(TokioClock::new()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_are_never_early_and_less_than_a_millisecond_late() {
    // An interval of 7.3 ms, so that most turns fall between the timer's steps.
    let interval = Duration::from_micros(7_300);
    let limiter = limiter(Quota::every(interval));
    let start = Instant::now();
    let grants = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for index in 0..1_000 {
        let (limiter, grants) = (limiter.clone(), Arc::clone(&grants));
        tasks.spawn(async move {
            limiter.acquire(LONG).await.unwrap();
            grants.lock().unwrap().push((index, start.elapsed()));
        });
        tokio::task::yield_now().await; // it is in line
    }
    tasks.join_all().await;
    let grants = grants.lock().unwrap();
    let mut last = None;
    for (place, (index, at)) in grants.iter().enumerate() {
        assert_eq!(place, *index, "out of order");
        // A grant that came late puts off the next: that is not oversold.
        let due = last.map_or(Duration::ZERO, |last| last + interval);
        assert!(*at >= due, "{index} came {:?} early", due - *at);
        assert!(*at - due < Duration::from_millis(1), "{index} came {:?} late", *at - due);
        last = Some(*at);
    }
    assert_eq!(grants.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_up_for_the_timer() {
    let limiter = limiter(Quota::per_second(1_000).with_burst(10));
    let start = Instant::now();
    for _ in 0..10_010 {
        limiter.acquire(LONG).await.unwrap();
    }
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(10) && elapsed <= Duration::from_millis(10_001));
}

#[tokio::test(start_paused = true)]
async fn a_heavy_caller_is_served_in_its_turn_beside_light_ones() {
    let limiter = limiter(Quota::per_second(100).with_burst(40));
    let mut light = JoinSet::new();
    for _ in 0..8 {
        let limiter = limiter.clone();
        light.spawn(async move {
            loop {
                limiter.acquire(LONG).await.unwrap();
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(5)).await; // tidy: sleep - the clock is paused
    for _ in 0..20 {
        let start = Instant::now();
        limiter.acquire_n(40, LONG).await.unwrap();
        // Eight are before it in line, and its own forty: 48 tokens.
        let ideal = Duration::from_millis(480);
        assert!(start.elapsed() <= ideal.mul_f64(1.1), "it took {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_be_served_in_time_is_told_so_at_once() {
    let limiter = limiter(Quota::per_second(1).with_burst(1));
    limiter.try_acquire().unwrap();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(LONG).await }
    });
    tokio::task::yield_now().await;

    let start = Instant::now();
    let error = limiter.acquire(Duration::from_millis(1_999)).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)), "one is before it: {error}");
    assert!(matches!(error, RateLimitError::TooLate { .. }));
    limiter.acquire(Duration::from_secs(2)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let limiter = limiter(Quota::per_second(1).with_burst(3));
    limiter.try_acquire_n(3).unwrap();
    let heavy = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_n(3, LONG).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await; // tidy: sleep - the clock is paused
    assert_eq!(limiter.available(), 2);
    let error = limiter.try_acquire().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)), "after the heavy one");
    heavy.await.unwrap().unwrap();
    assert_eq!(limiter.status().granted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_nobody_polls_holds_up_nobody_for_long() {
    let limiter = limiter(Quota::per_second(10).with_burst(1));
    limiter.try_acquire().unwrap();
    let mut silent = Box::pin(limiter.acquire(LONG));
    assert!(poll_once(&mut silent).is_none());

    let start = Instant::now();
    limiter.acquire(LONG).await.unwrap();
    // Its turn would be after 0.2 s; the grace is a tenth of a second, twice.
    assert_eq!(start.elapsed(), Duration::from_millis(400));
    for _ in 0..3 {
        limiter.acquire(LONG).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::from_millis(700), "the others go on at full speed");

    // Polled again it is first, and it was charged nothing before.
    silent.await.unwrap();
    assert_eq!(limiter.status().granted, 6);
}

#[tokio::test(start_paused = true)]
async fn many_futures_that_nobody_polls_hold_up_nobody_for_long_either() {
    for silent in [2, 5, 20, 200] {
        let limiter = limiter(Quota::per_second(100).with_burst(1));
        limiter.try_acquire().unwrap();
        let futures: Vec<_> = (0..silent)
            .map(|_| {
                let mut future = Box::pin(limiter.acquire(LONG));
                assert!(poll_once(&mut future).is_none());
                future
            })
            .collect();
        let start = Instant::now();
        limiter.acquire(LONG).await.unwrap();
        // Its own turn is behind all of theirs.
        let turn = Duration::from_millis(10 * (silent + 1));
        let late = start.elapsed() - turn;
        assert!(late <= Duration::from_secs(2), "{silent} silent ones: {late:?}");
        drop(futures);
        assert_eq!(limiter.status().waiting, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn waiters_whose_time_was_up_long_ago_do_not_count() {
    let limiter = limiter(Quota::per_second(10).with_burst(1));
    limiter.try_acquire().unwrap();
    let mut forgotten: Vec<_> =
        (0..100).map(|_| Box::pin(limiter.acquire(Duration::from_secs(11)))).collect();
    for future in &mut forgotten {
        assert!(poll_once(future).is_none());
    }
    tokio::time::sleep(Duration::from_secs(600)).await; // tidy: sleep - the clock is paused
    let start = Instant::now();
    limiter.acquire(Duration::from_secs(5)).await.unwrap();
    assert!(start.elapsed() <= Duration::from_millis(200), "{:?}", start.elapsed());
    let error = forgotten.pop().unwrap().await.unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.timed_out", "its time is up when it looks again");
}

#[tokio::test(start_paused = true)]
async fn what_happens_meanwhile_gives_a_silent_one_no_more_time() {
    let limiter = limiter(Quota::per_second(1_000).with_burst(10));
    limiter.try_acquire_n(10).unwrap();
    let mut silent = Box::pin(limiter.acquire_n(10, LONG));
    assert!(poll_once(&mut silent).is_none());
    let busy = tokio::spawn({
        let limiter = limiter.clone();
        async move {
            for round in 0.. {
                tokio::time::sleep(Duration::from_millis(30)).await; // tidy: sleep - the clock is paused
                match round % 3 {
                    0 => limiter.set_quota(limiter.quota()).unwrap(),
                    1 => limiter.learn(&Feedback::from_headers(
                        200,
                        [("x-ratelimit-remaining", "1000")],
                        std::time::SystemTime::now(),
                    )),
                    _ => drop(limiter.reserve_n(1)),
                }
            }
        }
    });
    let start = Instant::now();
    limiter.acquire(Duration::from_secs(20)).await.unwrap();
    assert!(start.elapsed() <= Duration::from_millis(600), "{:?}", start.elapsed());
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_a_silent_one_does_not_take_goes_to_the_next() {
    let limits = Limits::new().with_slots("connections", 1);
    let set = LimitSet::builder(limits).with_clock(TokioClock::new()).build().unwrap();
    let permit = set.try_enter(&[]).unwrap();
    let mut silent = Box::pin(set.enter(&[], LONG));
    assert!(poll_once(&mut silent).is_none());
    let next = tokio::spawn({
        let set = set.clone();
        async move { set.enter(&[], LONG).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_secs(60)).await; // tidy: sleep - the clock is paused
    let start = Instant::now();
    drop(permit);
    next.await.unwrap().unwrap();
    assert!(start.elapsed() <= Duration::from_millis(200), "{:?}", start.elapsed());
    drop(silent.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_silent_one_that_has_become_too_large_is_told_so_when_it_looks() {
    for quota in [Quota::per_second(10), Quota::per_second(10).strict()] {
        let limiter = limiter(quota);
        limiter.try_acquire_n(10).unwrap();
        let mut silent = Box::pin(limiter.acquire_n(10, LONG));
        assert!(poll_once(&mut silent).is_none());
        tokio::time::sleep(Duration::from_secs(5)).await; // tidy: sleep - the clock is paused
        limiter.acquire(LONG).await.unwrap(); // passes it
        let smaller = Quota::per_second(5);
        limiter.set_quota(if quota.is_strict() { smaller.strict() } else { smaller }).unwrap();
        let error = silent.await.unwrap_err();
        assert!(matches!(error, RateLimitError::TooLarge { cost: 10, most: 5, .. }), "{error:?}");
        limiter.acquire(Duration::from_secs(2)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn many_silent_ones_hold_up_a_slot_for_no_longer_than_one() {
    for silent in [3, 4, 9, 200] {
        let limits = Limits::new().with_slots("connections", 1);
        let set = LimitSet::builder(limits).with_clock(TokioClock::new()).build().unwrap();
        let permit = set.try_enter(&[]).unwrap();
        let mut futures: Vec<_> = (0..silent).map(|_| Box::pin(set.enter(&[], LONG))).collect();
        assert!(futures.iter_mut().all(|future| poll_once(future).is_none()));
        let live = tokio::spawn({
            let set = set.clone();
            async move { set.enter(&[], LONG).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_secs(60)).await; // tidy: sleep - the clock is paused
        let start = Instant::now();
        drop(permit);
        live.await.unwrap().unwrap();
        assert!(start.elapsed() <= Duration::from_secs(1), "{silent}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn silent_ones_hold_up_nobody_when_the_first_leaves() {
    let limiter = limiter(Quota::per_second(1).with_burst(20));
    limiter.try_acquire_n(20).unwrap();
    let mut first = Box::pin(limiter.acquire_n(20, LONG));
    assert!(poll_once(&mut first).is_none());
    let mut silent = [Box::pin(limiter.acquire(LONG)), Box::pin(limiter.acquire(LONG))];
    assert!(silent.iter_mut().all(|future| poll_once(future).is_none()));
    let start = Instant::now();
    let last = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(LONG).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await; // tidy: sleep - the clock is paused
    drop(first);
    last.await.unwrap().unwrap();
    assert!(start.elapsed() <= Duration::from_millis(3_300), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_time_out_together_take_no_time() {
    let limits = Limits::new().with_slots("connections", 1);
    let set = LimitSet::builder(limits).with_clock(TokioClock::new()).build().unwrap();
    let _permit = set.try_enter(&[]).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..10_000 {
        let set = set.clone();
        tasks.spawn(async move { set.enter(&[], Duration::from_secs(1)).await.is_err() });
    }
    let started = std::time::Instant::now();
    assert!(tasks.join_all().await.into_iter().all(|timed_out| timed_out));
    // It took minutes of quadratic work here, unoptimised, and takes a blink.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_those_who_wait() {
    let limiter = limiter(Quota::per_hour(1).with_burst(1));
    limiter.try_acquire().unwrap();
    let start = Instant::now();
    let patient = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(LONG).await }
    });
    tokio::task::yield_now().await;
    limiter.set_quota(Quota::per_second(10).with_burst(1)).unwrap();
    patient.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(100));

    let late = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(Duration::from_secs(10)).await }
    });
    tokio::task::yield_now().await;
    limiter.set_quota(Quota::per_hour(1).with_burst(1)).unwrap();
    let error = late.await.unwrap().unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_millis(100), "it is told at once");
    assert!(matches!(error, RateLimitError::TimedOut { retry_after: Some(_), .. }), "{error:?}");

    let large = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_n(5, LONG).await }
    });
    limiter.set_quota(Quota::per_hour(10).with_burst(5)).unwrap();
    tokio::task::yield_now().await;
    limiter.set_quota(Quota::per_hour(10).with_burst(4)).unwrap();
    let error = large.await.unwrap().unwrap_err();
    assert!(matches!(error, RateLimitError::TooLarge { cost: 5, most: 4, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_does_not_come_free_ends_in_a_timeout() {
    let set = LimitSet::builder(Limits::new().with_slots("connections", 1))
        .named("arxiv")
        .with_clock(TokioClock::new())
        .build()
        .unwrap();
    let permit = set.try_enter(&[]).unwrap();
    let start = Instant::now();
    let error = set.enter(&[], Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(error.to_string(), "arxiv: the turn did not come within 3s");
    assert_eq!(error.code().id(), "ratelimit.timed_out");

    let next = tokio::spawn({
        let set = set.clone();
        async move { set.enter(&[], LONG).await.map(drop) }
    });
    tokio::task::yield_now().await;
    drop(permit);
    next.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3), "a free slot calls the next");
}

#[test]
fn threads_and_tasks_stand_in_one_line() {
    // In real time: a thread cannot be paused. The order is what counts.
    let limiter = RateLimiter::per_second(50).with_burst(1).build().unwrap();
    limiter.try_acquire().unwrap();
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let (limiter, order) = (&limiter, &order);
        for index in 0..20 {
            scope.spawn(move || {
                let granted = match index % 2 {
                    0 => limiter.acquire_blocking(LONG),
                    _ => runtime().block_on(limiter.acquire(LONG)),
                };
                order.lock().unwrap().push(index);
                granted.unwrap();
            });
            while limiter.status().waiting + order.lock().unwrap().len() <= index {
                std::thread::yield_now();
            }
        }
    });
    let order = order.into_inner().unwrap();
    // One that is slow to write after its grant may come after the next.
    let is_close = |(place, index): (usize, &usize)| place.abs_diff(*index) <= 1;
    assert!(order.iter().enumerate().all(is_close), "{order:?}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
