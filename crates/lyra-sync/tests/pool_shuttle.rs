//! The pool under random schedules of tasks and threads that wait, time out, go
//! away, break what they have, or are refused as it closes, while creations and
//! checks take their time and fail.
//!
//! It sees that there are never more resources than the pool may have, that
//! nobody has what somebody else has, lost calls (shuttle tells when nobody can
//! go on), and what is left behind at the end. It does not see orders that only
//! a weak memory model allows (`pool_loom.rs` does), and tokio's timer and
//! tasks, in whose place are a clock and shuttle's.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
#![allow(dead_code, unused_imports, reason = "the sources have more than is tried here")]
#![allow(unreachable_pub, unused_qualifications, reason = "it is as it has to be where it belongs")]

extern crate tokio as real_tokio;

extern crate self as tokio;

#[path = "shuttle_support/support.rs"]
mod shuttle_support;

#[path = "../src"]
mod sources {
    pub(crate) mod codes;
    pub(crate) mod error;
    pub(crate) mod events;
    pub(crate) mod holder;
    pub(crate) mod name;
    pub(crate) mod places;
    pub(crate) mod pool;
    pub(crate) mod series;
    pub(crate) mod wake;
}

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pool::{BlockingManager, Manager, PoolError, PoolGuard, ResourcePool};
use shuttle::future::{block_on, yield_now};
use shuttle_support::atomics::{self, switch};
use shuttle_support::tokio::{runtime, sync, task, time};
use shuttle_support::{LONG, SHORT, below, explore, let_time_pass, or_leave};
use sources::{codes, error, events, holder, name, places, pool, series, wake};

type Pool = ResourcePool<Maker>;

/// Makes what fails now and then.
struct Maker {
    max_size: usize,
    alive: Arc<AtomicUsize>,
}

/// Counted from the first moment of its creation.
#[derive(Debug)]
struct Counted {
    alive: Arc<AtomicUsize>,
    is_taken: AtomicBool,
}

impl Counted {
    fn new(maker: &Maker) -> Self {
        let others = maker.alive.fetch_add(1, Ordering::Relaxed);
        assert!(others < maker.max_size, "{others} are there already");
        Self { alive: Arc::clone(&maker.alive), is_taken: AtomicBool::new(false) }
    }

