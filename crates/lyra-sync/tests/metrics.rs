//! What is counted, where a recorder is installed.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;
// One recorder for the tests of all crates that count.
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../lyra-retry/tests/support/recorder.rs"]
mod recorder;

use std::collections::BTreeSet;
use std::sync::Arc;

use lyra_errors::Metric;
use lyra_sync::{
    AsyncRwLock, METRICS, PoolGuard, PoolStatus, ResourcePool, Semaphore, TimeoutLock,
};
use pool_support::{Act, LONG, Scripted, World, ms, secs};
use recorder::Recorded;
use tokio::time::{advance, sleep, timeout};

fn recorded(act: impl FnOnce()) -> Recorded {
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, act);
    recorded
}

/// The same of a task, whose clock is paused.
fn recorded_of<T>(act: impl Future<Output = T>) -> (Recorded, T) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let recorded = Recorded::default();
    let output = metrics::with_local_recorder(&recorded, || runtime.block_on(act));
    (recorded, output)
}

/// Waits in vain as a thread, for one of each.
fn wait_in_vain() {
    // Without tracking a thread can wait for itself.
    let lock = TimeoutLock::named("a", ()).without_tracking();
    let _held = lock.lock().unwrap();
    lock.lock_for(ms(1)).unwrap_err();

    let lock = AsyncRwLock::named("a", ());
    let _held = lock.try_write().unwrap();
    lock.read_blocking(ms(1)).unwrap_err();

    let semaphore = Semaphore::named("a", 1);
    let _permit = semaphore.try_acquire().unwrap();
    semaphore.acquire_blocking_for(ms(1)).unwrap_err();
}

/// Everything that can become of a pool and of its resources.
async fn use_a_pool() -> PoolStatus {
    let world = World::new();
    let builder = ResourcePool::builder(Scripted(Arc::clone(&world))).named("a");
    let builder = builder.with_max_size(1).with_min_idle(1).with_longest_pause(ms(0));
    let builder = builder.with_max_lifetime(secs(100)).with_leak_threshold(secs(10));
    let pool = builder.build().unwrap();

    world.then_create([Act::Hang, Act::Hang, Act::Fail, Act::Panic]);
    timeout(ms(1), pool.maintain_once()).await.unwrap_err();
    for _ in 0..3 {
        pool.acquire(LONG).await.unwrap_err();
    }
    drop(pool.acquire(LONG).await.unwrap());
    world.then_check([Act::Fail]);
    let held = pool.acquire(LONG).await.unwrap();
    pool.acquire(ms(1)).await.unwrap_err();
    advance(secs(10)).await;
    pool.maintain_once().await;
    pool.maintain_once().await;
    advance(secs(100)).await;
    drop(held);
    PoolGuard::mark_broken(&mut pool.acquire(LONG).await.unwrap());
    drop(PoolGuard::detach(pool.acquire(LONG).await.unwrap()));
    drop(pool.acquire(LONG).await.unwrap());
    pool.close(LONG).await.unwrap();
    pool.status()
}

#[cfg(feature = "lock-order")]
fn lock_in_two_orders() {
    let (first, second) = (TimeoutLock::named("a", ()), TimeoutLock::named("a", ()));
    drop((first.lock().unwrap(), second.lock().unwrap()));
    drop((second.lock().unwrap(), first.lock().unwrap()));
}

#[test]
fn every_metric_of_the_table_is_recorded_with_every_value_of_its_labels_and_no_other_is() {
    let (recorded, _) = recorded_of(async {
        wait_in_vain();
        #[cfg(feature = "lock-order")]
        lock_in_two_orders();
        use_a_pool().await
    });
    let mut table = BTreeSet::new();
    for metric in METRICS {
        let mut series = vec![format!("{} {}", metric.kind(), metric.name())];
        for (label, values) in metric.labels() {
            let values = if values.is_empty() { &["a"] } else { *values };
            let labelled = |name: &String| {
                values.iter().map(|value| format!("{name} {label}={value}")).collect()
            };
            series = series.iter().flat_map::<Vec<_>, _>(labelled).collect();
        }
        table.extend(series);
    }
    assert_eq!(recorded.series(), table);
}

#[test]
fn the_counts_of_a_pool_are_those_of_its_status() {
    let (recorded, status) = recorded_of(use_a_pool());
    let value = |name: &str, end: &str| recorded.value(&format!("lyra_sync_{name} name=a{end}"));
    let removed = ["unwanted", "unsound", "expired", "closed", "detached"]
        .map(|reason| value("pool_removed_total", &format!(" reason={reason}")));
    assert_eq!(removed, [1.0; 5]);
    let counts = status.counts;
    assert_eq!((counts.unsound, counts.expired, counts.destroyed, counts.detached), (1, 1, 4, 1));
    let failed = ["error", "timed_out", "panicked", "abandoned"]
        .map(|reason| value("pool_create_failed_total", &format!(" reason={reason}")));
    assert_eq!((failed, counts.create_failed), ([1.0; 4], 4));
    assert_eq!((value("pool_created_total", ""), counts.created), (5.0, 5), "and all are gone");
    assert_eq!((value("pool_panics_total", ""), counts.panics), (1.0, 1));
    assert_eq!((value("timeouts_total", " kind=pool"), counts.timed_out), (1.0, 1));
    assert_eq!(value("pool_long_held_total", ""), 1.0, "once for each time that it is held");
}

