//! Managers, hooks and resources that fail, hang and panic.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use lyra_errors::{Classify, Recovery};
use lyra_sync::{Manager, PoolError, PoolGuard, ResourceFate, ResourcePool, ResourcePoolBuilder};
use pool_support::{Act, LONG, Scripted, World, ms, refused, secs, settle};
use tokio::task::JoinSet;
use tokio::time::Instant;

fn builder(world: &Arc<World>) -> ResourcePoolBuilder<Scripted> {
    ResourcePool::builder(Scripted(Arc::clone(world))).with_create_timeout(secs(5))
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_is_told_with_its_cause() {
    let world = World::new();
    let pool = builder(&world).build().unwrap();
    world.then_create([Act::Fail]);
    let error = pool.acquire(LONG).await.unwrap_err();
    let line = line!() - 1;
    assert_eq!(error.source().unwrap().to_string(), "refused");
    assert_eq!((error.code().id(), error.recovery()), ("sync.create_failed", Recovery::Permanent));
    assert_eq!(error.location().unwrap().line(), line);
    let status = pool.status();
    assert_eq!((status.size, status.counts.create_failed, status.failures_in_a_row), (0, 1, 1));
    assert_eq!(status.last_failure.as_deref(), Some("refused"));
    assert!(pool.acquire(LONG).await.is_ok());
    assert_eq!(pool.status().failures_in_a_row, 0);
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_hangs_ends_by_its_own_timeout() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.then_create([Act::Hang]);
    let start = Instant::now();
    let error = pool.acquire(LONG).await.unwrap_err();
    assert_eq!(start.elapsed(), secs(5));
    assert_eq!((error.code().id(), error.recovery()), ("sync.create_timed_out", Recovery::RETRY));
    assert!(pool.acquire(LONG).await.is_ok(), "its place is free");
}

#[tokio::test(start_paused = true)]
async fn maintenance_without_a_pause_ends_though_nothing_can_be_made() {
    let world = World::new();
    let pool = builder(&world)
        .with_min_idle(2)
        .with_longest_pause(std::time::Duration::ZERO)
        .build()
        .unwrap();
    world.then_create([Act::Fail, Act::Fail, Act::Fail, Act::Fail]);
    pool.maintain_once().await;
    assert_eq!(pool.status().counts.create_failed, 2, "as often as it lacks one");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_panics_loses_no_place() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.then_create([Act::Panic]);
    let error = pool.acquire(LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "unnamed: creating a resource panicked: as a test wants it");
    assert_eq!(error.code().id(), "sync.create_panicked");
    assert_eq!(pool.status().counts.panics, 1);
    drop(pool.acquire(LONG).await.unwrap());
}

#[test]
fn a_creation_that_panics_on_a_thread_loses_no_place() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.then_create([Act::Panic, Act::Fail]);
    let error = pool.acquire_blocking(secs(20)).unwrap_err();
    assert!(matches!(error, PoolError::CreatePanicked { .. }));
    let error = pool.acquire_blocking(secs(20)).unwrap_err();
    assert!(matches!(error, PoolError::CreateFailed { .. }));
    drop(pool.acquire_blocking(secs(20)).unwrap());
    world.then_check([Act::Panic, Act::Fail]);
    assert_eq!(pool.acquire_blocking(secs(20)).unwrap().id, 1);
    assert_eq!(pool.acquire_blocking(secs(20)).unwrap().id, 2);
    assert_eq!(world.alive(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_who_asked_is_told_of_a_failure_and_the_next_tries_again() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.then_create([Act::FailAfter(secs(1)), Act::After(secs(1))]);
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for index in 0..3 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let outcome = pool.acquire(LONG).await.map(|guard| guard.id);
            (index, outcome.ok(), start.elapsed())
        });
        tokio::task::yield_now().await;
    }
    let mut told = tasks.join_all().await;
    told.sort_unstable();
    let then = secs(2) + ms(10);
    assert_eq!(told, [(0, None, secs(1)), (1, Some(0), then), (2, Some(0), then)]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_does_not_storm_what_is_down() {
    let world = World::new();
    let pool = builder(&world).with_max_size(2).build().unwrap();
    world.then_create([Act::Fail; 1_000]);
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut failures = 0;
            let end = Instant::now() + secs(10);
            while let Some(left) = end.checked_duration_since(Instant::now()) {
                failures += usize::from(matches!(
                    pool.acquire(left).await,
                    Err(PoolError::CreateFailed { .. })
                ));
                if left.is_zero() {
                    break;
                }
            }
            failures
        });
    }
    let failures: usize = tasks.join_all().await.into_iter().sum();
    // 10 ms, 20 ms, … 640 ms, then one second each: 7 + 8 rounds of two.
    assert!((14..=36).contains(&failures), "{failures}");
    assert_eq!(pool.status().waiting, 0);
    world.creates.lock().unwrap().clear();
    let start = Instant::now();
    assert!(pool.acquire(LONG).await.is_ok());
    assert!(start.elapsed() <= secs(1), "the pause ends");
}

