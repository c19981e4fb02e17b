//! The read-write lock as it is, with async-lock's cell behind its gate, under
//! random schedules of tasks and threads that wait, time out and go away.
//!
//! It sees that the two locks agree (async-lock's own would refuse one that the
//! gate let in wrongly), exclusion, lost calls (shuttle tells when nobody can
//! go on), and what is left behind at the end. It does not see orders that only
//! a weak memory model allows (`rw_lock_loom.rs` does), what happens within a
//! call of async-lock's, and tokio's timer, in whose place is a clock.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
#![allow(dead_code, unused_imports, reason = "the sources have more than is tried here")]
#![allow(unreachable_pub, unused_qualifications, reason = "it is as it has to be where it belongs")]

extern crate tokio as real_tokio;

extern crate self as tokio;

#[path = "shuttle_support/support.rs"]
mod shuttle_support;

#[path = "../src"]
mod sources {
    pub(crate) mod async_rw_lock;
    pub(crate) mod codes;
    pub(crate) mod error;
    pub(crate) mod events;
    pub(crate) mod holder;
    pub(crate) mod name;
    pub(crate) mod order;
    pub(crate) mod places;
    pub(crate) mod series;
    pub(crate) mod timeout_lock;
    pub(crate) mod wake;
}

use std::sync::Arc;
use std::time::Duration;

use async_rw_lock::{AsyncRwLock, AsyncRwLockStatus};
use error::SyncError;
use shuttle::future::block_on;
use shuttle_support::atomics::{self, switch};
use shuttle_support::tokio::{runtime, sync, task, time};
use shuttle_support::{LONG, SHORT, below, explore, let_time_pass, or_leave};
use sources::{
    async_rw_lock, codes, error, events, holder, name, order, places, series, timeout_lock, wake,
};

/// Two numbers that are equal unless somebody writes.
type Lock = AsyncRwLock<(u32, u32)>;

fn reads(value: &(u32, u32)) {
    assert_eq!(value.0, value.1, "somebody writes meanwhile");
    switch();
    assert_eq!(value.0, value.1, "somebody writes meanwhile");
}

fn writes(value: &mut (u32, u32)) {
    assert_eq!(value.0, value.1, "somebody else writes");
    value.0 += 1;
    switch();
    value.1 += 1;
}

/// The guard; none if it came too late, which those with little time may.
fn came<G>(outcome: Result<G, SyncError>, timeout: Duration) -> Option<G> {
    match outcome {
        Ok(guard) => Some(guard),
        Err(SyncError::Timeout { .. }) if timeout == SHORT => None,
        Err(error) => panic!("{error}"),
    }
}

async fn visit(lock: &Lock, timeout: Duration) -> Option<()> {
    match below(8) {
        0 => reads(&*came(lock.read(timeout).await, timeout)?),
        1 => writes(&mut *came(lock.write(timeout).await, timeout)?),
        2 => {
            let guard = came(lock.upgradable_read(timeout).await, timeout)?;
            reads(&guard);
            writes(&mut *came(guard.upgrade(timeout).await, timeout)?);
        }
        3 => {
            let mut guard = came(lock.write(timeout).await, timeout)?;
            writes(&mut guard);
            let guard = guard.downgrade_to_upgradable();
            reads(&guard);
            reads(&guard.downgrade());
        }
        4 => reads(&*came(or_leave(lock.read(timeout)).await?, timeout)?),
        5 => writes(&mut *came(or_leave(lock.write(timeout)).await?, timeout)?),
        6 => {
            let guard = came(or_leave(lock.upgradable_read(timeout)).await?, timeout)?;
            reads(&guard);
            writes(&mut *came(or_leave(guard.upgrade(timeout)).await?, timeout)?);
        }
        _ => reads(&*lock.try_read().ok()?),
    }
    Some(())
}

