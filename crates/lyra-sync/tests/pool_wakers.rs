//! Wakers are code of others: they may panic, and use the pool as they are
//! called or dropped.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use lyra_sync::{PoolGuard, ResourcePool};
use pool_support::{LONG, Scripted, World, secs};

type Pool = ResourcePool<Scripted>;

fn pool(max_size: usize) -> Pool {
    ResourcePool::builder(Scripted(World::new())).with_max_size(max_size).build().unwrap()
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Fails where the run does not end: a pool that locks itself hangs its
/// thread.
fn ends(run: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        run();
        done.send(()).unwrap();
    });
    ended.recv_timeout(secs(60)).expect("it ends");
}

/// Asks the pool how it is when it is called, and when it is dropped.
struct Curious {
    pool: Pool,
    calls: Arc<AtomicUsize>,
}

impl Curious {
    fn waker(pool: &Pool, calls: &Arc<AtomicUsize>) -> Waker {
        Waker::from(Arc::new(Self { pool: pool.clone(), calls: Arc::clone(calls) }))
    }
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        drop(self.pool.status());
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        drop(self.pool.status());
    }
}

#[test]
fn a_waker_that_is_replaced_or_left_behind_may_use_the_pool() {
    ends(|| {
        let (pool, calls) = (pool(1), Arc::default());
        let held = PoolGuard::into_owned(pool.acquire_blocking(secs(1)).unwrap());
        let mut wait = Box::pin(pool.acquire(LONG));
        assert!(poll(wait.as_mut(), &Curious::waker(&pool, &calls)).is_pending());
        assert!(poll(wait.as_mut(), &Curious::waker(&pool, &calls)).is_pending());
        drop(wait);
        drop(held);
        assert_eq!(calls.load(Ordering::SeqCst), 0, "nobody called who had left");
    });
}

#[test]
fn a_waker_that_is_called_may_use_the_pool() {
    ends(|| {
        let (pool, calls) = (pool(1), Arc::default());
        let held = PoolGuard::into_owned(pool.acquire_blocking(secs(1)).unwrap());
        let mut first = Box::pin(pool.acquire(LONG));
        let mut second = Box::pin(pool.acquire(LONG));
        assert!(poll(first.as_mut(), &Curious::waker(&pool, &calls)).is_pending());
        assert!(poll(second.as_mut(), &Curious::waker(&pool, &calls)).is_pending());
        drop(held);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        drop(first);
        assert_eq!(calls.load(Ordering::SeqCst), 2, "what it was handed went on");
        pool.close_blocking(secs(0)).unwrap_err();
        assert!(poll(second.as_mut(), Waker::noop()).is_ready());
    });
}

#[test]
fn who_waits_for_a_closed_pool_to_be_empty_leaves_one_call_behind_and_takes_it_along() {
    ends(|| {
        let (pool, calls) = (pool(1), Arc::default());
        let held = PoolGuard::into_owned(pool.acquire_blocking(secs(1)).unwrap());
        let mut close = Box::pin(pool.close(LONG));
        let first = Arc::new(Curious { pool: pool.clone(), calls: Arc::clone(&calls) });
        let waker = Waker::from(Arc::clone(&first));
        for _ in 0..100 {
            assert!(poll(close.as_mut(), &waker).is_pending());
        }
        assert!(Arc::strong_count(&first) <= 4, "it does not grow with each poll");
        assert!(poll(close.as_mut(), &Curious::waker(&pool, &calls)).is_pending());
        drop(waker);
        drop(close);
        assert_eq!(Arc::strong_count(&first), 1, "it left nothing behind");
        let mut close = Box::pin(pool.close(LONG));
        assert!(poll(close.as_mut(), &Waker::from(first)).is_pending());
        drop(held);
        assert_eq!(calls.load(Ordering::SeqCst), 1, "it was called at the end");
        assert!(poll(close.as_mut(), Waker::noop()).is_ready());
    });
}

/// Panics when it is called, with what panics when it is dropped.
struct Bad;

struct Worse;

impl Drop for Worse {
    fn drop(&mut self) {
        panic!("as a test wants it");
    }
}

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        std::panic::panic_any(Worse);
    }
}

#[test]
fn a_waker_that_panics_takes_nothing_from_the_others_nor_from_who_calls() {
    ends(|| {
        let (pool, calls) = (pool(1), Arc::default());
        let held = PoolGuard::into_owned(pool.acquire_blocking(secs(1)).unwrap());
        let mut first = Box::pin(pool.acquire(LONG));
        let mut second = Box::pin(pool.acquire(LONG));
        assert!(poll(first.as_mut(), &Waker::from(Arc::new(Bad))).is_pending());
        assert!(poll(second.as_mut(), &Curious::waker(&pool, &calls)).is_pending());
        assert!(pool.close_blocking(secs(0)).is_err(), "one is still out");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "the other one was called all the same");
        drop(held);
        assert!(poll(first.as_mut(), Waker::noop()).is_ready());
        assert_eq!(pool.status().size, 0);
    });
}
