//! The read-write lock in the graph of orders.
#![cfg(feature = "lock-order")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_sync::{AsyncRwLock, TimeoutLock, lock_order_reports};

const SHORT: Duration = Duration::from_millis(20);

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
    let mut write = Box::pin(lock.write(Duration::from_secs(60)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_pending());
    lock.read(SHORT).await.unwrap_err();
    assert_eq!(texts_with("rw-twice").len(), 1);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_no_order_of_its_own() {
    let lock = AsyncRwLock::named("rw-upgrade", ());
    let write = lock.upgradable_read(SHORT).await.unwrap().upgrade(SHORT).await.unwrap();
    drop(write.downgrade());
    assert!(texts_with("rw-upgrade").is_empty());
}
