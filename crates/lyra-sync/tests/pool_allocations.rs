//! To take a resource and to give it back allocates nothing.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lyra_sync::{FnManager, PoolGuard, ResourcePool};

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

fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

#[test]
fn to_take_and_return_allocates_nothing() {
    let second = Duration::from_secs(1);
    let builder = || ResourcePool::builder(FnManager::new(|| 1_u64));
    let full = builder()
        .with_max_lifetime(second * 1_000)
        .with_idle_timeout(second * 1_000)
        .with_leak_threshold(second)
        .after_release(|_| lyra_sync::ResourceFate::Keep)
        .before_recycle(|_| lyra_sync::ResourceFate::Keep)
        .build()
        .unwrap();
    assert!(allocations(|| drop(black_box(Box::new(1)))) > 0, "the counter counts");
    for pool in [builder().build().unwrap(), full] {
        let all: Vec<_> = (0..10).map(|_| pool.acquire_blocking(second).unwrap()).collect();
        assert_eq!(allocations(|| all.into_iter().for_each(drop)), 0, "to give ten back");
        let count = allocations(|| {
            for _ in 0..100 {
                let mut acquire = pin!(pool.acquire(second));
                let mut context = Context::from_waker(Waker::noop());
                let Poll::Ready(guard) = acquire.as_mut().poll(&mut context) else {
                    panic!("one is idle");
                };
                drop(PoolGuard::into_owned(black_box(guard.unwrap())));
                drop(pool.try_acquire().unwrap());
                drop(pool.acquire_blocking(second).unwrap());
            }
        });
        assert_eq!(count, 0);
    }
}
