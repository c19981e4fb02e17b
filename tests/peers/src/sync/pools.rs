//! A pool of ten, all of them made and idle: one is taken and given back.
//!
//! The resource is a number, and its check has nothing to do.

use std::convert::Infallible;
use std::hint::black_box;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleResult};
use deadpool::unmanaged;
use lyra_sync::{FnManager, ResourcePool};
use tokio::runtime::Handle;

use super::{AREA, TIMEOUT};
use crate::harness::{Group, at_once};

const SIZE: usize = 10;

const IDLE: &str = "ten are idle, and nobody else takes one";

pub(super) fn take_and_return() -> Group {
    let ours = ResourcePool::from_fn(SIZE, || 7_u64);
    at_once(fill(async || ours.acquire(TIMEOUT).await.expect(IDLE)));
    let watched = ResourcePool::builder(FnManager::new(|| 7_u64))
        .with_max_size(SIZE)
        .with_leak_threshold(6 * TIMEOUT)
        .build()
        .expect("the numbers are ordinary");
    at_once(fill(async || watched.acquire(TIMEOUT).await.expect(IDLE)));
    let managed_with_timeout = managed(true);
    let managed = managed(false);
    let unmanaged_with_timeout = unmanaged(true);
    let unmanaged = unmanaged(false);
    let bb8 = bb8();
    Group::new(AREA, "pool, take and give back")
        .ours("", {
            await_each!({
                black_box(*black_box(&ours).acquire(TIMEOUT).await.expect(IDLE));
            })
        })
        .ours("with a leak threshold", {
            await_each!({
                black_box(*black_box(&watched).acquire(TIMEOUT).await.expect(IDLE));
            })
        })
        .peer("deadpool with wait timeout", {
            await_each!({
                black_box(*black_box(&managed_with_timeout).get().await.expect(IDLE));
            })
        })
        .peer("deadpool", {
            await_each!({
                black_box(*black_box(&managed).get().await.expect(IDLE));
            })
        })
        .peer("deadpool unmanaged with timeout", {
            await_each!({
                black_box(*black_box(&unmanaged_with_timeout).get().await.expect(IDLE));
            })
        })
        .peer("deadpool unmanaged", {
            await_each!({
                black_box(*black_box(&unmanaged).get().await.expect(IDLE));
            })
        })
        .peer("bb8", {
            await_each!({
                black_box(*black_box(&bb8).get().await.expect(IDLE));
            })
        })
}

/// Takes all at once, so that all are made.
async fn fill<T>(take: impl AsyncFn() -> T) {
    let mut taken = Vec::new();
    for _ in 0..SIZE {
        taken.push(take().await);
    }
}

pub(super) struct Seven;

impl managed::Manager for Seven {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(7)
    }

    async fn recycle(&self, _: &mut u64, _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

fn managed(has_timeout: bool) -> managed::Pool<Seven> {
    let pool = managed::Pool::builder(Seven)
        .max_size(SIZE)
        .wait_timeout(has_timeout.then_some(TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a runtime is named");
    at_once(fill(async || pool.get().await.expect(IDLE)));
    pool
}

fn unmanaged(has_timeout: bool) -> unmanaged::Pool<u64> {
    let pool = unmanaged::Pool::from_config(&unmanaged::PoolConfig {
        max_size: SIZE,
        timeout: has_timeout.then_some(TIMEOUT),
        runtime: Some(Runtime::Tokio1),
    });
    for _ in 0..SIZE {
        pool.try_add(7).expect("there is room");
    }
    pool
}

impl bb8::ManageConnection for Seven {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(7)
    }

    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

/// Without its check, which it makes within another timeout.
fn bb8() -> bb8::Pool<Seven> {
    let builder = bb8::Pool::builder()
        .max_size(SIZE as u32)
        .connection_timeout(TIMEOUT)
        .test_on_check_out(false);
    Handle::current().block_on(async {
        let pool = builder.build(Seven).await.expect("it cannot fail");
        fill(async || pool.get().await.expect(IDLE)).await;
        pool
    })
}
