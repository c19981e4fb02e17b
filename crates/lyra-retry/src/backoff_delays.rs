//! Schedules of the package `backoff`, in place of ours.

use std::time::Duration;

use backoff::backoff::Backoff;

use crate::RetryPolicyBuilder;

struct BackoffDelays<B>(B);

impl<B: Backoff> Iterator for BackoffDelays<B> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next_backoff()
    }
}

impl RetryPolicyBuilder {
    /// Takes the delays from any `Backoff` of the package `backoff`, made and
    /// reset for each operation.
    ///
    /// Everything else stays as it is here: the number of retries, the cap
    /// (which that package's own jitter passes), `retry_after` as a floor
    /// (which there replaces the schedule), and the deadline. A `Backoff` that
    /// reads a clock of its own reads the system's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use backoff::backoff::Constant;
    /// use lyra_retry::RetryPolicy;
    ///
    /// let policy = RetryPolicy::exponential()
    ///     .with_backoff(|| Constant::new(Duration::from_secs(90)))
    ///     .build()?;
    /// assert_eq!(policy.schedule(0).delay(1), Some(Duration::from_secs(60))); // the cap
    /// # Ok::<(), lyra_retry::PolicyError>(())
    /// ```
    pub fn with_backoff<B, M>(self, make: M) -> Self
    where
        B: Backoff + Send + 'static,
        M: Fn() -> B + Send + Sync + 'static,
    {
        self.with_delays(move || {
            let mut backoff = make();
            backoff.reset();
            BackoffDelays(backoff)
        })
    }
}
