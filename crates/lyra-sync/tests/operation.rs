//! With the feature `operation`, who holds a lock is told with its operation.
#![cfg(feature = "operation")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::thread;
use std::time::Duration;

use lyra_errors::Classify;
use lyra_sync::{AsyncRwLock, ResourcePool, Semaphore, TimeoutLock};
use tracing::{Instrument, info_span, subscriber};
use tracing_subscriber::registry;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_timeout_names_the_operation_of_the_holder() {
    subscriber::with_default(registry(), || {
        let lock = TimeoutLock::named("index", ());
        let held = info_span!("reindex").in_scope(|| lock.lock().unwrap());
        let other = || lock.try_lock().map(drop).unwrap_err();
        let error = thread::scope(|scope| scope.spawn(other).join().unwrap());
        assert_eq!(error.holder().unwrap().operation(), Some("reindex"));
        assert!(error.to_string().ends_with(" in `reindex`"), "{error}");
        let context = error.context();
        assert_eq!(context.value("holder_operation").unwrap().to_string(), "reindex");
        drop(held);
        let _held = lock.lock().unwrap();
        assert_eq!(lock.holder().unwrap().operation(), None, "outside of any");
    });
}

#[tokio::test(start_paused = true)]
async fn tasks_are_told_with_the_operation_in_which_they_locked() {
    let _default = subscriber::set_default(registry());
    let (lock, permits) = (AsyncRwLock::named("emotion", ()), Semaphore::new(1));
    let pool = ResourcePool::from_fn(1, || ());
    let held = async {
        let write = lock.write(SHORT).await.unwrap();
        (write, permits.acquire().await.unwrap(), pool.acquire(SHORT).await.unwrap())
    };
    let held = held.instrument(info_span!("feel")).await;
    let errors = [
        lock.read(SHORT).await.unwrap_err().holder().unwrap().operation(),
        permits.try_acquire().unwrap_err().holder().unwrap().operation(),
        pool.status().held[0].holder.as_ref().unwrap().operation(),
    ];
    assert_eq!(errors, [Some("feel"); 3]);
    drop(held);
}
