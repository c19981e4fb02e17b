//! Functions that run under a lock.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use lyra_errors::Classify;
use lyra_sync::{
    AsyncRwLock, SyncError, TimeoutLock, synchronized, synchronized_read, synchronized_read_with,
    synchronized_with, synchronized_write, synchronized_write_with,
};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_function_runs_under_the_lock_and_can_be_called_again() {
    let lock = TimeoutLock::new(vec![1]);
    let count = synchronized(&lock, |state| state.len());
    let push = synchronized_with(&lock, |state, item| state.push(item));
    push(2).unwrap();
    push(3).unwrap();
    assert_eq!(count().unwrap(), 3);
    let here = line!() + 1;
    let nested = synchronized(&lock, |_| count().unwrap_err());
    let error = nested().unwrap();
    assert_eq!(error.code().id(), "sync.reentrant");
    assert_eq!(error.holder().unwrap().location().line(), here, "where the function was made");
}

#[test]
fn what_a_function_returns_may_be_an_error_of_its_own() {
    let lock = TimeoutLock::new(7);
    let fail = synchronized(&lock, |_| Err::<(), _>("its own"));
    let answer: Result<Result<(), &str>, SyncError> = fail();
    assert_eq!(answer.unwrap(), Err("its own"));
}

#[tokio::test(start_paused = true)]
async fn async_functions_run_under_the_lock_with_its_timeout() {
    let lock = AsyncRwLock::named("emotion", vec![1]).with_timeout(SHORT);
    let first = synchronized_read(&lock, async |state| {
        tokio::task::yield_now().await;
        state[0]
    });
    let nth = synchronized_read_with(&lock, async |state, index: usize| state[index]);
    let push = synchronized_write_with(&lock, async |state, item| {
        tokio::task::yield_now().await;
        assert!(lock.try_read().is_err());
        state.push(item);
    });
    let clear = synchronized_write(&lock, async |state| state.clear());
    push.call_with(2).await.unwrap();
    assert_eq!((first.call().await.unwrap(), nth.call_with(1).await.unwrap()), (1, 2));
    let reading = lock.try_read().unwrap();
    assert_eq!(first.call().await.unwrap(), 1);
    let start = tokio::time::Instant::now();
    let here = line!() + 1;
    let error = clear.call().await.unwrap_err();
    assert_eq!(error.code().id(), "sync.timeout");
    assert_eq!(error.location().unwrap().line(), here, "where the function was called");
    assert_eq!(start.elapsed(), SHORT);
    drop(reading);
    clear.call().await.unwrap();
    assert!(lock.try_read().unwrap().is_empty());
}

#[tokio::test]
async fn a_function_can_be_called_in_a_task() {
    let lock = Arc::new(AsyncRwLock::new(0));
    let tasks: Vec<_> = (1..=10)
        .map(|number| {
            let lock = Arc::clone(&lock);
            tokio::spawn(async move {
                let add = synchronized_write_with(&lock, async |sum: &mut i32, number: i32| {
                    tokio::task::yield_now().await;
                    *sum += number;
                });
                add.call_with(number).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(*lock.try_read().unwrap(), 55);
}