    fn is_used(&self) {
        assert!(!self.is_taken.swap(true, Ordering::Relaxed), "somebody else has it");
        switch();
        self.is_taken.store(false, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        switch();
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Fails one time in four.
fn perhaps() -> io::Result<()> {
    match below(4) {
        0 => Err(io::Error::other("as it happens")),
        _ => Ok(()),
    }
}

impl Manager for Maker {
    type Resource = Counted;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Counted> {
        let made = Counted::new(self);
        for _ in 0..below(3) {
            yield_now().await;
        }
        perhaps().map(|()| made)
    }

    async fn recycle(&self, _: &mut Counted) -> io::Result<()> {
        for _ in 0..below(2) {
            yield_now().await;
        }
        perhaps()
    }
}

impl BlockingManager for Maker {
    fn create_blocking(&self, _: Duration) -> io::Result<Counted> {
        let made = Counted::new(self);
        switch();
        perhaps().map(|()| made)
    }

    fn recycle_blocking(&self, _: &mut Counted, _: Duration) -> io::Result<()> {
        switch();
        perhaps()
    }
}

struct Visitor {
    pool: Pool,
    timeout: Duration,
    /// Whether a creation may take too long.
    time_passes: bool,
    /// Whether somebody closes the pool.
    closes: bool,
}

impl Visitor {
    async fn visit(&self) -> Option<()> {
        match below(12) {
            0 => return or_leave(self.pool.maintain_once()).await,
            1 => {
                self.pool.maintain_once().await;
                return Some(());
            }
            2 if self.closes => {
                or_leave(self.pool.close(LONG)).await?.unwrap();
                return Some(());
            }
            _ => {}
        }
        let acquire = self.pool.acquire(self.timeout);
        let acquired = match below(3) {
            0 => or_leave(acquire).await?,
            _ => acquire.await,
        };
        let guard = self.came(acquired)?;
        guard.is_used();
        gives_back(guard);
        Some(())
    }

    fn visit_blocking(&self) -> Option<()> {
        let guard = match below(4) {
            0 => self.pool.try_acquire().ok()?,
            _ => self.came(self.pool.acquire_blocking(self.timeout))?,
        };
        guard.is_used();
        gives_back(guard);
        Some(())
    }

    /// The guard; none if its creation failed, or if it came too late.
    fn came<G>(&self, outcome: Result<G, PoolError<io::Error>>) -> Option<G> {
        match outcome {
            Ok(guard) => Some(guard),
            Err(PoolError::CreateFailed { .. }) => None,
            Err(PoolError::CreateTimedOut { .. }) if self.time_passes => None,
            Err(PoolError::Timeout { .. }) if self.timeout == SHORT => None,
            Err(PoolError::Closed { .. }) if self.closes => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn gives_back(mut guard: PoolGuard<'_, Maker>) {
    if below(4) == 0 {
        PoolGuard::mark_broken(&mut guard);
    }
    drop(guard);
}

fn new_pool(longest_pause: Duration) -> (Pool, Arc<AtomicUsize>) {
    let alive = Arc::default();
    let max_size = 1 + below(2) as usize;
    let maker = Maker { max_size, alive: Arc::clone(&alive) };
    let pool = ResourcePool::builder(maker)
        .with_max_size(max_size)
        .with_min_idle(max_size - 1)
        .with_create_timeout(SHORT)
        .with_recycle_timeout(SHORT)
        .with_longest_pause(longest_pause)
        .build()
        .unwrap();
    (pool, alive)
}

/// Tasks and threads, of which each comes with one of the timeouts.
fn all_come(timeouts: &'static [Duration], closes: bool) {
    let time_passes = timeouts.contains(&SHORT);
    let (pool, alive) = new_pool(if time_passes { SHORT } else { Duration::ZERO });
    let visitor = || {
        let timeout = timeouts[below(u32::try_from(timeouts.len()).unwrap()) as usize];
        Visitor { pool: pool.clone(), timeout, time_passes, closes }
    };
    let tasks = [(); 2].map(|()| {
        let visitor = visitor();
        shuttle::future::spawn(async move {
            visitor.visit().await;
            visitor.visit().await;
        })
    });
    let thread = shuttle::thread::spawn({
        let visitor = visitor();
        move || {
            visitor.visit_blocking();
            visitor.visit_blocking();
        }
    });
    if time_passes {
        let_time_pass();
    }
    visitor().visit_blocking();
    if closes {
        block_on(pool.close(LONG)).unwrap();
        assert_eq!(alive.load(Ordering::Relaxed), 0, "closed, and some are there");
    }
    tasks.into_iter().for_each(|task| block_on(task).unwrap());
    thread.join().unwrap();
    // Also those that are still being made come back, or go.
    pool.close_blocking(LONG).unwrap();
    assert_eq!(alive.load(Ordering::Relaxed), 0, "one was lost");
    let status = pool.status();
    assert_eq!((status.size, status.waiting, status.creating), (0, 0, 0), "{status:?}");
    let counts = status.counts;
    assert_eq!(counts.created, counts.destroyed, "{status:?}");
    // The pool catches what a manager finds wrong.
    assert_eq!(counts.panics, 0, "{status:?}");
}

#[test]
fn never_above_the_max_size_and_all_come_through() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || all_come(&[LONG], false));
}

#[test]
fn who_times_out_has_taken_nothing() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || all_come(&[SHORT, LONG], false));
}

#[test]
fn close_ends_all_waits_and_everything_comes_back() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || all_come(&[LONG], true));
}
