//! What came back last is taken without the lock: nothing else shows of it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_sync::{FnManager, ResourcePool};

const SECOND: Duration = Duration::from_secs(1);

/// Slots of what is held, the longest first.
fn held(pool: &ResourcePool<impl lyra_sync::Manager>) -> Vec<usize> {
    pool.status().held.iter().map(|held| held.slot).collect()
}

#[test]
fn who_holds_longest_is_first_however_it_was_taken() {
    let pool = ResourcePool::from_fn(3, || ());
    let first = pool.acquire_blocking(SECOND).unwrap();
    let second = pool.acquire_blocking(SECOND).unwrap();
    assert_eq!(held(&pool), [0, 1]);
    drop(first);
    let first = pool.acquire_blocking(SECOND).unwrap();
    for _ in 0..3 {
        assert_eq!(held(&pool), [1, 0]);
        drop(pool.acquire_blocking(SECOND).unwrap());
    }
    drop(second);
    let second = pool.acquire_blocking(SECOND).unwrap();
    assert_eq!(held(&pool), [0, 1]);
    drop((first, second));
    let _first = pool.try_acquire().unwrap();
    let _second = pool.try_acquire().unwrap();
    assert_eq!(held(&pool), [1, 0], "what came back last is taken first");
}

#[test]
fn each_acquire_is_counted_and_each_resource_stands_somewhere() {
    let pool = ResourcePool::from_fn(2, || ());
    for round in 1..=10 {
        let guards = [(); 2].map(|()| pool.acquire_blocking(SECOND).unwrap());
        let status = pool.status();
        assert_eq!((status.size, status.in_use, status.idle), (2, 2, 0));
        let place = status.held[0].holder.as_ref().unwrap().location();
        assert!(place.file().ends_with("pool_hot.rs"));
        drop(guards);
        drop(pool.try_acquire().unwrap());
        let status = pool.status();
        assert_eq!((status.size, status.in_use, status.idle), (2, 0, 2));
        assert_eq!(status.counts.acquired, 3 * round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leak_threshold_counts_from_each_acquire() {
    let builder = ResourcePool::builder(FnManager::new(|| ()));
    let pool = builder.with_leak_threshold(SECOND).build().unwrap();
    for _ in 0..3 {
        let guard = pool.acquire(SECOND).await.unwrap();
        tokio::time::advance(SECOND).await;
        let long_held = pool.long_held();
        assert_eq!(long_held[0].held_for, Some(SECOND));
        drop(guard);
    }
}

#[test]
fn to_close_destroys_what_came_back_last() {
    let pool = ResourcePool::from_fn(2, || ());
    for _ in 0..3 {
        drop(pool.acquire_blocking(SECOND).unwrap());
    }
    pool.close_blocking(Duration::ZERO).unwrap();
    let status = pool.status();
    assert_eq!((status.size, status.counts.destroyed), (0, 1));
}
