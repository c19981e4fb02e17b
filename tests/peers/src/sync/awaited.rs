//! Locks and permits for tasks, which are free.

use std::hint::black_box;
use std::sync::Arc;

use lyra_sync::{AsyncRwLock, Semaphore};
use tokio::time::timeout;

use super::{AREA, TIMEOUT};
use crate::harness::Group;

const FREE: &str = "nobody else holds it";

pub(super) fn read() -> Group {
    let ours = AsyncRwLock::named("peers", 7_u64);
    let [with_timeout, tokio] = [(); 2].map(|()| tokio::sync::RwLock::new(7_u64));
    let [async_lock_with_timeout, async_lock, trying] =
        [(); 3].map(|()| async_lock::RwLock::new(7_u64));
    Group::new(AREA, "read lock, free, awaited")
        .ours("", {
            await_each!({
                black_box(*black_box(&ours).read(TIMEOUT).await.expect(FREE));
            })
        })
        .peer("tokio RwLock with timeout", {
            await_each!({
                let read = timeout(TIMEOUT, black_box(&with_timeout).read());
                black_box(*read.await.expect(FREE));
            })
        })
        .peer("tokio RwLock", {
            await_each!({
                black_box(*black_box(&tokio).read().await);
            })
        })
        .peer("async-lock with timeout", {
            await_each!({
                let read = timeout(TIMEOUT, black_box(&async_lock_with_timeout).read());
                black_box(*read.await.expect(FREE));
            })
        })
        .peer("async-lock", {
            await_each!({
                black_box(*black_box(&async_lock).read().await);
            })
        })
        .peer("async-lock, try_read", {
            await_each!({
                black_box(*black_box(&trying).try_read().expect(FREE));
            })
        })
}

pub(super) fn write() -> Group {
    let ours = AsyncRwLock::named("peers", 0_u64);
    let [with_timeout, tokio] = [(); 2].map(|()| tokio::sync::RwLock::new(0_u64));
    let [mutex_with_timeout, mutex] = [(); 2].map(|()| tokio::sync::Mutex::new(0_u64));
    let [async_lock_with_timeout, async_lock, trying] =
        [(); 3].map(|()| async_lock::RwLock::new(0_u64));
    Group::new(AREA, "write lock, free, awaited")
        .ours("", {
            await_each!({
                *black_box(&ours).write(TIMEOUT).await.expect(FREE) += 1;
            })
        })
        .peer("tokio RwLock with timeout", {
            await_each!({
                let write = timeout(TIMEOUT, black_box(&with_timeout).write());
                *write.await.expect(FREE) += 1;
            })
        })
        .peer("tokio RwLock", await_each!(*black_box(&tokio).write().await += 1))
        .peer("tokio Mutex with timeout", {
            await_each!({
                let lock = timeout(TIMEOUT, black_box(&mutex_with_timeout).lock());
                *lock.await.expect(FREE) += 1;
            })
        })
        .peer("tokio Mutex", await_each!(*black_box(&mutex).lock().await += 1))
        .peer("async-lock with timeout", {
            await_each!({
                let write = timeout(TIMEOUT, black_box(&async_lock_with_timeout).write());
                *write.await.expect(FREE) += 1;
            })
        })
        .peer("async-lock", await_each!(*black_box(&async_lock).write().await += 1))
        .peer("async-lock, try_write", {
            await_each!(*black_box(&trying).try_write().expect(FREE) += 1)
        })
}

/// Of five. Ours can move into a task, like tokio's owned one.
pub(super) fn permit() -> Group {
    let ours = Semaphore::named("peers", 5).with_timeout(TIMEOUT);
    let [with_timeout, tokio] = [(); 2].map(|()| tokio::sync::Semaphore::new(5));
    let owned = Arc::new(tokio::sync::Semaphore::new(5));
    let async_lock = async_lock::Semaphore::new(5);
    Group::new(AREA, "permit, free, awaited")
        .ours("", {
            await_each!({
                black_box(&black_box(&ours).acquire().await.expect(FREE));
            })
        })
        .peer("tokio Semaphore with timeout", {
            await_each!({
                let acquire = timeout(TIMEOUT, black_box(&with_timeout).acquire());
                black_box(&acquire.await.expect(FREE).expect("it is open"));
            })
        })
        .peer("tokio Semaphore with timeout, owned", {
            await_each!({
                let acquire = timeout(TIMEOUT, Arc::clone(black_box(&owned)).acquire_owned());
                black_box(&acquire.await.expect(FREE).expect("it is open"));
            })
        })
        .peer("tokio Semaphore", {
            await_each!({
                black_box(&black_box(&tokio).acquire().await.expect("it is open"));
            })
        })
        .peer("async-lock Semaphore", {
            await_each!({
                black_box(&black_box(&async_lock).acquire().await);
            })
        })
}
