//! The end of a pool: nothing is given out, and everything comes back.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time;

use super::error::PoolError;
use super::manager::Manager;
use super::settings::LONGEST;
use super::shared::Shared;
use crate::atomics::{Instant, thread};
use crate::wake::{Wake, discard};

impl<M: Manager> Shared<M> {
    pub(crate) async fn close(
        &self,
        timeout: Duration,
        location: Location,
    ) -> Result<(), PoolError<M::Error>> {
        self.close_now();
        let started = time::Instant::now();
        let drainer = Drainer::new(self);
        if drainer.is_done(None) {
            return Ok(());
        }
        if timeout.is_zero() {
            return Err(self.not_returned(timeout, location));
        }
        if Handle::try_current().is_err() {
            return Err(self.no_runtime(location));
        }
        let drained =
            poll_fn(|context| match drainer.is_done(Some(Wake::Task(context.waker().clone()))) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            });
        match time::timeout(timeout.min(LONGEST), drained).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.not_returned(started.elapsed(), location)),
        }
    }

    pub(crate) fn close_blocking(
        &self,
        timeout: Duration,
        location: Location,
    ) -> Result<(), PoolError<M::Error>> {
        self.close_now();
        let started = Instant::now();
        let drainer = Drainer::new(self);
        loop {
            if drainer.is_done(Some(Wake::Thread(thread::current()))) {
                return Ok(());
            }
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(self.not_returned(started.elapsed(), location));
            }
            thread::park_timeout(left);
        }
    }
}

/// Someone who waits for the pool to be empty; dropped, nobody calls it.
struct Drainer<'a, M: Manager> {
    shared: &'a Shared<M>,
    number: u64,
}

impl<'a, M: Manager> Drainer<'a, M> {
    fn new(shared: &'a Shared<M>) -> Self {
        Self { shared, number: shared.lock().enter_drainers() }
    }

    /// Whether nothing is out any more; else it is called when something comes
    /// back.
    fn is_done(&self, mut wake: Option<Wake>) -> bool {
        let is_done = self.shared.lock().is_drained(self.number, &mut wake);
        discard(wake);
        is_done
    }
}

impl<M: Manager> Drop for Drainer<'_, M> {
    fn drop(&mut self) {
        let stale = self.shared.lock().leave_drainers(self.number);
        discard(stale);
    }
}
