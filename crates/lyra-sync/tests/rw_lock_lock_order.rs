//! The read-write lock in the graph of orders.
#![cfg(feature = "lock-order")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::pin::Pin;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use lyra_sync::{AsyncRwLock, TimeoutLock, lock_order_reports};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

fn is_pending(future: &mut Pin<Box<impl Future>>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_pending()
}

fn texts_with(name: &str) -> Vec<String> {
    let texts = lock_order_reports().into_iter().map(|report| report.to_string());
    texts.filter(|text| text.contains(&format!("`{name}`"))).collect()
}

#[tokio::test(start_paused = true)]
async fn an_async_and_a_blocking_lock_in_two_orders_are_told() {
    let index = TimeoutLock::named("rw-index", ());
    let emotion = AsyncRwLock::named("rw-emotion", ());
    {
        let _emotion = emotion.read(SHORT).await.unwrap();
        let _index = index.lock().unwrap();
    }
    assert!(texts_with("rw-emotion").is_empty(), "one order alone is none");
    {
        let _index = index.lock().unwrap();
        let _emotion = emotion.write_blocking(SHORT).unwrap();
    }
    let texts = texts_with("rw-emotion");
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("`rw-index`") && texts[0].contains("rw_lock_lock_order.rs"));
}

#[tokio::test(start_paused = true)]
async fn a_second_read_behind_a_writer_is_told() {
    let lock = AsyncRwLock::named("rw-twice", ());
    let first = lock.read(SHORT).await.unwrap();
    drop(lock.read(SHORT).await.unwrap());
    assert!(texts_with("rw-twice").is_empty(), "nobody waits to write");
    let mut write = Box::pin(lock.write(LONG));
    assert!(is_pending(&mut write));
    for _ in 0..3 {
        lock.read(SHORT).await.unwrap_err();
    }
    assert_eq!(texts_with("rw-twice").len(), 1, "once for two places");
    lock.read(SHORT).await.unwrap_err();
    assert_eq!(texts_with("rw-twice").len(), 2, "and again from another");
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_second_upgradable_read_is_told_only_where_a_writer_is_before_it() {
    let lock = AsyncRwLock::named("rw-beside", ());
    let first = lock.read(SHORT).await.unwrap();
    let other = lock.try_upgradable_read().unwrap(); // of somebody else
    lock.upgradable_read(SHORT).await.unwrap_err();
    lock.upgradable_read_blocking(SHORT).unwrap_err();
    let mut before = Box::pin(lock.upgradable_read(LONG));
    assert!(is_pending(&mut before));
    lock.upgradable_read(SHORT).await.unwrap_err();
    assert!(texts_with("rw-beside").is_empty(), "nobody writes, nor waits to");
    let mut behind = Box::pin(lock.upgradable_read(LONG));
    let mut write = Box::pin(lock.write(LONG));
    assert!(is_pending(&mut behind) && is_pending(&mut write));
    assert!(texts_with("rw-beside").is_empty(), "the writer is behind it");
    lock.upgradable_read(SHORT).await.unwrap_err();
    assert_eq!(texts_with("rw-beside").len(), 1);
    drop((first, other, before, behind, write));
}

#[tokio::test(start_paused = true)]
async fn a_second_read_behind_an_upgrade_is_told() {
    let lock = AsyncRwLock::named("rw-raise", ());
    let first = lock.read(SHORT).await.unwrap();
    let mut upgrade = Box::pin(lock.try_upgradable_read().unwrap().upgrade(LONG));
    assert!(is_pending(&mut upgrade));
    lock.upgradable_read(SHORT).await.unwrap_err();
    assert_eq!(texts_with("rw-raise").len(), 1);
    lock.read_blocking(SHORT).unwrap_err();
    assert_eq!(texts_with("rw-raise").len(), 2);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_read_beside_a_write_of_the_same_task_is_not_taken_for_a_second_read() {
    let lock = AsyncRwLock::named("rw-joined", ());
    let write = async || {
        let write = lock.write(SHORT).await.unwrap();
        tokio::task::yield_now().await;
        drop(write);
    };
    let ((), (), read) = tokio::join!(write(), write(), lock.read(SHORT));
    drop(read.unwrap());
    assert!(texts_with("rw-joined").is_empty());
}

#[test]
fn a_guard_that_is_dropped_elsewhere_is_no_longer_held_by_anybody() {
    let (lock, other) = (AsyncRwLock::named("rw-sent", ()), TimeoutLock::named("rw-other", ()));
    let guard = lock.write_blocking(SHORT).unwrap();
    thread::scope(|scope| drop(scope.spawn(move || drop(guard))));
    drop(other.lock().unwrap());
    let _other = other.lock().unwrap();
    drop(lock.write_blocking(SHORT).unwrap());
    assert!(texts_with("rw-sent").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_guard_outlives_the_task_that_locked_and_leaves_nothing() {
    static LOCK: LazyLock<AsyncRwLock<()>> = LazyLock::new(|| AsyncRwLock::named("rw-left", ()));
    let other = TimeoutLock::named("rw-beside-left", ());
    let guard = tokio::spawn(async { LOCK.write(SHORT).await.unwrap() }).await.unwrap();
    drop(other.lock().unwrap()); // by another: it is not this one that locked
    drop(guard);
    let _other = other.lock().unwrap();
    drop(LOCK.write(SHORT).await.unwrap());
    assert!(texts_with("rw-left").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_report_that_panics_leaves_the_line() {
    let lock = AsyncRwLock::named("rw-panic", ());
    lyra_sync::on_lock_order_report(|report| {
        assert!(!report.to_string().contains("`rw-panic`"), "as a test wants it");
    });
    let first = lock.read_blocking(SHORT).unwrap();
    let mut write = Box::pin(lock.write(LONG));
    assert!(is_pending(&mut write));
    let read = std::panic::AssertUnwindSafe(|| lock.read_blocking(LONG).map(drop));
    assert!(std::panic::catch_unwind(read).is_err());
    assert_eq!(lock.status().waiting_readers, 0);
    drop((write, first));
    drop(lock.try_write().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_no_order_of_its_own() {
    let lock = AsyncRwLock::named("rw-upgrade", ());
    let write = lock.upgradable_read(SHORT).await.unwrap().upgrade(SHORT).await.unwrap();
    drop(write.downgrade());
    assert!(texts_with("rw-upgrade").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_what_it_holds_is_told_once() {
    let lock = AsyncRwLock::named("rw-again", ());
    for _ in 0..2 {
        let _writing = lock.write(LONG).await.unwrap();
        assert!(lock.write(SHORT).await.is_err());
        assert!(lock.read(SHORT).await.is_err());
    }
    {
        let _reading = lock.read(LONG).await.unwrap();
        drop(lock.read(SHORT).await.unwrap());
        assert!(lock.write(SHORT).await.is_err());
    }
    let texts = texts_with("rw-again");
    assert_eq!(texts.len(), 3, "{texts:#?}");
    assert!(texts[0].starts_with("deadlock, a lock waited for by whoever holds it:"));
    assert!(lock_order_reports().iter().any(lyra_sync::LockOrderReport::is_reentry));
}