fn visit_blocking(lock: &Lock, timeout: Duration) -> Option<()> {
    match below(5) {
        0 => reads(&*came(lock.read_blocking(timeout), timeout)?),
        1 => writes(&mut *came(lock.write_blocking(timeout), timeout)?),
        2 => {
            let guard = came(lock.upgradable_read_blocking(timeout), timeout)?;
            reads(&guard);
            writes(&mut *came(guard.upgrade_blocking(timeout), timeout)?);
        }
        3 => {
            let mut guard = came(lock.write_blocking(timeout), timeout)?;
            writes(&mut guard);
            reads(&guard.downgrade());
        }
        _ => writes(&mut *lock.try_write().ok()?),
    }
    Some(())
}

/// Tasks and threads, of which each comes with one of the timeouts.
fn all_come(timeouts: &'static [Duration]) -> Arc<Lock> {
    let lock = Arc::new(Lock::new((0, 0)));
    let timeout = || timeouts[below(u32::try_from(timeouts.len()).unwrap()) as usize];
    let tasks = [(); 2].map(|()| {
        let (lock, timeout) = (Arc::clone(&lock), timeout());
        shuttle::future::spawn(async move {
            visit(&lock, timeout).await;
            visit(&lock, timeout).await;
        })
    });
    let thread = shuttle::thread::spawn({
        let (lock, timeout) = (Arc::clone(&lock), timeout());
        move || {
            visit_blocking(&lock, timeout);
            visit_blocking(&lock, timeout);
        }
    });
    if timeouts.contains(&SHORT) {
        let_time_pass();
    }
    visit_blocking(&lock, timeout());
    tasks.into_iter().for_each(|task| block_on(task).unwrap());
    thread.join().unwrap();
    lock
}

fn assert_is_free(lock: &Lock) {
    let AsyncRwLockStatus { readers, is_writing, waiting_readers, waiting_writers, .. } =
        lock.status();
    let all = (readers, is_writing, waiting_readers, waiting_writers);
    assert_eq!(all, (0, false, 0, 0), "somebody is in, or waits, for ever");
    writes(&mut lock.try_write().unwrap());
}

/// One reads until other readers came. Writers who would keep them out go
/// away, or time out.
fn readers_come_while_one_reads(with_writers: bool) {
    let lock = Arc::new(Lock::new((0, 0)));
    let first = lock.try_write().unwrap();
    let reader = shuttle::future::spawn({
        let lock = Arc::clone(&lock);
        async move { reads(&lock.read(LONG).await.unwrap()) }
    });
    let blocking_reader = shuttle::thread::spawn({
        let lock = Arc::clone(&lock);
        move || reads(&lock.read_blocking(LONG).unwrap())
    });
    let writer = shuttle::future::spawn({
        let lock = Arc::clone(&lock);
        async move { !with_writers || or_leave(lock.write(LONG)).await.is_none() }
    });
    let blocking_writer = shuttle::thread::spawn({
        let lock = Arc::clone(&lock);
        move || !with_writers || lock.write_blocking(SHORT).is_err()
    });
    if with_writers {
        let_time_pass();
    }
    switch();
    let reading = first.downgrade();
    assert!(block_on(writer).unwrap() && blocking_writer.join().unwrap());
    block_on(reader).unwrap();
    blocking_reader.join().unwrap();
    drop(reading);
    assert_is_free(&lock);
}

#[test]
fn tasks_and_threads_exclude_each_other_and_all_come_through() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || assert_is_free(&all_come(&[LONG])));
}

#[test]
fn who_times_out_holds_up_nobody() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || assert_is_free(&all_come(&[SHORT, LONG])));
}

#[test]
fn readers_go_at_once_when_the_writer_before_them_goes_away() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || readers_come_while_one_reads(true));
}

#[test]
fn readers_go_at_once_when_the_writer_reads_on() {
    explore("LYRA_SOAK", "LYRA_TEST_SEED", || readers_come_while_one_reads(false));
}
