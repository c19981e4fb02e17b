//! Waiting for a resource, on tokio's paused clock: in order, never early,
//! hardly late, and given up at any moment without a loss.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use lyra_sync::{PoolError, PoolGuard, ResourcePool};
use pool_support::{Act, LONG, Resource, SHORT, Scripted, World, ms, secs, settle};
use tokio::task::JoinSet;
use tokio::time::Instant;

fn pool(world: &Arc<World>, max_size: usize) -> ResourcePool<Scripted> {
    let builder = ResourcePool::builder(Scripted(Arc::clone(world)));
    builder.with_max_size(max_size).with_create_timeout(secs(5)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_time_out_never_early_and_less_than_a_millisecond_late() {
    let pool = pool(&World::new(), 1);
    let held = pool.acquire(LONG).await.unwrap();
    let mut tasks = JoinSet::new();
    for index in 0..1_000_u64 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let timeout = Duration::from_micros(1_300 * (index * 37 % 1_000 + 1));
            let start = Instant::now();
            let error = pool.acquire(timeout).await.unwrap_err();
            let (waited, limit) = (start.elapsed(), timeout + ms(1));
            assert!((timeout..limit).contains(&waited), "{waited:?} of {timeout:?}");
            assert!(matches!(error, PoolError::Timeout { waited: told, .. } if told == waited));
        });
    }
    tasks.join_all().await;
    let status = pool.status();
    assert_eq!((status.waiting, status.counts.timed_out), (0, 1_000));
    drop(held);
    assert!(pool.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_are_served_in_order() {
    let pool = pool(&World::new(), 3);
    let held: Vec<_> = [pool.acquire(LONG).await, pool.acquire(LONG).await].into_iter().collect();
    let third = pool.acquire(LONG).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for index in 0..1_000 {
        let (pool, order) = (pool.clone(), Arc::clone(&order));
        tasks.spawn(async move {
            let guard = pool.acquire(LONG).await.unwrap();
            order.lock().unwrap().push(index);
            tokio::time::sleep(ms(1)).await; // tidy: sleep - the clock is paused
            drop(guard);
        });
        tokio::task::yield_now().await; // it is in line
    }
    drop((held, third));
    assert!(pool.try_acquire().is_err(), "nobody overtakes");
    tasks.join_all().await;
    assert_eq!(*order.lock().unwrap(), (0..1_000).collect::<Vec<_>>());
}

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

/// Three acquires that are dropped after so many polls each, beside one that
/// is not, for every combination; nothing may be missing at the end.
async fn dropped_at_every_poll(script: impl Fn(&World)) {
    for combination in 0..6_usize.pow(3) {
        let polls = [combination % 6, combination / 6 % 6, combination / 36];
        let world = World::new();
        let pool = pool(&world, 2);
        let first = pool.acquire(LONG).await.unwrap();
        script(&world);
        let mut tasks = JoinSet::new();
        for polls in polls {
            let pool = pool.clone();
            tasks.spawn(async move {
                let got = drop_after(polls, pool.acquire(LONG)).await;
                tokio::task::yield_now().await;
                drop(got);
            });
        }
        let last = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire(LONG).await.map(|guard| guard.id) }
        });
        settle().await;
        drop(first);
        tasks.join_all().await;
        let _ = last.await.unwrap();
        tokio::time::sleep(secs(60)).await; // tidy: sleep - the clock is paused
        let status = pool.status();
        assert_eq!(
            (status.waiting, status.creating, status.in_use, status.size),
            (0, 0, 0, status.idle),
            "{polls:?} {status:?}"
        );
        assert_eq!(world.alive(), status.idle, "{polls:?}");
        world.creates.lock().unwrap().clear();
        world.checks.lock().unwrap().clear();
        let all = (pool.acquire(LONG).await.unwrap(), pool.acquire(LONG).await.unwrap());
        drop(all);
        assert_eq!(pool.status().idle, 2, "both places are there, {polls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_of_a_creation_nothing_is_lost() {
    dropped_at_every_poll(|world| world.then_create([Act::After(ms(10)); 3])).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_of_a_failing_creation_nothing_is_lost() {
    dropped_at_every_poll(|world| {
        world.then_create([Act::FailAfter(ms(10)), Act::Fail, Act::After(ms(3))]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_of_a_check_nothing_is_lost() {
    dropped_at_every_poll(|world| {
        world.then_create([Act::Hang, Act::After(ms(1))]);
        world.then_check([Act::After(ms(5)), Act::Fail, Act::After(ms(5))]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_outlives_its_caller() {
    let world = World::new();
    let pool = pool(&world, 2);
    world.then_create([Act::After(secs(2))]);
    let error = pool.acquire(SHORT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unnamed: no resource within 50ms (0 of 2 in use, 1 being created)"
    );
    assert_eq!((pool.status().creating, pool.status().size), (1, 1));
    let start = Instant::now();
    let guard = pool.acquire(LONG).await.unwrap();
    assert_eq!(start.elapsed(), secs(2) - SHORT, "it gets what was begun before");
    drop(guard);
    assert_eq!((world.created(), pool.status().idle), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_first_goes_to_whoever_waits_longest() {
    let world = World::new();
    let pool = pool(&world, 2);
    let first = pool.acquire(LONG).await.unwrap();
    world.then_create([Act::After(secs(3))]);
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(LONG).await.map(|guard| guard.id) }
    });
    settle().await;
    drop(first);
    assert_eq!(waits.await.unwrap().unwrap(), 0, "not what is still being made");
    tokio::time::sleep(secs(4)).await; // tidy: sleep - the clock is paused
    assert_eq!(pool.status().idle, 2, "which is there for the next");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_takes_what_is_there_or_made_at_once() {
    let world = World::new();
    let pool = pool(&world, 1);
    let guard: PoolGuard<'_, Scripted> = pool.acquire(Duration::ZERO).await.unwrap();
    let resource: &Resource = &guard;
    assert_eq!(resource.id, 0);
    let start = Instant::now();
    assert!(pool.acquire(Duration::ZERO).await.is_err());
    drop(guard);
    assert!(pool.acquire(Duration::ZERO).await.is_ok());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn without_time_to_wait_one_that_is_unsound_makes_room_for_another() {
    let world = World::new();
    let pool = pool(&world, 2);
    for id in [1, 2] {
        let both = (pool.acquire(LONG).await.unwrap(), pool.acquire(LONG).await.unwrap());
        drop(both);
        world.then_check([Act::Fail, Act::Fail]);
        let guard = match id {
            1 => pool.acquire(Duration::ZERO).await.unwrap(),
            _ => pool.acquire_blocking(Duration::ZERO).unwrap(),
        };
        assert_eq!((guard.id, pool.status().size), (2 * id + (id - 1), 1));
        PoolGuard::mark_broken(&mut { guard });
    }
}

#[tokio::test(start_paused = true)]
async fn an_acquire_inside_a_creation_ends_by_its_timeout() {
    let slot = Arc::new(Mutex::new(None::<ResourcePool<_>>));
    let inner = Arc::clone(&slot);
    let pool = ResourcePool::from_async_fn(1, move || {
        let pool = inner.lock().unwrap().clone();
        async move {
            let pool: ResourcePool<lyra_sync::AsyncFnManager<u8, std::fmt::Error>> = pool.unwrap();
            let outcome = pool.acquire(secs(1)).await.map(|guard| *guard);
            outcome.map_err(|_| std::fmt::Error)
        }
    });
    *slot.lock().unwrap() = Some(pool.clone());
    let start = Instant::now();
    let error = pool.acquire(secs(3)).await.unwrap_err();
    assert!(matches!(error, PoolError::CreateFailed { .. }), "{error}");
    assert_eq!(start.elapsed(), secs(1));
    slot.lock().unwrap().take();
}

#[test]
fn a_runtime_that_ends_takes_its_waiters_and_creations_along() {
    let world = World::new();
    let pool = pool(&world, 1);
    world.then_create([Act::Hang]);
    let other = pool.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.spawn(async move { other.acquire(LONG).await.map(|guard| guard.id) });
        runtime.block_on(settle());
        assert_eq!((pool.status().creating, pool.status().waiting), (1, 1));
        drop(runtime);
        assert_eq!((pool.status().size, pool.status().waiting), (0, 0));
        assert!(pool.acquire_blocking(secs(5)).is_ok());
    })
    .join()
    .unwrap();
}

#[test]
fn a_creation_whose_runtime_ends_is_begun_again_by_who_waits() {
    let world = World::new();
    let pool = pool(&world, 1);
    world.then_create([Act::Hang]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cut = pool.clone();
    runtime.spawn(async move { cut.acquire(SHORT).await.map(|guard| guard.id) });
    runtime.block_on(settle());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| pool.acquire_blocking(secs(20)).map(|guard| guard.id));
        while pool.status().waiting < 2 {
            std::thread::yield_now();
        }
        drop(runtime);
        assert_eq!(waits.join().unwrap().unwrap(), 0);
    });
}