#[tokio::test(start_paused = true)]
async fn failures_side_by_side_count_as_one() {
    let world = World::new();
    let pool = builder(&world).with_max_size(3).build().unwrap();
    world.then_create([Act::FailAfter(secs(1)); 3]);
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let pool = pool.clone();
        tasks.spawn(async move { pool.acquire(LONG).await.is_err() });
    }
    assert_eq!(tasks.join_all().await, [true; 3]);
    let status = pool.status();
    assert_eq!((status.counts.create_failed, status.failures_in_a_row), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_out_a_pause_and_goes_away_leaves_it_to_the_next() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.then_create([Act::FailAfter(secs(1))]);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move { pool.acquire(LONG).await.map(|guard| guard.id) }));
        tokio::task::yield_now().await;
    }
    assert!(tasks.remove(0).await.unwrap().is_err());
    settle().await;
    tasks.remove(0).abort();
    assert_eq!(tasks.remove(0).await.unwrap().unwrap(), 0);
    assert_eq!(start.elapsed(), secs(1) + ms(10));
}

#[tokio::test(start_paused = true)]
async fn places_that_fall_free_in_a_pause_are_filled_side_by_side() {
    let world = World::new();
    let pool = builder(&world).with_max_size(3).build().unwrap();
    let mut held = [pool.acquire(LONG).await.unwrap(), pool.acquire(LONG).await.unwrap()];
    held.iter_mut().for_each(PoolGuard::mark_broken);
    world.then_create([Act::FailAfter(secs(1)), Act::After(secs(1)), Act::After(secs(1))]);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            let guard = pool.acquire(LONG).await;
            let at = start.elapsed();
            std::mem::forget(guard);
            at
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks.remove(0).await.unwrap(), secs(1));
    settle().await;
    for guard in held {
        drop(guard);
        settle().await;
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), secs(2) + ms(10));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_all_places_are_filled_again() {
    let world = World::new();
    let pool = builder(&world).with_max_size(3).build().unwrap();
    world.then_create([Act::Fail]);
    assert!(pool.acquire(LONG).await.is_err());
    world.then_create([Act::After(secs(1)); 3]);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let guard = pool.acquire(LONG).await?;
            Ok::<_, PoolError<io::Error>>(PoolGuard::into_owned(guard))
        });
    }
    let guards = tasks.join_all().await;
    assert!(guards.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), secs(1) + ms(10), "side by side, after one pause");
}

#[tokio::test(start_paused = true)]
async fn the_hook_after_creation_can_refuse() {
    let world = World::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let pool = builder(&world)
        .after_create(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
            0 => Err(refused()),
            1 => panic!("as a test wants it"),
            _ => Ok(()),
        })
        .build()
        .unwrap();
    assert!(matches!(pool.acquire(LONG).await, Err(PoolError::CreateFailed { .. })));
    assert!(matches!(pool.acquire(LONG).await, Err(PoolError::CreatePanicked { .. })));
    assert_eq!((world.alive(), world.cleaned_up.load(Ordering::SeqCst)), (0, 2));
    drop(pool.acquire(LONG).await.unwrap());
    drop(pool.acquire(LONG).await.unwrap());
    assert_eq!(calls.load(Ordering::SeqCst), 3, "once for each that is made");
}

