use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Delays, OnTimeout, RetryPolicy};
use crate::clock::{Clock, ManualClock, Sleeper};
use crate::error::{PolicyError, require};
use crate::factor::Factor;
use crate::schedule::{Limits, nanos};
use crate::seed::{FixedSeed, SeedSource};
use crate::{CircuitBreaker, Jitter, RetryBudget};

const MAX_FACTOR: f64 = 1_000.0;

/// Builds a [`RetryPolicy`]; everything is checked once, by
/// [`build`](Self::build).
///
/// | setting | default |
/// |---|---|
/// | `max_retries` | 3 |
/// | `base_delay` | 1 s |
/// | `max_delay` | 60 s |
/// | `factor` | 2 |
/// | `jitter` | [`Jitter::Full`] |
/// | `max_retry_after` | 10 min |
/// | `attempt_timeout`, `deadline` | none |
/// | `on_timeout` | [`OnTimeout::Retry`] |
/// | `budget`, `breaker` | none |
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct RetryPolicyBuilder {
    max_retries: u32,
    base_delay: Duration,
    max_delay: Duration,
    factor: f64,
    jitter: Jitter,
    max_retry_after: Duration,
    attempt_timeout: Option<Duration>,
    deadline: Option<Duration>,
    on_timeout: OnTimeout,
    budget: Option<RetryBudget>,
    breaker: Option<CircuitBreaker>,
    seeds: Option<Arc<dyn SeedSource>>,
    clock: Option<Arc<dyn Clock>>,
    sleeper: Option<Arc<dyn Sleeper>>,
    delays: Option<Delays>,
}

impl Default for RetryPolicyBuilder {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            factor: 2.0,
            jitter: Jitter::default(),
            max_retry_after: Duration::from_secs(600),
            attempt_timeout: None,
            deadline: None,
            on_timeout: OnTimeout::default(),
            budget: None,
            breaker: None,
            seeds: None,
            clock: None,
            sleeper: None,
            delays: None,
        }
    }
}

impl RetryPolicyBuilder {
    pub(super) fn from_policy(policy: &RetryPolicy) -> Self {
        let policy = policy.clone();
        let limits = policy.limits;
        Self {
            max_retries: limits.max_retries,
            base_delay: Duration::from_nanos(limits.base),
            max_delay: Duration::from_nanos(limits.cap),
            factor: limits.factor.get(),
            jitter: limits.jitter,
            max_retry_after: limits.max_retry_after,
            attempt_timeout: policy.attempt_timeout,
            deadline: limits.deadline,
            on_timeout: policy.on_timeout,
            budget: policy.budget,
            breaker: policy.breaker,
            seeds: policy.seeds,
            clock: policy.clock,
            sleeper: policy.sleeper,
            delays: policy.delays,
        }
    }

    /// How many retries may follow the first attempt; with 0 there is none.
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// The first delay, before jitter.
    pub fn with_base_delay(mut self, base_delay: Duration) -> Self {
        self.base_delay = base_delay;
        self
    }

