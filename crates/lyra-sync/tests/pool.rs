//! What a pool gives and takes back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lyra_errors::Classify;
use lyra_sync::{FnManager, PoolError, PoolGuard, ResourcePool, SyncError};
use pool_support::{Act, LONG, Scripted, World, ms, secs};

fn pool(world: &Arc<World>, max_size: usize) -> ResourcePool<Scripted> {
    let builder = ResourcePool::builder(Scripted(Arc::clone(world))).named("db");
    builder.with_max_size(max_size).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_one_that_came_back_last_is_given_first() {
    let world = World::new();
    let pool = pool(&world, 3);
    let (first, second) = (pool.acquire(LONG).await.unwrap(), pool.acquire(LONG).await.unwrap());
    assert_eq!((first.id, second.id), (0, 1));
    drop(second);
    drop(first);
    assert_eq!(pool.acquire(LONG).await.unwrap().id, 0);
    assert_eq!(world.created(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_and_a_detached_resource_make_room_for_another() {
    let world = World::new();
    let pool = pool(&world, 1);
    let mut guard = pool.acquire(LONG).await.unwrap();
    PoolGuard::mark_broken(&mut guard);
    drop(guard);
    assert_eq!((world.alive(), world.cleaned_up.load(Ordering::SeqCst)), (0, 1));
    let detached = PoolGuard::detach(pool.acquire(LONG).await.unwrap());
    assert_eq!(detached.id, 1);
    assert_eq!(pool.acquire(Duration::ZERO).await.unwrap().id, 2);
    let status = pool.status();
    assert_eq!((status.counts.destroyed, status.counts.detached, status.size), (1, 1, 1));
    drop(detached);
    assert_eq!(world.cleaned_up.load(Ordering::SeqCst), 1, "nobody cleans up what was detached");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_its_check_is_never_given() {
    let world = World::new();
    let pool = pool(&world, 2);
    drop((pool.acquire(LONG).await.unwrap(), pool.acquire(LONG).await.unwrap()));
    world.then_check([Act::Fail, Act::Panic]);
    assert_eq!(pool.acquire(LONG).await.unwrap().id, 2);
    let counts = pool.status().counts;
    assert_eq!((counts.unsound, counts.destroyed, counts.panics, world.alive()), (2, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_check_ends_by_its_own_timeout() {
    let world = World::new();
    let builder = ResourcePool::builder(Scripted(Arc::clone(&world)));
    let pool = builder.with_recycle_timeout(ms(200)).build().unwrap();
    drop(pool.acquire(LONG).await.unwrap());
    world.then_check([Act::Hang]);
    let start = tokio::time::Instant::now();
    assert_eq!(pool.acquire(LONG).await.unwrap().id, 1);
    assert_eq!(start.elapsed(), ms(200));
    world.then_check([Act::Hang]);
    let error = pool.acquire(ms(50)).await.unwrap_err();
    assert_eq!(start.elapsed(), ms(250), "or by its caller's");
    assert!(matches!(error, PoolError::Timeout { waited, .. } if waited == ms(50)), "{error}");
    assert_eq!(world.alive(), 0, "half checked, it is of no use");
    assert_eq!(pool.status().size, 0);
}

#[test]
fn a_pool_of_a_closure_needs_no_runtime_until_it_waits() {
    let pool = ResourcePool::from_fn(1, || 7);
    let runtime = futures();
    let guard = runtime.block_on(pool.acquire(secs(1)));
    assert_eq!(*guard.unwrap(), 7);
    let held = pool.acquire_blocking(secs(1)).unwrap();
    // Polled outside of any runtime.
    let mut wait = std::pin::pin!(pool.acquire(secs(1)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = wait.as_mut().poll(&mut context) else {
        panic!("it cannot wait");
    };
    assert_eq!(error.code().id(), "sync.no_runtime");
    drop(held);
    assert_eq!(pool.status().idle, 1);
}

fn futures() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn try_acquire_takes_what_is_idle_and_makes_nothing() {
    let pool = ResourcePool::from_fn(1, || 7);
    assert_eq!(pool.try_acquire().unwrap_err().code().id(), "sync.busy");
    drop(pool.acquire_blocking(Duration::ZERO).unwrap());
    let guard = pool.try_acquire().unwrap();
    let error = pool.try_acquire().unwrap_err();
    assert!(error.to_string().starts_with(
        "unnamed: no resource is idle (1 of 1 in use), longest by thread `try_acquire"
    ));
    drop(guard);
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_name() {
    let builder = || ResourcePool::builder(FnManager::new(|| 7));
    let zero = Duration::ZERO;
    for (builder, setting) in [
        (builder().with_max_size(0), "max size"),
        (builder().with_max_size(usize::MAX), "max size"),
        (builder().with_min_idle(11), "min idle"),
        (builder().with_create_timeout(zero), "create timeout"),
        (builder().with_recycle_timeout(zero), "recycle timeout"),
        (builder().with_maintenance_interval(zero), "maintenance interval"),
        (builder().with_idle_timeout(zero), "idle timeout"),
        (builder().with_max_lifetime(zero), "max lifetime"),
        (builder().with_leak_threshold(zero), "leak threshold"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.code().id(), "sync.invalid");
        assert!(
            matches!(&error, SyncError::Invalid { setting: named, .. } if *named == setting),
            "{error}"
        );
    }
}

#[test]
#[should_panic(expected = "`max size` is not valid")]
fn the_short_way_panics_without_room() {
    drop(ResourcePool::from_fn(0, || 7));
}

#[tokio::test(start_paused = true)]
async fn times_without_end_overflow_nowhere() {
    let most = Duration::MAX;
    let world = World::new();
    let builder = ResourcePool::builder(Scripted(Arc::clone(&world))).with_max_size(1);
    let pool = builder
        .with_create_timeout(most)
        .with_recycle_timeout(most)
        .with_idle_timeout(most)
        .with_max_lifetime(most)
        .with_leak_threshold(most)
        .with_longest_pause(most)
        .build()
        .unwrap();
    world.then_create([Act::After(secs(1))]);
    let guard = pool.acquire(most).await.unwrap();
    world.then_check([Act::After(secs(1))]);
    let next = pool.acquire(most);
    drop(guard);
    drop(next.await.unwrap());
    pool.maintain_once().await;
    pool.close(most).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn guards_outlive_their_pool_and_clean_up() {
    let world = World::new();
    let pool = pool(&world, 2);
    drop(pool.acquire(LONG).await.unwrap());
    let guard = PoolGuard::into_owned(pool.acquire(LONG).await.unwrap());
    drop(pool.acquire(LONG).await.unwrap());
    let other = pool.clone();
    drop(pool);
    assert_eq!(world.alive(), 2, "a handle is left");
    drop(other);
    assert_eq!(world.alive(), 1, "what was idle is gone");
    assert_eq!(guard.id, 0);
    drop(guard);
    assert_eq!((world.alive(), world.cleaned_up.load(Ordering::SeqCst)), (0, 2));
}

#[test]
fn a_thread_waits_and_is_told_who_holds() {
    let pool = ResourcePool::from_fn(1, || 7);
    let held = pool.acquire_blocking(secs(1)).unwrap();
    let line = line!() - 1;
    let error = pool.acquire_blocking(ms(30)).unwrap_err();
    let PoolError::Timeout { waited, holder: Some(holder), usage, .. } = &error else {
        panic!("{error}");
    };
    assert!((ms(30)..secs(5)).contains(waited), "{waited:?}");
    assert_eq!((holder.location().line(), usage.in_use), (line, 1));
    assert!(holder.location().file().ends_with("tests/pool.rs"));
    drop(held);
    assert!(pool.acquire_blocking(Duration::ZERO).is_ok());
}

#[test]
fn threads_and_tasks_stand_in_one_line() {
    let pool = ResourcePool::from_fn(1, Vec::<usize>::new);
    let held = pool.acquire_blocking(LONG).unwrap();
    std::thread::scope(|scope| {
        for index in 0..20 {
            let pool = &pool;
            scope.spawn(move || {
                let mut order = match index % 2 {
                    0 => pool.acquire_blocking(LONG).unwrap(),
                    _ => futures().block_on(pool.acquire(LONG)).unwrap(),
                };
                order.push(index);
            });
            while pool.status().waiting <= index {
                std::thread::yield_now();
            }
        }
        drop(held);
    });
    let order = pool.acquire_blocking(LONG).unwrap();
    assert_eq!(*order, (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_error_becomes_the_common_one_with_its_context() {
    let world = World::new();
    let pool = pool(&world, 1);
    world.then_create([Act::Fail]);
    let error: lyra_errors::Error = pool.acquire(LONG).await.unwrap_err().into();
    assert_eq!(error.code().id(), "sync.create_failed");
    assert_eq!(error.to_string(), "db: a resource could not be created");
    assert!(error.to_json().contains("refused"), "{}", error.to_json());
    assert!(!error.is_recoverable(), "only the manager can know");
}
