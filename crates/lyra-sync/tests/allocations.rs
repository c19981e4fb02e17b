//! A lock and a semaphore that are free allocate nothing; the feature that
//! watches the order of locks does, and is not for production.
#![cfg(not(feature = "lock-order"))]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "../../lyra-retry/tests/support/counting.rs"]
mod counting;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lyra_sync::{AsyncRwLock, Semaphore};

const LONG: Duration = Duration::from_secs(60);

/// How often `run` allocates once it has run before: a thread is known by its
/// name from then on, and async-lock has made what it makes when a lock is
/// given back for the first time.
fn allocations(mut run: impl FnMut()) -> u64 {
    run();
    counting::allocations(|| (0..100).for_each(|_| run()))
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is free"),
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 100);
}

#[test]
fn a_lock_that_is_free_allocates_nothing() {
    let lock = AsyncRwLock::named("emotion", 1);
    let count = allocations(|| {
        drop(now(lock.read(LONG)).unwrap());
        drop(now(lock.write(LONG)).unwrap());
        drop(now(lock.upgradable_read(LONG)).unwrap());
        drop(lock.read_blocking(LONG).unwrap());
        drop(lock.write_blocking(LONG).unwrap());
        drop(lock.try_read().unwrap());
        let upgraded = now(lock.upgradable_read_blocking(LONG).unwrap().upgrade(LONG)).unwrap();
        drop(upgraded.downgrade());
    });
    assert_eq!(count, 0);
}

#[test]
fn a_semaphore_that_has_permits_allocates_nothing() {
    let semaphore = Semaphore::named("downloads", 5);
    let count = allocations(|| {
        drop(now(semaphore.acquire()).unwrap());
        drop(now(semaphore.acquire_many(5)).unwrap());
        drop(semaphore.acquire_many_blocking(5).unwrap());
        drop(semaphore.try_acquire().unwrap());
    });
    assert_eq!(count, 0);
}
