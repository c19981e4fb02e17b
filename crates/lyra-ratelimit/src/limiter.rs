mod builder;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock};
use crate::error::RateLimitError;
use crate::feedback::Feedback;
use crate::queue::{Queue, one};
use crate::quota::Quota;
use crate::reservation::Reservation;
use crate::status::Status;
use crate::waiter::Keeps;

pub use builder::RateLimiterBuilder;

/// One limit within this process.
///
/// Asynchronous and blocking callers share one state and one queue. Whoever
/// has to wait is served in the order of arrival, whatever the costs; nobody
/// overtakes, not even [`try_acquire`](Self::try_acquire). A caller is charged
/// when it is granted, so to give up a wait costs nothing; and one whose turn
/// cannot come within its timeout is refused at once, and told when it would
/// come. In no case is more granted than the quota allows.
///
/// Clones share one state.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::{RateLimitError, RateLimiter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RateLimitError> {
/// let limiter = RateLimiter::per_minute(60).with_burst(10).build()?;
/// limiter.acquire(Duration::from_secs(10)).await?; // waits in line, for ten seconds at most
/// limiter.acquire_blocking(Duration::from_secs(10))?; // the same line, from a thread
/// limiter.acquire_n(8, Duration::from_secs(10)).await?; // a call with eight times the weight
///
/// let error = limiter.try_acquire().unwrap_err();
/// assert!(error.retry_after() <= Some(Duration::from_secs(1)));
/// # Ok(())
/// # }
/// ```
pub struct RateLimiter<C = MonotonicClock>(Arc<Queue<C>>);

impl RateLimiter {
    /// A limiter with this quota, on the system's monotonic clock.
    pub fn builder(quota: Quota) -> RateLimiterBuilder {
        RateLimiterBuilder::new(quota)
    }

    /// So many a second; [`Quota`] says how it is counted.
    pub fn per_second(amount: u64) -> RateLimiterBuilder {
        Self::builder(Quota::per_second(amount))
    }

    /// So many a minute.
    pub fn per_minute(amount: u64) -> RateLimiterBuilder {
        Self::builder(Quota::per_minute(amount))
    }

    /// So many an hour.
    pub fn per_hour(amount: u64) -> RateLimiterBuilder {
        Self::builder(Quota::per_hour(amount))
    }
}

impl<C: Clock> RateLimiter<C> {
    pub(crate) fn of(queue: Arc<Queue<C>>) -> Self {
        Self(queue)
    }

