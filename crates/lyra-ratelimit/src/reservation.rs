use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, MonotonicClock};
use crate::queue::{Queue, one};
use crate::waiter::Stamp;

/// Tokens that were taken for a call whose real cost shows later.
///
/// [Settled](Self::settle), it gives back what was not used, or takes more.
/// Dropped without, it was cancelled: all tokens are given back.
#[must_use = "dropped, it gives its tokens back"]
pub struct Reservation<C: Clock = MonotonicClock> {
    queue: Arc<Queue<C>>,
    cost: u64,
    stamp: Stamp,
    is_settled: bool,
}

impl<C: Clock> Reservation<C> {
    pub(crate) fn new(queue: Arc<Queue<C>>, cost: u64, stamp: Stamp) -> Self {
        Self { queue, cost, stamp, is_settled: false }
    }

    /// How many tokens it holds.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The call cost `used` tokens. Fewer than were reserved: the rest is
    /// there for others at once. More: they are taken even where they are not
    /// there, and those who come next wait for it.
    pub fn settle(mut self, used: u64) {
        self.is_settled = true;
        self.queue.settle(self.stamp, &one(self.cost), &one(used));
    }
}

impl<C: Clock> Drop for Reservation<C> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.queue.settle(self.stamp, &one(self.cost), &one(0));
        }
    }
}

impl<C: Clock> fmt::Debug for Reservation<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("cost", &self.cost).finish_non_exhaustive()
    }
}
