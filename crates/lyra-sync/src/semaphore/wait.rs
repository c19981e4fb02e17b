//! The two ways to wait for permits. Both stand in tokio's line, which serves
//! in order.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::{task, time};

use super::Shared;
use crate::async_rw_lock::LONGEST_WAIT;
use crate::atomics::Instant;
use crate::atomics::thread::{self, Thread};
use crate::error::SyncError;
use crate::events;
use crate::series;

impl Shared {
    /// Takes permits, waiting as a task.
    pub(super) async fn wait(
        &self,
        count: u32,
        timeout: Duration,
        location: Location,
    ) -> Result<(), SyncError> {
        if timeout.is_zero() {
            return Err(self.timed_out(Duration::ZERO, location));
        }
        if Handle::try_current().is_err() {
            return Err(SyncError::NoRuntime { name: self.name.clone(), location });
        }
        let _wait = series::wait("semaphore", &self.name);
        let started = time::Instant::now();
        let acquired = {
            let mut sleep = pin!(time::sleep_until(started + timeout.min(LONGEST_WAIT)));
            // A task that used up its turn would be refused its last look.
            let mut acquire = pin!(task::unconstrained(self.line.acquire_many(count)));
            // Counted as soon as it stands in line, not before.
            let mut waiting = None;
            poll_fn(|context| {
                if let Poll::Ready(acquired) = acquire.as_mut().poll(context) {
                    return Poll::Ready(Some(acquired));
                }
                waiting.get_or_insert_with(|| Waiting::new(&self.waiting));
                // Once more at the very end, since permits may have come with
                // it.
                sleep.as_mut().poll(context).map(|()| match acquire.as_mut().poll(context) {
                    Poll::Ready(acquired) => Some(acquired),
                    Poll::Pending => None,
                })
            })
            .await
        };
        self.settle(acquired, started.elapsed(), location)
    }

    /// Takes permits, waiting as a thread.
    #[cold]
    pub(super) fn wait_blocking(
        &self,
        count: u32,
        timeout: Duration,
        location: Location,
    ) -> Result<(), SyncError> {
        if timeout.is_zero() {
            return Err(self.timed_out(Duration::ZERO, location));
        }
        let _wait = series::wait("semaphore", &self.name);
        let started = Instant::now();
        let acquired = {
            let mut waiting = None;
            // On the thread of a task, tokio would answer "not yet" for as long
            // as the task does not yield, and it does not: it is blocked here.
            let mut acquire = pin!(task::unconstrained(self.line.acquire_many(count)));
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            let mut context = Context::from_waker(&waker);
            loop {
                // Once more at the very end, since permits may have come with
                // it.
                let left = timeout.saturating_sub(started.elapsed());
                match acquire.as_mut().poll(&mut context) {
                    Poll::Ready(acquired) => break Some(acquired),
                    Poll::Pending if left.is_zero() => break None,
                    Poll::Pending => {
                        waiting.get_or_insert_with(|| Waiting::new(&self.waiting));
                        thread::park_timeout(left);
                    }
                }
            }
        };
        self.settle(acquired, started.elapsed(), location)
    }

    /// How a wait ended that has left the line: what was set aside for it is
    /// not taken any more, and is not told as such.
    fn settle(
        &self,
        acquired: Option<Result<SemaphorePermit<'_>, AcquireError>>,
        waited: Duration,
        location: Location,
    ) -> Result<(), SyncError> {
        match acquired {
            Some(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Some(Err(_)) => Err(self.closed(location)),
            None => Err(self.timed_out(waited, location)),
        }
    }

    fn timed_out(&self, waited: Duration, location: Location) -> SyncError {
        series::timed_out("semaphore", &self.name);
        let (holder, unnamed) = self.holders();
        events::timed_out("semaphore", &self.name, waited, holder.as_ref(), location);
        SyncError::Timeout { name: self.name.clone(), waited, holder, unnamed, location }
    }
}

/// Somebody waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