#[test]
fn who_need_not_wait_is_not_counted() {
    let pool = ResourcePool::from_fn(1, || ());
    drop(pool.acquire_blocking(LONG).unwrap());
    let (recorded, ()) = recorded_of(async {
        let lock = TimeoutLock::named("free", ());
        drop(lock.lock().unwrap());
        drop(lock.try_lock().unwrap());
        let lock = AsyncRwLock::named("free", ());
        drop(lock.read(LONG).await.unwrap());
        drop(lock.write_blocking(LONG).unwrap());
        drop(lock.upgradable_read(LONG).await.unwrap().upgrade(LONG).await.unwrap());
        let semaphore = Semaphore::named("free", 1);
        drop(semaphore.acquire().await.unwrap());
        let _permit = semaphore.acquire_blocking().unwrap();
        semaphore.try_acquire().unwrap_err();
        drop(pool.acquire(LONG).await.unwrap());
        drop(pool.acquire_blocking(LONG).unwrap());
    });
    assert_eq!(recorded.series(), BTreeSet::new());
}

#[test]
fn a_wait_is_recorded_however_it_ends() {
    let (recorded, ()) = recorded_of(async {
        let lock = AsyncRwLock::named("w", ());
        let held = lock.try_write().unwrap();
        let give_back = async {
            sleep(secs(2)).await; // tidy: sleep - the clock is paused
            drop(held);
        };
        let (read, ()) = tokio::join!(lock.read(LONG), give_back);
        lock.write(secs(3)).await.unwrap_err();
        drop(read);

        let semaphore = Semaphore::named("w", 1);
        let _permit = semaphore.try_acquire().unwrap();
        timeout(secs(4), semaphore.acquire_for(LONG)).await.unwrap_err();

        let world = World::new();
        world.then_create([Act::After(secs(5))]);
        let pool = ResourcePool::builder(Scripted(world)).named("w").build().unwrap();
        let _first = pool.acquire(LONG).await.unwrap();
        let _second = pool.acquire_blocking(LONG).unwrap();
    });
    let waits = |kind: &str| {
        let waits = recorded.values(&format!("lyra_sync_wait_seconds name=w kind={kind}"));
        // tokio's timer has steps of a millisecond.
        waits.into_iter().map(|wait| (wait * 100.0).floor() / 100.0).collect::<Vec<_>>()
    };
    assert_eq!(waits("rw_lock"), [2.0, 3.0], "given, and timed out");
    assert_eq!(waits("semaphore"), [4.0], "cancelled");
    assert_eq!(waits("pool"), [5.0, 0.0], "for what was made meanwhile, and at once");
    assert_eq!(recorded.value("lyra_sync_timeouts_total name=w kind=rw_lock"), 1.0);
}

#[test]
fn without_time_to_wait_a_call_times_out_and_did_not_wait() {
    let (recorded, ()) = recorded_of(async {
        let lock = TimeoutLock::named("z", ()).without_tracking();
        let _held = lock.lock().unwrap();
        lock.lock_for(ms(0)).unwrap_err();
        let lock = AsyncRwLock::named("z", ());
        let _held = lock.try_read().unwrap();
        lock.write(ms(0)).await.unwrap_err();
        let semaphore = Semaphore::named("z", 1);
        let _permit = semaphore.try_acquire().unwrap();
        semaphore.acquire_blocking_for(ms(0)).unwrap_err();
    });
    let kinds = ["lock", "rw_lock", "semaphore"];
    let table = kinds.map(|kind| format!("counter lyra_sync_timeouts_total name=z kind={kind}"));
    assert_eq!(recorded.series(), table.into());
}

#[test]
fn what_has_no_name_shares_one_series() {
    let recorded = recorded(|| {
        for _ in 0..2 {
            let semaphore = Semaphore::new(1).with_timeout(ms(0));
            let _permit = semaphore.try_acquire().unwrap();
            semaphore.acquire_blocking().unwrap_err();
        }
    });
    assert_eq!(recorded.value("lyra_sync_timeouts_total name=other kind=semaphore"), 2.0);
}

#[test]
fn every_help_text_reaches_the_recorder() {
    let recorded = recorded(|| METRICS.iter().for_each(Metric::describe));
    let rows = METRICS
        .iter()
        .map(|metric| format!("{} {}: {}", metric.kind(), metric.name(), metric.help()))
        .collect();
    assert_eq!(recorded.described(), rows);
}
