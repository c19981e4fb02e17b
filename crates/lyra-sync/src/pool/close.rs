//! The end of a pool: nothing is given out, and everything comes back.

use std::future::poll_fn;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time;

use super::error::PoolError;
use super::manager::Manager;
use super::settings::LONGEST;
use super::shared::Shared;
use super::state::Wake;

impl<M: Manager> Shared<M> {
    pub(crate) async fn close(
        &self,
        timeout: Duration,
        location: Location,
    ) -> Result<(), PoolError<M::Error>> {
        self.close_now();
        let started = time::Instant::now();
        if self.is_drained(|| None) {
            return Ok(());
        }
        if timeout.is_zero() {
            return Err(self.not_returned(timeout, location));
        }
        if Handle::try_current().is_err() {
            return Err(self.no_runtime(location));
        }
        let drained = poll_fn(|context| {
            match self.is_drained(|| Some(Wake::Task(context.waker().clone()))) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
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
        loop {
            if self.is_drained(|| Some(Wake::Thread(thread::current()))) {
                return Ok(());
            }
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(self.not_returned(started.elapsed(), location));
            }
            thread::park_timeout(left);
        }
    }

    /// Whether nothing is out any more; else the caller is woken when
    /// something comes back.
    fn is_drained(&self, wake: impl FnOnce() -> Option<Wake>) -> bool {
        let mut state = self.lock();
        let is_drained = state.size() == 0;
        if !is_drained {
            state.drainers.extend(wake());
        }
        is_drained
    }
}