    /// Takes one token, waiting in line for up to `timeout`.
    ///
    /// The timer of the wait is tokio's, which has steps of a millisecond: a
    /// grant comes up to that much later than it could, never earlier.
    ///
    /// # Errors
    ///
    /// [`TooLate`](RateLimitError::TooLate) at once, if the turn cannot come
    /// in time; [`TimedOut`](RateLimitError::TimedOut) if it could have, and
    /// the limit was tightened meanwhile; [`NoRuntime`](RateLimitError::NoRuntime)
    /// if it has to wait outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn acquire(&self, timeout: Duration) -> impl Future<Output = Result<(), RateLimitError>> {
        self.acquire_n(1, timeout)
    }

    /// Takes `cost` tokens together, waiting in line for up to `timeout`; none
    /// are granted at once.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and [`TooLarge`](RateLimitError::TooLarge)
    /// at once if `cost` is above the burst.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn acquire_n(
        &self,
        cost: u64,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        async move {
            match cost == 0 || self.0.quick(cost) {
                true => Ok(()),
                false => {
                    self.0.wait(one(cost), Keeps::Nothing, timeout, location).await.map(|_| ())
                }
            }
        }
    }

    /// [`acquire`](Self::acquire) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); it needs no runtime.
    #[track_caller]
    pub fn acquire_blocking(&self, timeout: Duration) -> Result<(), RateLimitError> {
        self.acquire_n_blocking(1, timeout)
    }

    /// [`acquire_n`](Self::acquire_n) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_n`](Self::acquire_n); it needs no runtime.
    #[track_caller]
    pub fn acquire_n_blocking(&self, cost: u64, timeout: Duration) -> Result<(), RateLimitError> {
        match cost == 0 || self.0.quick(cost) {
            true => Ok(()),
            false => self
                .0
                .wait_blocking(one(cost), Keeps::Nothing, timeout, Location::caller())
                .map(|_| ()),
        }
    }

    /// Takes one token if it is there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`NotYet`](RateLimitError::NotYet) with the time after which it would
    /// be granted, exact to the nanosecond if nobody else comes.
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<(), RateLimitError> {
        self.0.try_one(1)
    }

    /// Takes `cost` tokens together if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`NotYet`](RateLimitError::NotYet) with the time after which it would
    /// be granted; [`TooLarge`](RateLimitError::TooLarge) if `cost` is above
    /// the burst.
    #[inline]
    #[track_caller]
    pub fn try_acquire_n(&self, cost: u64) -> Result<(), RateLimitError> {
        self.0.try_one(cost)
    }

    /// Takes `cost` tokens for a call whose real cost shows later, if they are
    /// there and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_n`](Self::try_acquire_n).
    ///
    /// ```
    /// use lyra_ratelimit::RateLimiter;
    ///
    /// let tokens = RateLimiter::per_minute(90_000).with_burst(4_000).build()?;
    /// let slot = tokens.reserve_n(2_000)?;
    /// let used = 1_432; // what the answer says
    /// slot.settle(used);
    /// assert!(tokens.available() >= 4_000 - used);
    /// # Ok::<(), lyra_ratelimit::RateLimitError>(())
    /// ```
    #[track_caller]
    pub fn reserve_n(&self, cost: u64) -> Result<Reservation<C>, RateLimitError> {
        let stamp = self.0.try_all(&one(cost), Keeps::Something, Location::caller())?;
        Ok(Reservation::new(Arc::clone(&self.0), cost, stamp))
    }

    /// Takes `cost` tokens for a call whose real cost shows later, waiting in
    /// line for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_n`](Self::acquire_n).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn reserve_n_within(
        &self,
        cost: u64,
        timeout: Duration,
    ) -> impl Future<Output = Result<Reservation<C>, RateLimitError>> {
        let location = Location::caller();
        async move {
            let stamp = self.0.wait(one(cost), Keeps::Something, timeout, location).await?;
            Ok(Reservation::new(Arc::clone(&self.0), cost, stamp))
        }
    }

    /// [`reserve_n_within`](Self::reserve_n_within) for threads: blocks for up
    /// to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_n`](Self::acquire_n); it needs no runtime.
    #[track_caller]
    pub fn reserve_n_within_blocking(
        &self,
        cost: u64,
        timeout: Duration,
    ) -> Result<Reservation<C>, RateLimitError> {
        let stamp =
            self.0.wait_blocking(one(cost), Keeps::Something, timeout, Location::caller())?;
        Ok(Reservation::new(Arc::clone(&self.0), cost, stamp))
    }

    /// Another quota from now on, also for those who wait.
    ///
    /// What was taken stays taken, counted in tokens: of a larger burst the
    /// difference is there at once, and a smaller one is paid off before
    /// anything is granted. Whoever waits and can no longer be served in time
    /// is refused now. Between a strict quota and a bucket only the sum of
    /// what was taken is kept, as if all of it had been taken now.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if the quota cannot be meant; then
    /// nothing has changed.
    #[track_caller]
    pub fn set_quota(&self, quota: Quota) -> Result<(), RateLimitError> {
        self.0.set_quota(quota)
    }

    /// Takes in what a response said about the limits of its service.
    ///
    /// If the service complained, nothing is granted for as long as it asked
    /// (an hour at most, a setting), and buckets go on at half the speed, down
    /// to a twentieth if it keeps complaining; every 30 s (a setting) without a
    /// complaint they regain a tenth. Where the service has less left than the
    /// limit, the difference is taken; where nothing is left, nothing is
    /// granted until its reset. Where its rate is lower, the limit goes down to
    /// it. Never does a response make a limit faster than it was told.
    ///
    /// Whoever waits and can no longer be served in time is refused now.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use lyra_ratelimit::{Feedback, RateLimiter};
    ///
    /// let limiter = RateLimiter::per_minute(60).build()?;
    /// let (status, headers) = (429, [("retry-after", "20")]);
    /// limiter.learn(&Feedback::from_headers(status, headers, SystemTime::now()));
    /// let wait = limiter.try_acquire().unwrap_err().retry_after().unwrap();
    /// assert!(wait > Duration::from_secs(19));
    /// # Ok::<(), lyra_ratelimit::RateLimitError>(())
    /// ```
    pub fn learn(&self, feedback: &Feedback) {
        self.0.learn(feedback);
    }

    /// The quota.
    #[must_use]
    pub fn quota(&self) -> Quota {
        let quota = self.0.lock().get().limits.first().and_then(crate::limit::Limit::quota);
        quota.expect("a limiter is built with a quota, and never loses it")
    }

    /// How many tokens are there now, whoever waits for them.
    #[must_use]
    pub fn available(&self) -> u64 {
        let mut line = self.0.lock();
        let now = line.now;
        line.get().limits.first().map_or(0, |limit| limit.meter.available(now))
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }
}

impl<C> Clone for RateLimiter<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Clock> fmt::Debug for RateLimiter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.0.name)
            .field("status", &self.status())
            .finish()
    }
}
