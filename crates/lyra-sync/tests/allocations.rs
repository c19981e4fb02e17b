//! A lock and a semaphore that are free allocate nothing; the feature that
//! watches the order of locks does, and is not for production.
#![cfg(not(feature = "lock-order"))]
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lyra_sync::{AsyncRwLock, Semaphore};

const LONG: Duration = Duration::from_secs(60);

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; the
// counter is a constant-initialised thread-local, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, so from the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `run` allocates once it has run before: a thread is known by its
/// name from then on, and async-lock has made what it makes when a lock is
/// given back for the first time.
fn allocations(mut run: impl FnMut()) -> u64 {
    run();
    let before = COUNT.get();
    (0..100).for_each(|_| run());
    COUNT.get() - before
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
