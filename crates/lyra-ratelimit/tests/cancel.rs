//! A wait that is given up, at whatever moment, has taken nothing and holds
//! up nobody.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lyra_ratelimit::{LimitSet, Limits, Quota, RateLimiter, TokioClock};

const LONG: Duration = Duration::from_secs(3_600);

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

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_an_acquire_has_taken_nothing() {
    for polls in 0..6 {
        let limiter = RateLimiter::per_second(10)
            .with_burst(4)
            .with_clock(TokioClock::new())
            .build()
            .unwrap();
        limiter.try_acquire_n(4).unwrap();
        let first = limiter.clone();
        let first = tokio::spawn(async move { first.acquire_n(2, LONG).await });
        let mut granted = 2;
        for _ in 0..3 {
            let limiter = limiter.clone();
            let dropped =
                tokio::spawn(async move { drop_after(polls, limiter.acquire_n(3, LONG)).await });
            granted += u64::from(dropped.await.unwrap().is_some());
        }
        first.await.unwrap().unwrap();
        assert_eq!(limiter.status().granted, granted, "after {polls} polls");
        tokio::time::sleep(Duration::from_secs(1)).await; // tidy: sleep - the clock is paused
        assert_eq!(limiter.available(), 4, "after {polls} polls nothing is missing");
        assert_eq!(limiter.status().waiting, 0, "after {polls} polls nobody is left in line");
        limiter.try_acquire_n(4).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_cancelled_waits_cost_not_one_token() {
    let limiter =
        RateLimiter::per_second(100).with_burst(50).with_clock(TokioClock::new()).build().unwrap();
    limiter.try_acquire_n(50).unwrap();
    let waits: Vec<_> = (0..50)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire(LONG).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(limiter.status().waiting, 50);
    for wait in waits {
        wait.abort();
        assert!(wait.await.unwrap_err().is_cancelled());
    }
    tokio::time::sleep(Duration::from_millis(500)).await; // tidy: sleep - the clock is paused
    assert_eq!(limiter.available(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_next_in_line_is_called_when_the_first_one_goes() {
    struct Calls(AtomicUsize);
    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let limiter =
        RateLimiter::per_second(1).with_burst(5).with_clock(TokioClock::new()).build().unwrap();
    limiter.try_acquire_n(5).unwrap();
    let mut heavy = Box::pin(limiter.acquire_n(5, LONG));
    let mut light = Box::pin(limiter.acquire(LONG));
    let calls = Arc::new(Calls(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&calls));
    let mut context = Context::from_waker(&waker);
    assert!(heavy.as_mut().poll(&mut context).is_pending());
    assert!(light.as_mut().poll(&mut context).is_pending());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(calls.0.load(Ordering::Relaxed), 0, "two tokens are not five");
    drop(heavy);
    assert_eq!(calls.0.load(Ordering::Relaxed), 1);
    assert!(light.as_mut().poll(&mut context).is_ready());
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_an_enter_leaves_its_slot_free() {
    for polls in 0..6 {
        let limits = Limits::from(Quota::per_second(10).with_burst(1)).with_slots("slots", 1);
        let set = LimitSet::builder(limits).with_clock(TokioClock::new()).build().unwrap();
        let held = set.try_enter(&[]).unwrap();
        let waiting = tokio::spawn({
            let set = set.clone();
            async move { drop_after(polls, set.enter(&[], LONG)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(held);
        waiting.await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await; // tidy: sleep - the clock is paused
        let permit = set.try_enter(&[]);
        assert!(permit.is_ok(), "after {polls} polls: {permit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_always_works() {
    let limiter = RateLimiter::per_hour(1).with_clock(TokioClock::new()).build().unwrap();
    limiter.try_acquire().unwrap();
    let outer = tokio::time::timeout(Duration::from_secs(1), limiter.acquire(LONG * 2)).await;
    assert!(outer.is_err());
    assert_eq!(limiter.status().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_ends_takes_its_waiters_along() {
    let limiter = RateLimiter::per_hour(1).build().unwrap();
    limiter.try_acquire().unwrap();
    let other = limiter.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.spawn(async move { other.acquire(LONG * 2).await });
        runtime.block_on(tokio::task::yield_now());
    })
    .join()
    .unwrap();
    assert_eq!(limiter.status().waiting, 0);
}

#[test]
fn a_reservation_and_a_permit_that_are_dropped_give_back() {
    let limiter = RateLimiter::per_hour(10).build().unwrap();
    drop(limiter.reserve_n(10).unwrap());
    assert_eq!(limiter.available(), 10);
    let set =
        LimitSet::new(Limits::new().with("calls", Quota::per_hour(10)).with_slots("slots", 1))
            .unwrap();
    drop(set.try_enter(&[("calls", 3)]).unwrap());
    let left = |set: &LimitSet| set.status().limits.iter().map(|l| l.available).collect::<Vec<_>>();
    assert_eq!(left(&set), [7, 1], "the call was made, and is over");
    set.try_enter(&[("calls", 3)]).unwrap().cancel();
    assert_eq!(left(&set), [7, 1], "the call was not made");
}

#[test]
fn a_waker_that_panics_leaves_nobody_asleep() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            assert!(self.0.fetch_add(1, Ordering::Relaxed) > 0, "as a test wants it");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let limiter = RateLimiter::per_minute(60).with_burst(1).build().unwrap();
    limiter.try_acquire().unwrap();
    let wakers: Vec<_> = [0, 1, 1].map(|calls| Arc::new(Woken(AtomicUsize::new(calls)))).into();
    let mut waits: Vec<_> = wakers
        .iter()
        .map(|waker| {
            let mut wait = Box::pin(limiter.acquire(LONG));
            let waker = Waker::from(Arc::clone(waker));
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            wait
        })
        .collect();
    let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        limiter.set_quota(Quota::new(1, LONG * 24))
    }));
    assert!(changed.is_ok(), "the panic stays with the waker");
    let calls: Vec<_> = wakers.iter().map(|waker| waker.0.load(Ordering::Relaxed)).collect();
    assert_eq!(calls, [1, 2, 2], "all three were told that it will be too late");
    let mut context = Context::from_waker(Waker::noop());
    assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(&mut context).is_ready()));
}

#[test]
fn a_waker_whose_drop_comes_back_here_blocks_nobody() {
    struct Nosy(RateLimiter);
    impl Wake for Nosy {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            let _ = self.0.available();
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let limiter = RateLimiter::per_hour(1).build().unwrap();
    limiter.try_acquire().unwrap();
    let mut wait = Box::pin(limiter.acquire(LONG * 2));
    for _ in 0..3 {
        let waker = Waker::from(Arc::new(Nosy(limiter.clone())));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(wait);
    assert_eq!(limiter.status().waiting, 0);
}

#[test]
fn a_clock_that_panics_takes_only_its_caller_along() {
    #[derive(Clone)]
    struct Broken(Arc<AtomicBool>);
    impl lyra_ratelimit::Clock for Broken {
        fn now(&self) -> u64 {
            assert!(!self.0.load(Ordering::Relaxed), "as a test wants it");
            7
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let is_broken = Arc::new(AtomicBool::new(false));
    let limiter =
        RateLimiter::per_hour(3).with_clock(Broken(Arc::clone(&is_broken))).build().unwrap();
    let reservation = limiter.reserve_n(3).unwrap();
    let mut wait = Box::pin(limiter.acquire(LONG * 2));
    assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    is_broken.store(true, Ordering::Relaxed);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _reservation = reservation;
        let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }));
    assert!(polled.is_err());
    is_broken.store(false, Ordering::Relaxed);
    assert_eq!((limiter.status().waiting, limiter.available()), (0, 3));
}

#[test]
fn a_waker_that_panics_breaks_nothing() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("as a test wants it");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let limiter = RateLimiter::per_hour(1).build().unwrap();
    limiter.try_acquire().unwrap();
    let waker = Waker::from(Arc::new(Bad));
    let mut context = Context::from_waker(&waker);
    let mut wait: Pin<Box<_>> = Box::pin(limiter.acquire(LONG * 2));
    assert!(wait.as_mut().poll(&mut context).is_pending());
    let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        limiter.set_quota(Quota::per_hour(2))
    }));
    assert!(changed.is_ok());
    drop(wait);
    assert_eq!(limiter.status().waiting, 0);
    assert_eq!(limiter.quota(), Quota::per_hour(2));
    assert_eq!(limiter.try_acquire(), Ok(()), "what was taken of one is taken of two");
}