#[tokio::test(start_paused = true)]
async fn the_hooks_around_a_use_can_destroy() {
    let world = World::new();
    let pool = builder(&world)
        .before_recycle(|resource| match resource.id {
            0 => ResourceFate::Destroy,
            1 => panic!("as a test wants it"),
            _ => ResourceFate::Keep,
        })
        .after_release(|resource| match resource.id {
            2 => ResourceFate::Destroy,
            3 => panic!("as a test wants it"),
            _ => ResourceFate::Keep,
        })
        .build()
        .unwrap();
    for id in 0..4 {
        assert_eq!(pool.acquire(LONG).await.unwrap().id, id);
    }
    for _ in 0..3 {
        assert_eq!(pool.acquire(LONG).await.unwrap().id, 4);
    }
    let status = pool.status();
    assert_eq!((status.counts.unsound, status.counts.panics, status.size), (2, 2, 1));
    assert_eq!(world.alive(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resource_whose_drop_panics_leaves_its_place() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.panics_on_drop.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        PoolGuard::mark_broken(&mut pool.acquire(LONG).await.unwrap());
    }
    assert_eq!((pool.status().counts.panics, pool.status().size), (3, 0));
    drop(pool.acquire(LONG).await.unwrap());
    pool.close(LONG).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_under_a_guard_gives_the_resource_back() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    let other = pool.clone();
    let task = tokio::spawn(async move {
        let _guard = other.acquire(LONG).await.unwrap();
        panic!("as a test wants it");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(pool.try_acquire().unwrap().id, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_panic_carries_may_panic_in_turn() {
    struct Worse;
    impl Drop for Worse {
        fn drop(&mut self) {
            panic!("as a test wants it");
        }
    }
    struct Careless;
    impl Manager for Careless {
        type Resource = ();
        type Error = io::Error;
        async fn create(&self) -> io::Result<()> {
            Ok(())
        }
        async fn recycle(&self, (): &mut ()) -> io::Result<()> {
            std::panic::panic_any(Worse)
        }
        fn destroy(&self, (): ()) {
            std::panic::panic_any(Worse)
        }
    }
    let pool = ResourcePool::builder(Careless).with_max_size(1).build().unwrap();
    for panics in [0, 2] {
        drop(pool.acquire(secs(1)).await.unwrap());
        assert_eq!((pool.status().size, pool.status().counts.panics), (1, panics));
    }
}

#[test]
fn a_creation_that_cannot_begin_is_no_failure() {
    let world = World::new();
    let pool = builder(&world).with_max_size(1).build().unwrap();
    world.then_create([Act::Hang]);
    let mut wait = Box::pin(pool.acquire(LONG));
    let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(PoolError::NoRuntime { .. }))));
    let status = pool.status();
    assert_eq!((status.size, status.waiting, status.failures_in_a_row), (0, 0, 0));
    assert_eq!(status.counts.create_failed, 0);
    drop(pool.acquire_blocking(std::time::Duration::ZERO).expect("nothing pauses"));
}

#[tokio::test]
async fn resources_that_expire_at_once_leave_the_other_tasks_their_turns() {
    let world = World::new();
    let lifetime = std::time::Duration::from_nanos(1);
    let pool = builder(&world).with_max_lifetime(lifetime).build().unwrap();
    let mut tasks = JoinSet::new();
    let other = pool.clone();
    tasks.spawn(async move { drop(other.acquire(LONG).await) });
    let ended = tokio::time::timeout(secs(60), settle()).await;
    assert!(ended.is_ok(), "it yields");
    tasks.abort_all();
    assert!(tasks.join_next().await.unwrap().is_err(), "none was young enough");
    for blocking in [false, true] {
        let error = match blocking {
            true => pool.acquire_blocking(std::time::Duration::ZERO).unwrap_err(),
            false => pool.acquire(std::time::Duration::ZERO).await.unwrap_err(),
        };
        assert!(matches!(error, PoolError::Timeout { .. }), "{error}");
    }
}

#[test]
fn in_a_runtime_that_shuts_down_nothing_is_begun_again_and_again() {
    let world = World::new();
    let pool = builder(&world).with_longest_pause(std::time::Duration::ZERO).build().unwrap();
    world.then_create([Act::Hang; 100]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    let _entered = handle.enter();
    let mut wait = Box::pin(pool.acquire(LONG));
    let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert_eq!(pool.status().counts.create_failed, 2);
}

#[tokio::test(start_paused = true)]
async fn the_manager_says_whether_to_try_again_makes_sense() {
    struct Busy;
    impl Manager for Busy {
        type Resource = ();
        type Error = io::Error;
        async fn create(&self) -> io::Result<()> {
            Err(refused())
        }
        fn recovery(&self, _: &io::Error) -> Recovery {
            Recovery::Retry { after: Some(secs(7)) }
        }
    }
    let pool = ResourcePool::builder(Busy).build().unwrap();
    let error = pool.acquire(LONG).await.unwrap_err();
    assert_eq!(error.recovery(), Recovery::Retry { after: Some(secs(7)) });
    settle().await;
}

#[test]
fn the_timeout_of_a_thread_bounds_its_checks_all_together() {
    struct Slow;
    impl Manager for Slow {
        type Resource = ();
        type Error = io::Error;
        async fn create(&self) -> io::Result<()> {
            Ok(())
        }
    }
    impl lyra_sync::BlockingManager for Slow {
        fn create_blocking(&self, _: std::time::Duration) -> io::Result<()> {
            Ok(())
        }
        fn recycle_blocking(&self, (): &mut (), timeout: std::time::Duration) -> io::Result<()> {
            std::thread::sleep(timeout); // tidy: sleep - a check that takes all the time it may
            Err(refused())
        }
    }
    let pool = ResourcePool::builder(Slow).with_max_size(2).build().unwrap();
    let both = (pool.acquire_blocking(secs(1)).unwrap(), pool.acquire_blocking(secs(1)).unwrap());
    drop(both);
    let error = pool.acquire_blocking(ms(50)).unwrap_err();
    assert!(matches!(error, PoolError::Timeout { .. }));
    assert_eq!(pool.status().counts.unsound, 1, "there was no time for another check");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_panics_when_asked_for_the_recovery_is_counted() {
    struct Careless;
    impl Manager for Careless {
        type Resource = ();
        type Error = io::Error;
        async fn create(&self) -> io::Result<()> {
            Err(refused())
        }
        fn recovery(&self, _: &io::Error) -> Recovery {
            panic!("as a test wants it")
        }
    }
    let pool = ResourcePool::builder(Careless).build().unwrap();
    let error = pool.acquire(LONG).await.unwrap_err();
    assert_eq!((error.recovery(), pool.status().counts.panics), (Recovery::Permanent, 1));
}
