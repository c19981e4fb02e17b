use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::Engine;
use super::trips::Shared;
use crate::error::RateLimitError;
use crate::waiter::{Costs, MOST_LIMITS};

/// Tokens that were taken from an engine for a call whose real cost shows
/// later.
///
/// [Settled](Self::settle), it gives back what was not used, or takes more.
/// Dropped without, it was cancelled: all is given back, in the background of
/// the runtime in which it was taken.
#[must_use = "dropped, it gives its tokens back"]
pub struct EngineReservation<E: Engine> {
    shared: Arc<Shared<E>>,
    runtime: Handle,
    grant: Option<E::Grant>,
    costs: Costs,
}

impl<E: Engine> EngineReservation<E> {
    pub(super) fn new(
        shared: Arc<Shared<E>>,
        runtime: Handle,
        grant: E::Grant,
        costs: Costs,
    ) -> Self {
        Self { shared, runtime, grant: Some(grant), costs }
    }

    /// The call cost `used` of each limit. Fewer than were reserved: the rest
    /// is there for others. More: they are taken even where they are not
    /// there, and those who come next wait for it.
    ///
    /// # Errors
    ///
    /// [`Engine`](RateLimitError::Engine); it is not repeated, and what could
    /// not be given back comes back as the limit refills.
    ///
    /// # Cancel safety
    ///
    /// It is done also if the future is dropped, even before it was polled.
    #[track_caller]
    pub fn settle(self, used: u64) -> impl Future<Output = Result<(), RateLimitError>> {
        self.settle_costs(Ok([used; MOST_LIMITS]))
    }

    /// The call cost what `used` says; what that does not name cost what had
    /// been asked for.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle), and
    /// [`UnknownLimit`](RateLimitError::UnknownLimit); then the call counts as
    /// it had been asked for.
    ///
    /// # Cancel safety
    ///
    /// As [`settle`](Self::settle).
    #[track_caller]
    pub fn settle_with(
        self,
        used: &[(&str, u64)],
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        let used = self.shared.costs(used, &self.costs);
        self.settle_costs(used)
    }

    #[track_caller]
    fn settle_costs(
        mut self,
        used: Result<Costs, RateLimitError>,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        let grant = self.grant.take();
        let used = used.map(|used| {
            grant.map(|grant| self.shared.settle(&self.runtime, grant, self.costs, used))
        });
        let shared = Arc::clone(&self.shared);
        async move {
            let Some(settled) = used? else { return Ok(()) };
            settled.await.map_err(|failure| shared.failed(failure, "settle", location))
        }
    }
}

impl<E: Engine> Drop for EngineReservation<E> {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            // Dropped at once, it is carried to its end in the background.
            drop(self.shared.settle(&self.runtime, grant, self.costs, Costs::default()));
        }
    }
}

impl<E: Engine> fmt::Debug for EngineReservation<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let costs = self.shared.of_limits(&self.costs);
        f.debug_struct("EngineReservation").field("costs", &costs).finish_non_exhaustive()
    }
}
