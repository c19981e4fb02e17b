mod builder;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock};
use crate::error::RateLimitError;
use crate::feedback::Feedback;
use crate::limits::Limits;
use crate::permit::Permit;
use crate::queue::Queue;
use crate::quota::Quota;
use crate::status::Status;
use crate::waiter::{Costs, Keeps, Stamp, USUAL};

pub use builder::LimitSetBuilder;

/// Several limits as one: a call is granted when all of them allow it, and
/// then charged to all of them, in one step. Nothing is taken before.
///
/// It has one queue, as a [`RateLimiter`](crate::RateLimiter) has, and keeps
/// the same promises. Where slots are among the limits, a call has to hold a
/// [`Permit`] while it runs, which [`enter`](Self::enter) gives; a turn that
/// waits for a slot cannot be foreseen, so it is refused at once only if the
/// rates alone make it too late.
///
/// Clones share one state.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::{LimitSet, Limits, Quota, RateLimitError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RateLimitError> {
/// let model = LimitSet::new(
///     Limits::new()
///         .with("requests", Quota::per_minute(60))
///         .with("tokens", Quota::per_minute(90_000))
///         .with_slots("connections", 1),
/// )?;
/// let permit = model.enter(&[("tokens", 2_000)], Duration::from_secs(10)).await?;
/// assert_eq!(model.try_enter(&[]).unwrap_err().to_string(), "all slots are in use");
/// permit.settle(&[("tokens", 1_432)])?; // what the answer says; the slot is free again, too
/// # Ok(())
/// # }
/// ```
pub struct LimitSet<C = MonotonicClock>(Arc<Queue<C>>);

impl LimitSet {
    /// A set of these limits, all free, on the system's monotonic clock.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if there is no limit, or more than
    /// 8, two have one name, or one of them cannot be meant.
    #[track_caller]
    pub fn new(limits: Limits) -> Result<Self, RateLimitError> {
        Self::builder(limits).build()
    }

    /// A builder; it lists its defaults.
    pub fn builder(limits: Limits) -> LimitSetBuilder {
        LimitSetBuilder::new(limits)
    }
}

impl<C: Clock> LimitSet<C> {
    pub(crate) fn of(queue: Arc<Queue<C>>) -> Self {
        Self(queue)
    }

    /// Takes one of each limit, waiting in line for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`RateLimiter::acquire`](crate::RateLimiter::acquire), and
    /// [`NeedsPermit`](RateLimitError::NeedsPermit) if there are slots among
    /// the limits.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn acquire(&self, timeout: Duration) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        async move { self.0.acquire(&USUAL, timeout, location).await }
    }

    /// [`acquire`](Self::acquire) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); it needs no runtime.
    #[track_caller]
    pub fn acquire_blocking(&self, timeout: Duration) -> Result<(), RateLimitError> {
        self.0.acquire_blocking(&USUAL, timeout, Location::caller())
    }

    /// Takes one of each limit, if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`NotYet`](RateLimitError::NotYet) with the time after which it would
    /// be granted; [`NeedsPermit`](RateLimitError::NeedsPermit) if there are
    /// slots among the limits.
    #[track_caller]
    pub fn try_acquire(&self) -> Result<(), RateLimitError> {
        self.0.try_acquire(&USUAL, Location::caller())
    }

    /// Takes what the call costs, waiting in line for up to `timeout`: for
    /// each limit that `costs` names, so much, and one of each other.
    ///
    /// # Errors
    ///
    /// As [`RateLimiter::acquire_n`](crate::RateLimiter::acquire_n);
    /// [`UnknownLimit`](RateLimitError::UnknownLimit);
    /// [`TimedOut`](RateLimitError::TimedOut) also where no slot came free.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn enter(
        &self,
        costs: &[(&str, u64)],
        timeout: Duration,
    ) -> impl Future<Output = Result<Permit<C>, RateLimitError>> {
        let location = Location::caller();
        let costs = self.0.costs(costs, &USUAL);
        async move {
            let costs = costs?;
            let stamp = self.0.wait(costs, Keeps::Something, timeout, location).await?;
            Ok(self.permit(costs, stamp))
        }
    }

    /// [`enter`](Self::enter) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter); it needs no runtime.
    #[track_caller]
    pub fn enter_blocking(
        &self,
        costs: &[(&str, u64)],
        timeout: Duration,
    ) -> Result<Permit<C>, RateLimitError> {
        let costs = self.0.costs(costs, &USUAL)?;
        let stamp = self.0.wait_blocking(costs, Keeps::Something, timeout, Location::caller())?;
        Ok(self.permit(costs, stamp))
    }

    /// Takes what the call costs, if it is there and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire), and
    /// [`Busy`](RateLimitError::Busy) where no slot is free: nobody can tell
    /// for how long.
    #[track_caller]
    pub fn try_enter(&self, costs: &[(&str, u64)]) -> Result<Permit<C>, RateLimitError> {
        let costs = self.0.costs(costs, &USUAL)?;
        let stamp = self.0.try_all(&costs, Keeps::Something, Location::caller())?;
        Ok(self.permit(costs, stamp))
    }

    /// Another quota for the limit of this name; see
    /// [`RateLimiter::set_quota`](crate::RateLimiter::set_quota).
    ///
    /// # Errors
    ///
    /// [`UnknownLimit`](RateLimitError::UnknownLimit), also if it counts
    /// slots; [`Invalid`](RateLimitError::Invalid) if the quota cannot be
    /// meant. Then nothing has changed.
    #[track_caller]
    pub fn set_quota(&self, limit: &str, quota: Quota) -> Result<(), RateLimitError> {
        self.0.change(limit, crate::limits::Rule::Quota(quota))
    }

    /// Another number of slots for the limit of this name. Permits beyond a
    /// smaller number stay valid.
    ///
    /// # Errors
    ///
    /// [`UnknownLimit`](RateLimitError::UnknownLimit), also if it counts no
    /// slots; [`Invalid`](RateLimitError::Invalid) for zero.
    #[track_caller]
    pub fn set_slots(&self, limit: &str, slots: u64) -> Result<(), RateLimitError> {
        self.0.change(limit, crate::limits::Rule::Slots(slots))
    }

    /// Takes in what a response said about the limits of its service; see
    /// [`RateLimiter::learn`](crate::RateLimiter::learn). What it says of a
    /// limit goes to the one of the same name; or else calls to `requests`, and
    /// tokens to `tokens`, if there are limits of these names.
    pub fn learn(&self, feedback: &Feedback) {
        self.0.learn(feedback);
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    fn permit(&self, costs: Costs, stamp: Stamp) -> Permit<C> {
        Permit::new(Arc::clone(&self.0), costs, stamp)
    }
}

impl<C> Clone for LimitSet<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Clock> fmt::Debug for LimitSet<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitSet")
            .field("name", &self.0.name)
            .field("status", &self.status())
            .finish()
    }
}