    /// The cap that no delay of ours passes. Only the wait that an error asks
    /// for can be longer.
    pub fn with_max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = max_delay;
        self
    }

    /// How many times longer each delay is than the one before it: 1 to 1,000.
    pub fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How delays are spread.
    pub fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The longest wait that an error may ask for; a longer one ends the call
    /// at once. It bounds what a hostile `Retry-After` can do where there is
    /// no deadline.
    pub fn with_max_retry_after(mut self, max_retry_after: Duration) -> Self {
        self.max_retry_after = max_retry_after;
        self
    }

    /// How long one attempt may take. An async attempt is cancelled then; a
    /// blocking one cannot be, and is judged after it.
    pub fn with_attempt_timeout(mut self, attempt_timeout: Duration) -> Self {
        self.attempt_timeout = Some(attempt_timeout);
        self
    }

    /// How long all attempts may take, with the waits between them. An async
    /// attempt is cancelled then; no wait begins that would reach it.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// What an attempt that ran out of its own time means.
    pub fn with_on_timeout(mut self, on_timeout: OnTimeout) -> Self {
        self.on_timeout = on_timeout;
        self
    }

    /// Draws every retry from `budget`; its clones share it.
    pub fn with_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Lets every attempt pass through `breaker`; its clones share it.
    pub fn with_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// Draws the jitter of *every* operation from `seed`, so that a schedule
    /// can be repeated. For tests: callers would no longer be spread.
    pub fn with_seed(self, seed: u64) -> Self {
        self.with_seed_source(FixedSeed(seed))
    }

    /// Takes the seed of each operation from `seeds`.
    pub fn with_seed_source(mut self, seeds: impl SeedSource + 'static) -> Self {
        self.seeds = Some(Arc::new(seeds));
        self
    }

    /// Reads time from `clock`. The async side still *waits* on tokio's timer.
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Waits by `sleeper` on the blocking side.
    pub fn with_sleeper(mut self, sleeper: impl Sleeper + 'static) -> Self {
        self.sleeper = Some(Arc::new(sleeper));
        self
    }

    /// Both from one clock that is moved by hand, for tests.
    pub fn with_manual_time(self, clock: &ManualClock) -> Self {
        self.with_clock(clock.clone()).with_sleeper(clock.clone())
    }

    /// Takes the delays from a schedule of the caller's own, made anew for
    /// each operation, in place of base delay, factor and jitter.
    ///
    /// The cap still holds; where the schedule ends, the retries end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lyra_retry::RetryPolicy;
    ///
    /// let policy = RetryPolicy::exponential()
    ///     .with_delays(|| [1, 5, 30].map(Duration::from_secs))
    ///     .build()?;
    /// assert_eq!(policy.schedule(0).delay(2), Some(Duration::from_secs(5)));
    /// # Ok::<(), lyra_retry::PolicyError>(())
    /// ```
    pub fn with_delays<D, I>(mut self, delays: D) -> Self
    where
        D: Fn() -> I + Send + Sync + 'static,
        I: IntoIterator<Item = Duration>,
        I::IntoIter: Send + 'static,
    {
        self.delays = Some(Arc::new(move || Box::new(delays().into_iter())));
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] that names the first setting which cannot be meant: a
    /// factor that is not a number from 1 to 1,000; a base delay, an attempt
    /// timeout, a deadline or a longest `retry_after` of zero; a cap below the
    /// base delay.
    #[track_caller]
    pub fn build(self) -> Result<RetryPolicy, PolicyError> {
        let Self { base_delay, max_delay, factor, attempt_timeout, deadline, .. } = self;
        let is_some_time = |time: Option<Duration>| time.is_none_or(|time| !time.is_zero());
        require(!base_delay.is_zero(), "base_delay", "it is longer than zero", base_delay)?;
        require(max_delay >= base_delay, "max_delay", "it is not below the base delay", max_delay)?;
        // NaN lies in no range.
        let is_factor = (1.0..=MAX_FACTOR).contains(&factor);
        require(is_factor, "factor", "it lies from 1 to 1,000", factor)?;
        let max_retry_after = self.max_retry_after;
        require(
            !max_retry_after.is_zero(),
            "max_retry_after",
            "it is longer than zero",
            max_retry_after,
        )?;
        require(
            is_some_time(attempt_timeout),
            "attempt_timeout",
            "it is longer than zero",
            attempt_timeout.unwrap_or_default(),
        )?;
        require(
            is_some_time(deadline),
            "deadline",
            "it is longer than zero",
            deadline.unwrap_or_default(),
        )?;
        let is_timed = attempt_timeout.is_some() || deadline.is_some();
        Ok(RetryPolicy {
            is_plain: !is_timed && self.budget.is_none() && self.breaker.is_none(),
            limits: Limits {
                max_retries: self.max_retries,
                base: nanos(base_delay),
                cap: nanos(max_delay),
                factor: Factor::new(factor),
                jitter: self.jitter,
                max_retry_after,
                deadline,
            },
            attempt_timeout,
            on_timeout: self.on_timeout,
            budget: self.budget,
            breaker: self.breaker,
            seeds: self.seeds,
            clock: self.clock,
            sleeper: self.sleeper,
            delays: self.delays,
        })
    }
}

impl fmt::Debug for RetryPolicyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicyBuilder")
            .field("max_retries", &self.max_retries)
            .field("base_delay", &self.base_delay)
            .field("max_delay", &self.max_delay)
            .field("factor", &self.factor)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}
