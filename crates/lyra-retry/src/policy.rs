mod builder;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_errors::Classify;

use crate::call::Retry;
use crate::clock::{Clock, Sleeper, SystemClock, ThreadSleeper};
use crate::course::Start;
use crate::rule::{ByRecovery, Quiet};
use crate::schedule::Limits;
use crate::seed::{SeedSource, SystemSeed};
use crate::{CircuitBreaker, Explanation, Jitter, RetryBudget, RetryContext, RetryError, Schedule};

pub use builder::RetryPolicyBuilder;

type Delays = Arc<dyn Fn() -> Box<dyn Iterator<Item = Duration> + Send> + Send + Sync>;

/// What an attempt that ran out of its own time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnTimeout {
    /// Bad luck: another attempt may be faster. The default.
    #[default]
    Retry,
    /// Slow work: another attempt would take as long again.
    Stop,
}

/// When to try again, and how long to wait before that: a value that is made
/// once and used for many calls, from any number of tasks and threads.
///
/// Clones are cheap, and share the budget and the circuit breaker.
///
/// ```
/// use std::time::Duration;
/// use lyra_retry::{Jitter, RetryPolicy};
///
/// let policy = RetryPolicy::exponential()
///     .with_max_retries(5)
///     .with_base_delay(Duration::from_millis(100))
///     .with_jitter(Jitter::Equal)
///     .with_deadline(Duration::from_secs(30))
///     .build()?;
/// assert_eq!(policy.max_retries(), 5);
/// # Ok::<(), lyra_retry::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    /// Worked out once, because every call asks.
    is_plain: bool,
    pub(crate) limits: Limits,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) breaker: Option<CircuitBreaker>,
    // `None` is the system's, so that a policy is made without allocating.
    seeds: Option<Arc<dyn SeedSource>>,
    clock: Option<Arc<dyn Clock>>,
    sleeper: Option<Arc<dyn Sleeper>>,
    delays: Option<Delays>,
}

impl RetryPolicy {
    /// A builder of exponential backoff; it lists its defaults.
    pub fn exponential() -> RetryPolicyBuilder {
        RetryPolicyBuilder::default()
    }

