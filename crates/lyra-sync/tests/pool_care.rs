//! Lifetimes, maintenance, leak reports, and the end of a pool.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyra_errors::Classify;
use lyra_sync::{PoolError, PoolGuard, ResourcePool, ResourcePoolBuilder};
use pool_support::{Act, LONG, Scripted, World, ms, secs, settle};
use tokio::time::{Instant, advance};

fn builder(world: &Arc<World>) -> ResourcePoolBuilder<Scripted> {
    ResourcePool::builder(Scripted(Arc::clone(world))).with_create_timeout(secs(5))
}

#[tokio::test(start_paused = true)]
async fn an_old_resource_is_neither_given_nor_kept() {
    let world = World::new();
    let pool = builder(&world).with_max_lifetime(secs(10)).build().unwrap();
    drop(pool.acquire(LONG).await.unwrap());
    advance(secs(10) - ms(1)).await;
    let guard = pool.acquire(LONG).await.unwrap();
    assert_eq!(guard.id, 0, "not before its time");
    advance(ms(1)).await;
    assert_eq!(guard.id, 0, "not while it is in use");
    drop(guard);
    assert_eq!((world.alive(), pool.status().counts.expired), (0, 1));
    drop(pool.acquire(LONG).await.unwrap());
    advance(secs(10)).await;
    assert!(pool.try_acquire().is_err(), "it is too old");
    assert_eq!((world.alive(), pool.status().counts.expired), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_for_too_long_goes_but_for_the_fewest() {
    let world = World::new();
    let pool = builder(&world).with_idle_timeout(secs(10)).with_min_idle(1).build().unwrap();
    let guards = (
        pool.acquire(LONG).await.unwrap(),
        pool.acquire(LONG).await.unwrap(),
        pool.acquire(LONG).await.unwrap(),
    );
    drop(guards);
    advance(secs(10) - ms(1)).await;
    pool.maintain_once().await;
    assert_eq!(pool.status().idle, 3, "not before its time");
    advance(ms(1)).await;
    pool.maintain_once().await;
    assert_eq!((pool.status().idle, world.alive(), world.created()), (1, 1, 3));
    assert_eq!(pool.try_acquire().unwrap().id, 2, "which was checked, and can be taken");
    advance(secs(10)).await;
    assert_eq!(pool.acquire(LONG).await.unwrap().id, 3, "without maintenance it is not");
}

#[tokio::test(start_paused = true)]
async fn the_fewest_idle_are_made_ahead_and_again() {
    let world = World::new();
    let pool = builder(&world).with_max_size(4).with_min_idle(3).build().unwrap();
    let maintenance = tokio::spawn(pool.maintain());
    settle().await;
    assert_eq!((pool.status().idle, world.created()), (3, 3));
    let held = [pool.try_acquire().unwrap(), pool.try_acquire().unwrap()];
    tokio::time::sleep(secs(31)).await; // tidy: sleep - the clock is paused
    assert_eq!((pool.status().idle, pool.status().size), (2, 4), "as far as there is room");
    drop(held);
    world.then_create([Act::Fail]);
    PoolGuard::mark_broken(&mut pool.try_acquire().unwrap());
    PoolGuard::mark_broken(&mut pool.try_acquire().unwrap());
    tokio::time::sleep(secs(30)).await; // tidy: sleep - the clock is paused
    assert_eq!(pool.status().idle, 2, "a failure is not hammered at");
    tokio::time::sleep(secs(30)).await; // tidy: sleep - the clock is paused
    assert_eq!(pool.status().idle, 3);
    let start = Instant::now();
    drop(pool);
    maintenance.await.unwrap();
    assert_eq!((world.alive(), start.elapsed()), (0, Duration::ZERO), "it ends at once");
}

#[tokio::test(start_paused = true)]
async fn idle_resources_are_checked_in_the_background() {
    let world = World::new();
    let pool = builder(&world).with_recycle_timeout(secs(1)).build().unwrap();
    let guards = (
        pool.acquire(LONG).await.unwrap(),
        pool.acquire(LONG).await.unwrap(),
        pool.acquire(LONG).await.unwrap(),
    );
    drop(guards);
    pool.maintain_once().await;
    assert_eq!(pool.acquire(LONG).await.unwrap().id, 2, "their order stays");
    world.then_check([Act::Fail, Act::Succeed, Act::Hang]);
    let other = pool.clone();
    let pass = tokio::spawn(async move { other.maintain_once().await });
    settle().await;
    let status = pool.status();
    assert_eq!((status.checking, status.idle, status.size), (1, 1, 2), "one after the other");
    pass.await.unwrap();
    let status = pool.status();
    assert_eq!((status.idle, status.counts.unsound, world.alive()), (1, 2, 1));
    world.then_check([Act::Hang]);
    let other = pool.clone();
    let pass = tokio::spawn(async move { other.maintain_once().await });
    settle().await;
    pass.abort();
    settle().await;
    assert_eq!((pool.status().size, world.alive()), (0, 0), "dropped half done, it goes");
}

#[tokio::test(start_paused = true)]
async fn who_holds_for_long_is_reported_once_with_the_place() {
    let world = World::new();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let pool = builder(&world)
        .with_leak_threshold(secs(60))
        .on_long_held(move |held| {
            seen.lock().unwrap().push(held.clone());
            panic!("as a test wants it");
        })
        .build()
        .unwrap();
    let forgotten = pool.acquire(LONG).await.unwrap();
    let line = line!() - 1;
    std::mem::forget(forgotten);
    advance(secs(60) - ms(1)).await;
    let held = pool.acquire(LONG).await.unwrap();
    pool.maintain_once().await;
    assert!(reports.lock().unwrap().is_empty(), "not before its time");
    advance(ms(1)).await;
    pool.maintain_once().await;
    pool.maintain_once().await;
    let told = reports.lock().unwrap().clone();
    assert_eq!(told.len(), 1);
    let holder = told[0].holder.as_ref().unwrap();
    assert_eq!((holder.location().line(), told[0].held_for), (line, Some(secs(60))));
    assert!(told[0].to_string().contains("pool_care.rs:"));
    assert_eq!(pool.long_held(), told);
    let status = pool.status();
    assert_eq!(status.held.len(), 2);
    assert_eq!(status.held[1].held_for, Some(ms(1)));
    drop(held);
    assert_eq!(pool.status().held.len(), 1, "what was forgotten stays visible");
}

#[tokio::test(start_paused = true)]
async fn who_is_handed_one_and_does_not_look_is_reported_as_well() {
    let world = World::new();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let pool = builder(&world)
        .with_max_size(1)
        .with_leak_threshold(secs(60))
        .on_long_held(move |held| seen.lock().unwrap().push(held.clone()))
        .build()
        .unwrap();
    let first = pool.acquire(LONG).await.unwrap();
    advance(secs(60)).await;
    pool.maintain_once().await;
    let mut second = Box::pin(pool.acquire(LONG));
    let line = line!() - 1;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(second.as_mut().poll(&mut context).is_pending());
    drop(first);
    pool.maintain_once().await;
    assert_eq!(reports.lock().unwrap().len(), 1, "the time of the one before is not its own");
    advance(secs(60)).await;
    pool.maintain_once().await;
    pool.maintain_once().await;
    let told = reports.lock().unwrap().clone();
    assert_eq!(told.len(), 2, "each is told once");
    let holder = told[1].holder.clone().unwrap();
    assert_eq!((holder.location().line(), told[1].held_for), (line, Some(secs(60))));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_served_is_the_holder() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    let first = pool.acquire(LONG).await.unwrap();
    let mut second = Box::pin(pool.acquire(LONG));
    let line = line!() - 1;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(second.as_mut().poll(&mut context).is_pending());
    drop(first);
    let holder = pool.status().held[0].holder.clone().expect("before it has looked, too");
    assert_eq!(holder.location().line(), line);
    let second = second.await.unwrap();
    let holder = pool.status().held[0].holder.clone().unwrap();
    assert_eq!(holder.location().line(), line);
    drop(second);
    let silent = builder(&world).without_tracking().build().unwrap();
    let guard = silent.acquire(LONG).await.unwrap();
    assert_eq!(silent.status().held[0].holder, None);
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn close_ends_who_waits_and_drains() {
    let world = World::new();
    let pool = builder(&world).with_max_size(3).build().unwrap();
    drop((pool.acquire(LONG).await.unwrap(), pool.acquire(LONG).await.unwrap()));
    let held = pool.acquire(LONG).await.unwrap();
    let second = pool.acquire(LONG).await.unwrap();
    world.then_create([Act::After(secs(2))]);
    let waits = |pool: &ResourcePool<Scripted>| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.acquire(LONG).await.map(|guard| guard.id) })
    };
    let (making, waiting) = (waits(&pool), waits(&pool));
    settle().await;
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(secs(10)).await.map_err(|error| error.to_string()) }
    });
    settle().await;
    let status = pool.status();
    assert!(status.is_closed && status.waiting == 0 && status.idle == 0);
    let outcomes = [making.await.unwrap(), waiting.await.unwrap()];
    let closed = |outcome: &Result<usize, PoolError<_>>| matches!(outcome, Err(error) if error.code().id() == "sync.closed");
    assert!(outcomes.iter().all(closed), "{outcomes:?}");
    assert!(matches!(pool.acquire(LONG).await, Err(PoolError::Closed { .. })));
    assert!(matches!(pool.try_acquire(), Err(PoolError::Closed { .. })));
    assert!(matches!(pool.acquire_blocking(secs(1)), Err(PoolError::Closed { .. })));
    tokio::time::sleep(secs(3)).await; // tidy: sleep - the clock is paused
    assert_eq!(pool.status().size, 2, "what was still being made is gone");
    drop(second);
    settle().await;
    assert!(!closing.is_finished());
    let start = Instant::now();
    drop(held);
    assert_eq!(closing.await.unwrap(), Ok(()));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!((world.alive(), pool.status().size), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn close_says_what_did_not_come_back() {
    let world = World::new();
    let pool = builder(&world).build().unwrap();
    let held = pool.acquire(LONG).await.unwrap();
    let line = line!() - 1;
    let start = Instant::now();
    let error = pool.close(secs(2)).await.unwrap_err();
    assert_eq!(start.elapsed(), secs(2));
    assert_eq!(error.code().id(), "sync.not_returned");
    assert_eq!(error.holder().unwrap().location().line(), line);
    assert!(error.to_string().starts_with("unnamed: 1 resources did not come back within 2s"));
    assert!(pool.close(Duration::ZERO).await.is_err());
    drop(held);
    assert_eq!(world.alive(), 0, "it is cleaned up all the same");
    pool.close(Duration::ZERO).await.unwrap();
}

#[test]
fn a_thread_can_close_and_drain() {
    let pool = ResourcePool::from_fn(2, || 7);
    let held = PoolGuard::into_owned(pool.acquire_blocking(secs(1)).unwrap());
    assert!(pool.close_blocking(ms(5)).is_err());
    let returns = std::thread::spawn({
        let pool = pool.clone();
        move || {
            drop(held);
            pool.status().size
        }
    });
    pool.close_blocking(secs(20)).unwrap();
    assert_eq!(returns.join().unwrap(), 0);
}
