//! A thousand tasks wait for what nobody gives back: how late their timeouts
//! come, in real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed;
use lyra_sync::{AsyncRwLock, ResourcePool, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::AREA;
use super::pools::Seven;
use crate::harness::{Figure, Row, figure_rows, highest, median, percentile};

const WAITERS: u32 = 1_000;

/// Ours and the peer in turn. The goals are on the median run: another program
/// on the same cores makes all of a run late, the peer's as much as ours. The
/// worst run is told, too.
const RUNS: u32 = 9;

/// One waits for 100 ms, the next for 1 ms more, and the hundredth for 199.
fn timeout_of(waiter: u32) -> Duration {
    Duration::from_millis(100 + u64::from(waiter % 100))
}

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = against("read lock", "tokio RwLock with timeout", reads, tokio_reads).await;
    rows.extend(against("permit", "tokio Semaphore with timeout", permits, tokio_permits).await);
    rows.extend(against("pool", "deadpool with wait timeout", pooled, deadpool).await);
    rows
}

async fn against(
    what: &str,
    peer: &'static str,
    ours: impl AsyncFn() -> Vec<f64>,
    theirs: impl AsyncFn() -> Vec<f64>,
) -> Vec<Row> {
    let mut runs = [("ours", true, Vec::new()), (peer, false, Vec::new())];
    for _ in 0..RUNS {
        runs[0].2.push(ours().await);
        runs[1].2.push(theirs().await);
    }
    let mut rows = Vec::new();
    let mut add = |figure: &str, of: &dyn Fn(&[Vec<f64>]) -> f64| {
        let case = format!("{what}, {WAITERS} timeouts: {figure} of {RUNS} runs");
        let figures = runs.each_ref().map(|(name, is_ours, runs)| Figure {
            name,
            is_ours: *is_ours,
            value: of(runs),
        });
        rows.extend(figure_rows(AREA, &case, "ms late", &figures));
    };
    let of = |runs: &[Vec<f64>], quantile, over: fn(&[f64]) -> f64| {
        over(&runs.iter().map(|run| percentile(run, quantile)).collect::<Vec<_>>())
    };
    add("earliest", &|runs| percentile(&runs.concat(), 0.0));
    add("p99, median", &|runs| of(runs, 0.99, median));
    add("p99, worst", &|runs| of(runs, 0.99, highest));
    add("latest, median", &|runs| of(runs, 1.0, median));
    add("latest, worst", &|runs| of(runs, 1.0, highest));
    rows
}

/// How many milliseconds late each waiter is told that its time is over.
async fn late<W: Future<Output = bool> + Send + 'static>(wait: impl Fn(Duration) -> W) -> Vec<f64> {
    let mut tasks = JoinSet::new();
    for waiter in 0..WAITERS {
        let (due, wait) = (timeout_of(waiter), wait(timeout_of(waiter)));
        tasks.spawn(async move {
            // Futures of async blocks: their time begins when they are polled.
            let start = Instant::now();
            assert!(!wait.await, "nobody gives it back");
            start.elapsed().as_secs_f64() * 1e3 - due.as_secs_f64() * 1e3
        });
    }
    tasks.join_all().await
}

async fn reads() -> Vec<f64> {
    let lock = Arc::new(AsyncRwLock::named("peers", ()));
    let _writer = lock.try_write().expect("it is new");
    late(|due| {
        let lock = Arc::clone(&lock);
        async move { lock.read(due).await.is_ok() }
    })
    .await
}

async fn tokio_reads() -> Vec<f64> {
    let lock = Arc::new(tokio::sync::RwLock::new(()));
    let _writer = lock.try_write().expect("it is new");
    late(|due| {
        let lock = Arc::clone(&lock);
        async move { timeout(due, lock.read()).await.is_ok() }
    })
    .await
}

async fn permits() -> Vec<f64> {
    let semaphore = Semaphore::named("peers", 1);
    let _permit = semaphore.try_acquire().expect("it is new");
    late(|due| {
        let semaphore = semaphore.clone();
        async move { semaphore.acquire_for(due).await.is_ok() }
    })
    .await
}

async fn tokio_permits() -> Vec<f64> {
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let _permit = semaphore.try_acquire().expect("it is new");
    late(|due| {
        let semaphore = Arc::clone(&semaphore);
        async move { timeout(due, semaphore.acquire()).await.is_ok() }
    })
    .await
}

async fn pooled() -> Vec<f64> {
    let pool = ResourcePool::from_fn(1, || 7_u64);
    let _resource = pool.acquire(Duration::ZERO).await.expect("it is made at once");
    late(|due| {
        let pool = pool.clone();
        async move { pool.acquire(due).await.is_ok() }
    })
    .await
}

async fn deadpool() -> Vec<f64> {
    let pool = managed::Pool::builder(Seven).max_size(1).runtime(Runtime::Tokio1).build();
    let pool: managed::Pool<Seven> = pool.expect("a runtime is named");
    let _resource = pool.get().await.expect("it is made at once");
    late(|due| {
        let pool = pool.clone();
        let timeouts = managed::Timeouts { wait: Some(due), ..managed::Timeouts::new() };
        async move { pool.timeout_get(&timeouts).await.is_ok() }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeouts_of_a_hundred_in_a_row_are_all_different() {
        let longest = (0..WAITERS).map(timeout_of).max();
        assert_eq!((timeout_of(0), timeout_of(100)), (timeout_of(100), timeout_of(200)));
        assert_eq!(longest, Some(Duration::from_millis(199)));
    }
}