    /// For calls to a service over a network: 4 retries from 200 ms to 10 s
    /// with full jitter, 10 s for an attempt, 60 s for all.
    #[must_use]
    pub fn network() -> Self {
        preset(
            Self::exponential()
                .with_max_retries(4)
                .with_base_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(10))
                .with_attempt_timeout(Duration::from_secs(10))
                .with_deadline(Duration::from_secs(60)),
        )
    }

    /// For a model that runs on this machine: 2 retries from 2 s to 10 s with
    /// equal jitter, 120 s for an attempt, 300 s for all.
    ///
    /// An attempt that ran out of time is not retried: the model would need
    /// as long again, and others wait for the card.
    #[must_use]
    pub fn local_model() -> Self {
        preset(
            Self::exponential()
                .with_max_retries(2)
                .with_base_delay(Duration::from_secs(2))
                .with_max_delay(Duration::from_secs(10))
                .with_jitter(Jitter::Equal)
                .with_attempt_timeout(Duration::from_secs(120))
                .with_on_timeout(OnTimeout::Stop)
                .with_deadline(Duration::from_secs(300)),
        )
    }

    /// The numbers of the first version: 3 retries after 1, 2 and 4 s, with
    /// neither jitter nor any limit of time.
    #[must_use]
    pub fn promised() -> Self {
        preset(Self::exponential().with_jitter(Jitter::None))
    }

    /// A builder that begins with what this policy has, such as a preset's
    /// numbers.
    ///
    /// ```
    /// use lyra_retry::{RetryBudget, RetryPolicy};
    ///
    /// let policy = RetryPolicy::network().to_builder().with_budget(RetryBudget::new()).build()?;
    /// assert_eq!(policy.max_retries(), RetryPolicy::network().max_retries());
    /// # Ok::<(), lyra_retry::PolicyError>(())
    /// ```
    pub fn to_builder(&self) -> RetryPolicyBuilder {
        RetryPolicyBuilder::from_policy(self)
    }

    /// Calls `operation` until it succeeds, its error says that another
    /// attempt is no use, or the policy ends.
    ///
    /// Only errors whose [`Recovery`](lyra_errors::Recovery) says so are retried, and never before
    /// the wait that they ask for. [`retry`](Self::retry) asks a predicate
    /// instead, and takes any error.
    ///
    /// Each attempt is a new future, made when its turn comes. Nothing happens
    /// until the future is polled.
    ///
    /// # Errors
    ///
    /// [`RetryError`] with the last error, the history and the reason.
    ///
    /// # Panics
    ///
    /// Where it has to wait, or to limit an attempt, outside of a tokio
    /// runtime with its timer enabled. A panic of `operation` is passed on.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, it drops the attempt that is under way, hands
    /// what it had drawn from the budget back, and leaves the circuit breaker
    /// as if that attempt had not been.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), lyra_errors::Error> {
    /// use lyra_errors::{Error, Recovery};
    /// use lyra_retry::RetryPolicy;
    ///
    /// let mut calls = 0;
    /// let policy = RetryPolicy::network();
    /// let answer = policy
    ///     .run(|| {
    ///         calls += 1;
    ///         let failed = calls < 3;
    ///         async move {
    ///             match failed {
    ///                 true => Err(Error::router("no route yet").with_recovery(Recovery::RETRY)),
    ///                 false => Ok("42"),
    ///             }
    ///         }
    ///     })
    ///     .await?;
    /// assert_eq!((answer, calls), ("42", 3));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tokio")]
    #[track_caller]
    pub fn run<F, Fut, T, E>(&self, operation: F) -> impl Future<Output = Result<T, RetryError<E>>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        self.retry(operation).into_future()
    }

    /// Calls `operation` like [`run`](Self::run), blocking the thread while it
    /// waits: the same schedule, the same decisions.
    ///
    /// An attempt cannot be interrupted here. The attempt timeout and the
    /// deadline are measured after it: a late success is a success; a late
    /// failure counts as out of time.
    ///
    /// # Errors
    ///
    /// [`RetryError`] with the last error, the history and the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use lyra_errors::Error;
    /// use lyra_retry::RetryPolicy;
    ///
    /// // Permanent, so that it is not retried.
    /// let refused = || Err::<(), _>(Error::validation("query", "it is empty"));
    /// let error = RetryPolicy::promised().run_blocking(refused).unwrap_err();
    /// assert_eq!(error.attempts(), 1);
    /// assert_eq!(error.last_error().unwrap().to_string(), "it is empty");
    /// ```
    #[track_caller]
    pub fn run_blocking<F, T, E>(&self, operation: F) -> Result<T, RetryError<E>>
    where
        F: FnMut() -> Result<T, E>,
        E: Classify,
    {
        self.retry_blocking(operation).call()
    }

    /// A call that can be told which errors to retry and whom to tell of it,
    /// and then is awaited.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// use std::io::{Error, ErrorKind};
    /// use lyra_retry::RetryPolicy;
    ///
    /// let mut told = Vec::new();
    /// let error = RetryPolicy::promised()
    ///     .retry(async || Err::<(), _>(Error::from(ErrorKind::TimedOut)))
    ///     .when(|error| error.kind() == ErrorKind::TimedOut)
    ///     .on_retry(|event| told.push(event.delay.as_secs()))
    ///     .await
    ///     .unwrap_err();
    /// assert_eq!(told, [1, 2, 4]);
    /// assert_eq!(error.attempts(), 4);
    /// # }
    /// ```
    #[cfg(feature = "tokio")]
    #[track_caller]
    pub fn retry<F, Fut, T, E>(&self, operation: F) -> Retry<'_, F, E, ByRecovery, Quiet>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Retry::new(self.start(), operation)
    }

    /// The blocking twin of `retry`: ends with [`call`](Retry::call).
    ///
    /// ```
    /// use lyra_retry::{ManualClock, RetryPolicy};
    ///
    /// let clock = ManualClock::new(); // nothing really waits
    /// let policy = RetryPolicy::exponential().with_manual_time(&clock).build()?;
    /// let mut left = 2;
    /// let answer = policy
    ///     .retry_blocking(|| match left {
    ///         0 => Ok("done"),
    ///         _ => {
    ///             left -= 1;
    ///             Err("not yet")
    ///         }
    ///     })
    ///     .when(|error| *error == "not yet")
    ///     .call();
    /// assert_eq!(answer.unwrap(), "done");
    /// assert_eq!(clock.slept().len(), 2);
    /// # Ok::<(), lyra_retry::PolicyError>(())
    /// ```
    #[track_caller]
    pub fn retry_blocking<F, T, E>(&self, operation: F) -> Retry<'_, F, E, ByRecovery, Quiet>
    where
        F: FnMut() -> Result<T, E>,
    {
        Retry::new(self.start(), operation)
    }

    /// Several operations that share one budget of retries, and one deadline,
    /// which starts now.
    #[must_use]
    pub fn context(&self) -> RetryContext {
        RetryContext::new(self.clone())
    }

    /// The schedule of one operation whose jitter comes from `seed`: the pure
    /// decisions, for who wants to drive them otherwise.
    #[must_use]
    pub fn schedule(&self, seed: u64) -> Schedule {
        Schedule::new(self.limits, seed, self.delays.as_ref().map(|delays| delays()))
    }

    /// The schedule with its bounds and its worst case, to be printed.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        Explanation::new(self)
    }

    /// How many retries follow the first attempt at most.
    #[must_use]
    pub fn max_retries(&self) -> u32 {
        self.limits.max_retries
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn attempt_timeout(&self) -> Option<Duration> {
        self.attempt_timeout
    }

    /// How long all attempts may take, with the waits between them.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.limits.deadline
    }

    /// The retry budget that it draws from.
    #[must_use]
    pub fn budget(&self) -> Option<&RetryBudget> {
        self.budget.as_ref()
    }

    /// The circuit breaker that its attempts go through.
    #[must_use]
    pub fn breaker(&self) -> Option<&CircuitBreaker> {
        self.breaker.as_ref()
    }

    pub(crate) fn fresh_schedule(&self) -> Schedule {
        self.schedule(
            self.seeds.as_ref().map_or_else(|| SystemSeed.next_seed(), |seeds| seeds.next_seed()),
        )
    }

    #[track_caller]
    fn start(&self) -> Start<'_> {
        Start { policy: self, shared: None, location: std::panic::Location::caller() }
    }

    /// Whether there is nothing to do before the first attempt.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether the start of an attempt must be known before it fails.
    pub(crate) fn is_timed(&self) -> bool {
        self.attempt_timeout.is_some() || self.limits.deadline.is_some()
    }

    pub(crate) fn has_own_delays(&self) -> bool {
        self.delays.is_some()
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    pub(crate) fn sleep(&self, wait: Duration) {
        match &self.sleeper {
            Some(sleeper) => sleeper.sleep(wait),
            None => ThreadSleeper.sleep(wait),
        }
    }
}

/// As [`RetryPolicy::exponential`] with all its defaults.
impl Default for RetryPolicy {
    fn default() -> Self {
        preset(Self::exponential())
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("limits", &self.limits)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("on_timeout", &self.on_timeout)
            .field("budget", &self.budget)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

fn preset(builder: RetryPolicyBuilder) -> RetryPolicy {
    builder.build().expect("a preset is valid; a test builds each")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_builds() {
        assert_eq!(RetryPolicy::network().max_retries(), 4);
        assert_eq!(RetryPolicy::local_model().on_timeout, OnTimeout::Stop);
        assert_eq!(RetryPolicy::promised().deadline(), None);
        assert_eq!(RetryPolicy::default().max_retries(), 3);
    }

    #[test]
    fn a_policy_comes_back_from_its_builder_unchanged() {
        let odd = RetryPolicy::exponential()
            .with_factor(1.1)
            .with_max_delay(Duration::from_nanos(1_234_567_890))
            .with_max_retry_after(Duration::from_secs(7))
            .build()
            .unwrap();
        for policy in [odd, RetryPolicy::network(), RetryPolicy::local_model()] {
            let again = policy.to_builder().build().unwrap();
            assert_eq!(format!("{again:?}"), format!("{policy:?}"));
        }
    }
}
