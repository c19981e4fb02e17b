//! To take a resource and to give it back allocates nothing.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "../../lyra-retry/tests/support/counting.rs"]
mod counting;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use counting::allocations;
use lyra_sync::{FnManager, PoolGuard, ResourcePool};

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
