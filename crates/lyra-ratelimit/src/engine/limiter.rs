mod builder;
mod checks;
mod wait;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::reservation::EngineReservation;
use super::trips::Shared;
use super::{Ability, Denial, Engine};
use crate::error::RateLimitError;
use crate::feedback::Feedback;
use crate::quota::Quota;
use crate::status::Status;
use crate::waiter::{Costs, MOST_LIMITS, USUAL};

pub use builder::EngineLimiterBuilder;

/// One or several limits over an [`Engine`].
///
/// It keeps the promises of a [`RateLimiter`](crate::RateLimiter) as far as
/// its engine allows: within this process callers are served in the order of
/// their arrival; only the first in line asks the engine, and sleeps for as
/// long as that tells. A caller is charged when it is granted. Whoever cannot
/// be served in time is refused at once where the engine can tell that, and
/// every wait ends with its timeout, also where the engine hangs.
///
/// Where the engine itself fails, or does not answer in time (a second, a
/// setting), the caller gets [`Engine`](RateLimitError::Engine) with its fault
/// as the source; nobody is let through for that.
///
/// Clones share one line and one engine.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::{Limits, Quota, RateLimitError};
/// use lyra_ratelimit::engine::{EngineLimiter, InProcess};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RateLimitError> {
/// let limits = Limits::new()
///     .with("requests", Quota::per_minute(60))
///     .with("tokens", Quota::per_minute(90_000));
/// let model = EngineLimiter::new(InProcess::new(limits)?)?;
/// let patience = Duration::from_secs(10);
///
/// model.acquire(patience).await?; // one of each
/// let slot = model.reserve_with(&[("tokens", 2_000)], patience).await?; // and one request
/// slot.settle_with(&[("tokens", 1_432)]).await?; // what the answer says it took
/// # Ok(())
/// # }
/// ```
pub struct EngineLimiter<E>(Arc<Shared<E>>);

impl<E: Engine> EngineLimiter<E> {
    /// A limiter over this engine.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if the engine has no limit, or
    /// more than 8, or two of one name.
    #[track_caller]
    pub fn new(engine: E) -> Result<Self, RateLimitError> {
        Self::builder(engine).build()
    }

    /// A builder; it lists its defaults.
    pub fn builder(engine: E) -> EngineLimiterBuilder<E> {
        EngineLimiterBuilder::new(engine)
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.0.engine
    }

    /// Takes one of each limit, waiting in line for up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`TooLate`](RateLimitError::TooLate) at once, if the engine can tell
    /// that the turn cannot come in time; [`TimedOut`](RateLimitError::TimedOut)
    /// if it did not; [`Engine`](RateLimitError::Engine) if the engine failed;
    /// [`NoRuntime`](RateLimitError::NoRuntime) outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it leaves nothing taken. If the engine is just
    /// being asked, the call is carried to its end in the background, and what
    /// it took is given back; an engine without [`Ability::Refund`] keeps it.
    #[track_caller]
    pub fn acquire(&self, timeout: Duration) -> impl Future<Output = Result<(), RateLimitError>> {
        self.acquire_costs(Ok(USUAL), timeout)
    }

