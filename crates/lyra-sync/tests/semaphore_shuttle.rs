//! The semaphore, which stands on tokio's, under random schedules of tasks and
//! threads that wait, time out, go away, and are refused as it closes.
//!
//! It sees that never more permits are out than there are, lost calls (shuttle
//! tells when nobody can go on), and that all permits are back at the end. It
//! does not see what happens within a call of tokio's, and tokio's timer, in
//! whose place is a clock.
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
    pub(crate) mod semaphore;
    pub(crate) mod series;
    pub(crate) mod wake;
}

/// What the semaphore takes from it.
mod async_rw_lock {
    pub(crate) const LONGEST_WAIT: std::time::Duration = std::time::Duration::MAX;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use semaphore::{Semaphore, SemaphorePermit};
use shuttle::future::block_on;
use shuttle_support::atomics::{self, switch};
use shuttle_support::tokio::{runtime, sync, task, time};
use shuttle_support::{LONG, SHORT, below, explore, let_time_pass, or_leave};
use sources::{codes, error, events, holder, name, places, semaphore, series, wake};

use error::SyncError;

const PERMITS: u32 = 3;

struct Shared {
    semaphore: Semaphore,
    /// How many permits their holders say that they have.
    out: AtomicU32,
    /// Whether somebody closes it.
    closes: bool,
}

impl Shared {
    fn holds(&self, permit: &SemaphorePermit) {
        let out = self.out.fetch_add(permit.count(), Ordering::Relaxed) + permit.count();
        assert!(out <= PERMITS, "{out} permits are out");
        switch();
        self.out.fetch_sub(permit.count(), Ordering::Relaxed);
    }

    /// The permit; none if it came too late, which those with little time may.
    fn came(
        &self,
        outcome: Result<SemaphorePermit, SyncError>,
        timeout: Duration,
    ) -> Option<SemaphorePermit> {
        match outcome {
            Ok(permit) => Some(permit),
            Err(SyncError::Timeout { .. }) if timeout == SHORT => None,
            Err(SyncError::Closed { .. }) if self.closes => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn visit(&self, timeout: Duration) -> Option<()> {
        let count = 1 + below(PERMITS);
        let acquire = self.semaphore.acquire_many_for(count, timeout);
        let acquired = match below(3) {
            0 => or_leave(acquire).await?,
            _ => acquire.await,
        };
        self.holds(&self.came(acquired, timeout)?);
        Some(())
    }

    fn visit_blocking(&self, timeout: Duration) -> Option<()> {
        let count = 1 + below(PERMITS);
        let permit = match below(4) {
            0 => self.semaphore.try_acquire_many(count).ok()?,
            _ => {
                let acquired = self.semaphore.acquire_many_blocking_for(count, timeout);
                self.came(acquired, timeout)?
            }
        };
        self.holds(&permit);
        Some(())
    }
}

/// Tasks and threads, of which each comes with one of the timeouts.
fn all_come(timeouts: &'static [Duration], closes: bool) {
    let semaphore = Semaphore::new(PERMITS);
    let shared = Arc::new(Shared { semaphore, out: AtomicU32::new(0), closes });
    let timeout = || timeouts[below(u32::try_from(timeouts.len()).unwrap()) as usize];
    let tasks = [(); 2].map(|()| {
        let (shared, timeout) = (Arc::clone(&shared), timeout());
        shuttle::future::spawn(async move {
            shared.visit(timeout).await;
            shared.visit(timeout).await;
        })
    });
    let thread = shuttle::thread::spawn({
        let (shared, timeout) = (Arc::clone(&shared), timeout());
        move || {
            shared.visit_blocking(timeout);
            shared.visit_blocking(timeout);
        }
    });
    if timeouts.contains(&SHORT) {
        let_time_pass();
    }
    shared.visit_blocking(timeout());
    if closes {
        shared.semaphore.close();
    }
    tasks.into_iter().for_each(|task| block_on(task).unwrap());
    thread.join().unwrap();
    let status = shared.semaphore.status();
    let all = (status.available, status.waiting, status.is_closed);
    assert_eq!(all, (PERMITS, 0, closes), "a permit is out, or somebody waits, for ever");
}

#[test]
fn never_more_are_out_and_all_come_through() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || all_come(&[LONG], false));
}

#[test]
fn who_times_out_has_taken_nothing() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || all_come(&[SHORT, LONG], false));
}

#[test]
fn close_ends_all_waits_and_loses_no_permit() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || all_come(&[LONG], true));
}
