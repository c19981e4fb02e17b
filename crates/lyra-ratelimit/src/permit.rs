use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, MonotonicClock};
use crate::error::RateLimitError;
use crate::queue::Queue;
use crate::waiter::{Costs, Stamp};

/// Leave for one call, to be held while it runs: dropped, it gives back its
/// slots. What it was charged in rates stays charged, unless it is
/// [settled](Self::settle) or [cancelled](Self::cancel).
#[must_use = "dropped, it gives its slots back"]
pub struct Permit<C: Clock = MonotonicClock> {
    queue: Arc<Queue<C>>,
    costs: Costs,
    stamp: Stamp,
}

impl<C: Clock> Permit<C> {
    pub(crate) fn new(queue: Arc<Queue<C>>, costs: Costs, stamp: Stamp) -> Self {
        Self { queue, costs, stamp }
    }

    /// The call is over, and cost what `used` says; what that does not name
    /// cost what had been asked for. The rest is there for others at once;
    /// what was used beyond is taken even where it is not there, and those who
    /// come next wait for it.
    ///
    /// # Errors
    ///
    /// [`UnknownLimit`](RateLimitError::UnknownLimit); then the call counts as
    /// it had been asked for.
    #[track_caller]
    pub fn settle(self, used: &[(&str, u64)]) -> Result<(), RateLimitError> {
        let used = self.queue.costs(used, &self.costs)?;
        self.queue.settle_rates(self.stamp, &self.costs, &used);
        Ok(())
    }

    /// The call was not made: nothing stays charged.
    pub fn cancel(self) {
        self.queue.settle_rates(self.stamp, &self.costs, &Costs::default());
    }
}

impl<C: Clock> Drop for Permit<C> {
    fn drop(&mut self) {
        self.queue.release_slots(self.stamp, &self.costs);
    }
}

impl<C: Clock> fmt::Debug for Permit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("limiter", &self.queue.name).finish_non_exhaustive()
    }
}