    /// Takes `cost` of each limit, waiting in line for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and [`TooLarge`](RateLimitError::TooLarge)
    /// at once if `cost` can never be granted.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_n(
        &self,
        cost: u64,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        self.acquire_costs(Ok([cost; MOST_LIMITS]), timeout)
    }

    /// Takes what the call costs, waiting in line for up to `timeout`: for
    /// each limit that `costs` names, so much, and one of each other.
    ///
    /// # Errors
    ///
    /// As [`acquire_n`](Self::acquire_n), and
    /// [`UnknownLimit`](RateLimitError::UnknownLimit).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_with(
        &self,
        costs: &[(&str, u64)],
        timeout: Duration,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        self.acquire_costs(self.0.costs(costs, &USUAL), timeout)
    }

    /// Takes one of each limit if they are there and nobody waits. The engine
    /// is asked, for up to a second (a setting), but no turn is waited for.
    ///
    /// # Errors
    ///
    /// [`NotYet`](RateLimitError::NotYet) with the time after which it would
    /// be granted, or a lower bound where the engine has no
    /// [`Ability::ExactWait`]; [`Engine`](RateLimitError::Engine);
    /// [`NoRuntime`](RateLimitError::NoRuntime).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn try_acquire(&self) -> impl Future<Output = Result<(), RateLimitError>> {
        self.try_acquire_n(1)
    }

    /// Takes `cost` of each limit if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire), and
    /// [`TooLarge`](RateLimitError::TooLarge).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn try_acquire_n(&self, cost: u64) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        async move {
            let costs = [cost; MOST_LIMITS];
            self.0.try_take(&costs, location).await.map(|_| ())
        }
    }

    /// Takes `cost` of each limit for a call whose real cost shows later, if
    /// they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_n`](Self::try_acquire_n).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn reserve_n(
        &self,
        cost: u64,
    ) -> impl Future<Output = Result<EngineReservation<E>, RateLimitError>> {
        let location = Location::caller();
        async move {
            let costs = [cost; MOST_LIMITS];
            let (runtime, grant) = self.0.try_take(&costs, location).await?;
            Ok(EngineReservation::new(Arc::clone(&self.0), runtime, grant, costs))
        }
    }

    /// Takes `cost` of each limit for a call whose real cost shows later,
    /// waiting in line for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_n`](Self::acquire_n).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn reserve_n_within(
        &self,
        cost: u64,
        timeout: Duration,
    ) -> impl Future<Output = Result<EngineReservation<E>, RateLimitError>> {
        self.reserve_costs(Ok([cost; MOST_LIMITS]), timeout)
    }

    /// Takes what a call is thought to cost, as
    /// [`acquire_with`](Self::acquire_with) does, until its real cost shows.
    ///
    /// # Errors
    ///
    /// As [`acquire_with`](Self::acquire_with).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn reserve_with(
        &self,
        costs: &[(&str, u64)],
        timeout: Duration,
    ) -> impl Future<Output = Result<EngineReservation<E>, RateLimitError>> {
        self.reserve_costs(self.0.costs(costs, &USUAL), timeout)
    }

    /// Another quota for the limit of this name, for all who share the engine.
    /// What was taken stays taken. Whoever waits in this process and can no
    /// longer be served in time is refused now.
    ///
    /// # Errors
    ///
    /// [`UnknownLimit`](RateLimitError::UnknownLimit);
    /// [`Invalid`](RateLimitError::Invalid) if the quota cannot be meant;
    /// [`Engine`](RateLimitError::Engine), also where it lacks
    /// [`Ability::LiveChange`], or [`Ability::StrictWindow`] for a strict one.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the change is made, also if this is dropped.
    #[track_caller]
    pub fn set_quota(
        &self,
        limit: &str,
        quota: Quota,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        let index = match (self.0.index_of(limit), quota.shape()) {
            (Ok(index), Ok(_)) => Ok(index),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        async move {
            let (index, runtime) = (index?, self.0.runtime(location)?);
            self.0.needs(Ability::LiveChange, "change a quota", location)?;
            if quota.is_strict() {
                self.0.needs(Ability::StrictWindow, "change a quota", location)?;
            }
            let shared = Arc::clone(&self.0);
            let change = async move { shared.engine.set_quota(index, quota).await };
            let changed = self.0.change(&runtime, Box::pin(change)).await;
            changed.map_err(|failure| self.0.failed(failure, "change a quota", location))
        }
    }

    /// Takes in what a response said about the limits of its service, for all
    /// who share the engine; see [`RateLimiter::learn`](crate::RateLimiter::learn).
    ///
    /// # Errors
    ///
    /// [`Engine`](RateLimitError::Engine), also where it lacks
    /// [`Ability::Learn`]; [`NoRuntime`](RateLimitError::NoRuntime).
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is taken in, also if this is dropped.
    #[track_caller]
    pub fn learn(&self, feedback: &Feedback) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        let feedback = feedback.clone();
        async move {
            let runtime = self.0.runtime(location)?;
            self.0.needs(Ability::Learn, "learn", location)?;
            let shared = Arc::clone(&self.0);
            let change = async move { shared.engine.learn(&feedback).await };
            let changed = self.0.change(&runtime, Box::pin(change)).await;
            changed.map_err(|failure| self.0.failed(failure, "learn", location))
        }
    }

    /// How it stands. What waits, and what was granted and refused, is of this
    /// process; the rest is the engine's.
    ///
    /// # Errors
    ///
    /// [`Engine`](RateLimitError::Engine); [`NoRuntime`](RateLimitError::NoRuntime).
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    #[track_caller]
    pub fn status(&self) -> impl Future<Output = Result<Status, RateLimitError>> {
        let location = Location::caller();
        async move {
            let shared = &self.0;
            shared.runtime(location)?;
            let failed = |failure| shared.failed(failure, "tell how it stands", location);
            let standing = shared.bounded(shared.bound(None), shared.engine.standing());
            let standing = standing.await.map_err(failed)?;
            let ahead = shared.line.all();
            let next = shared.foresee(&ahead, &USUAL, shared.bound(None));
            let next_free = match next.await.map_err(failed)? {
                Denial::NotYet(wait) => wait.least(),
                Denial::TooLarge { .. } => Duration::ZERO,
            };
            Ok(Status {
                limits: standing.limits,
                waiting: shared.line.waiting(),
                granted: shared.counts.granted(),
                refused: shared.counts.refused(),
                next_free,
                held_for: standing.held_for,
            })
        }
    }

    /// How many calls the engine failed or left unanswered so far.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.0.counts.faults()
    }

    /// How many tokens could not be given back so far: the engine failed, or
    /// has no [`Ability::Refund`]. They come back as the limits refill.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.counts.lost()
    }

    #[track_caller]
    fn acquire_costs(
        &self,
        costs: Result<Costs, RateLimitError>,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        async move { self.0.wait(&costs?, timeout, location).await.map(|_| ()) }
    }

    #[track_caller]
    fn reserve_costs(
        &self,
        costs: Result<Costs, RateLimitError>,
        timeout: Duration,
    ) -> impl Future<Output = Result<EngineReservation<E>, RateLimitError>> {
        let location = Location::caller();
        async move {
            let costs = costs?;
            let (runtime, grant) = self.0.wait(&costs, timeout, location).await?;
            Ok(EngineReservation::new(Arc::clone(&self.0), runtime, grant, costs))
        }
    }
}

impl<E> Clone for EngineLimiter<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for EngineLimiter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineLimiter")
            .field("name", &self.0.name)
            .field("limits", &self.0.names)
            .field("waiting", &self.0.line.waiting())
            .finish_non_exhaustive()
    }
}
