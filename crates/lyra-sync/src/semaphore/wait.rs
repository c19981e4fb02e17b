//! The two ways to wait for permits. Both stand in tokio's line, which serves
//! in order.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::{task, time};

use super::Shared;
use crate::async_rw_lock::LONGEST_WAIT;
use crate::error::SyncError;
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
        let acquire = self.line.acquire_many(count);
        let mut acquire = pin!(time::timeout(timeout.min(LONGEST_WAIT), acquire));
        // Counted as soon as it stands in line, not before.
        let mut waiting = None;
        let acquired = poll_fn(|context| {
            let polled = acquire.as_mut().poll(context);
            if polled.is_pending() {
                waiting.get_or_insert_with(|| Waiting::new(&self.waiting));
            }
            polled
        });
        match acquired.await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Ok(Err(_)) => Err(self.closed(location)),
            Err(_) => Err(self.timed_out(started.elapsed(), location)),
        }
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
        let mut waiting = None;
        // On the thread of a task, tokio would answer "not yet" for as long as
        // the task does not yield, and it does not: it is blocked here.
        let mut acquire = pin!(task::unconstrained(self.line.acquire_many(count)));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            // Once more at the very end, since permits may have come with it.
            let left = timeout.saturating_sub(started.elapsed());
            match acquire.as_mut().poll(&mut context) {
                Poll::Ready(Ok(permit)) => {
                    permit.forget();
                    return Ok(());
                }
                Poll::Ready(Err(_)) => return Err(self.closed(location)),
                Poll::Pending if left.is_zero() => break,
                Poll::Pending => {
                    waiting.get_or_insert_with(|| Waiting::new(&self.waiting));
                    thread::park_timeout(left);
                }
            }
        }
        Err(self.timed_out(started.elapsed(), location))
    }

    fn timed_out(&self, waited: Duration, location: Location) -> SyncError {
        series::timed_out("semaphore", &self.name);
        SyncError::Timeout { name: self.name.clone(), waited, holder: self.holder(), location }
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
