use std::panic::Location;
use std::time::Duration;

use super::deadline::allows_another;
use super::manager::BlockingManager;
use super::{Outcome, ResourcePool};
use crate::atomics::Instant;

impl<M: BlockingManager> ResourcePool<M> {
    /// [`acquire`](Self::acquire) for threads, from the same pool and the same
    /// line: blocks for up to `timeout`.
    ///
    /// A resource is created and checked on this thread, where nobody can
    /// interrupt it: a manager that ignores the timeout that it is given makes
    /// this call longer. For a manager without a blocking side, block on
    /// [`acquire`](Self::acquire) with a runtime's handle.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); it needs no runtime.
    #[track_caller]
    pub fn acquire_blocking(&self, timeout: Duration) -> Outcome<'_, M> {
        let location = Location::caller();
        let mut ticket = None;
        let mut started = None;
        let mut refused = 0;
        loop {
            let item = match self.0.take(&mut ticket, location) {
                Some(item) => item,
                None => {
                    let started = *started.get_or_insert_with(Instant::now);
                    self.0.wait_blocking(ticket, started, timeout, location)?
                }
            };
            if let Ok(item) = self.0.check_blocking(item, &mut started, timeout) {
                return Ok(self.guard(item));
            }
            let started = *started.get_or_insert_with(Instant::now);
            refused += 1;
            let (is_over, max_size) = (started.elapsed() >= timeout, self.0.settings.max_size);
            if !allows_another(timeout, is_over, refused, max_size) {
                self.0.lock().counts.timed_out += 1;
                return Err(self.0.timed_out(started.elapsed(), location));
            }
        }
    }
}
