use std::sync::Arc;
use std::time::Duration;

use super::RateLimiter;
use crate::care::Care;
use crate::clock::{Clock, MonotonicClock};
use crate::error::RateLimitError;
use crate::limit::Limit;
use crate::line::Line;
use crate::queue::Queue;
use crate::quota::Quota;

/// Builds a [`RateLimiter`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | quota | given at the start | see [`Quota`] |
/// | burst | the amount of the quota | at least 1 |
/// | name | none | |
/// | clock | [`MonotonicClock`] | |
/// | longest hold | 1 h | over zero, at most 396 days |
/// | recovery step | 30 s | over zero, at most 396 days |
#[derive(Debug, Clone)]
#[must_use]
pub struct RateLimiterBuilder<C = MonotonicClock> {
    quota: Quota,
    name: Option<Arc<str>>,
    care: Care,
    clock: C,
}

impl RateLimiterBuilder {
    pub(super) fn new(quota: Quota) -> Self {
        Self { quota, name: None, care: Care::default(), clock: MonotonicClock::new() }
    }
}

impl<C: Clock> RateLimiterBuilder<C> {
    /// How many tokens the bucket holds; see [`Quota::with_burst`].
    pub fn with_burst(mut self, burst: u64) -> Self {
        self.quota = self.quota.with_burst(burst);
        self
    }

    /// Never more than the amount in any window; see [`Quota::strict`].
    pub fn strict(mut self) -> Self {
        self.quota = self.quota.strict();
        self
    }

    /// The name that errors say.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The longest time for which a response may keep callers away.
    pub fn with_longest_hold(mut self, longest: Duration) -> Self {
        self.care.longest_hold = longest;
        self
    }

    /// How long a limit that was slowed down by a response takes to regain a
    /// tenth of its speed.
    pub fn with_recovery_step(mut self, step: Duration) -> Self {
        self.care.recovery_step = step;
        self
    }

    /// Another clock: for tests.
    pub fn with_clock<D: Clock>(self, clock: D) -> RateLimiterBuilder<D> {
        RateLimiterBuilder { quota: self.quota, name: self.name, care: self.care, clock }
    }

    /// The limiter, with a full bucket.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid), naming the setting that cannot be
    /// meant.
    #[track_caller]
    pub fn build(self) -> Result<RateLimiter<C>, RateLimitError> {
        let (longest_hold, step) = self.care.nanos()?;
        let limit = Limit::new(None, self.quota, step)?;
        let line = Line::new(vec![limit], longest_hold);
        Ok(RateLimiter::of(Arc::new(Queue::new(line, self.clock, self.name))))
    }
}
