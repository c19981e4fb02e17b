use std::sync::Arc;
use std::time::Duration;

use super::LimitSet;
use crate::care::Care;
use crate::clock::{Clock, MonotonicClock};
use crate::error::RateLimitError;
use crate::limits::Limits;
use crate::queue::Queue;

/// Builds a [`LimitSet`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | limits | given at the start | 1 to 8, each with a name of its own |
/// | name | none | |
/// | clock | [`MonotonicClock`] | |
/// | longest hold | 1 h | over zero, at most 396 days |
/// | recovery step | 30 s | over zero, at most 396 days |
#[derive(Debug, Clone)]
#[must_use]
pub struct LimitSetBuilder<C = MonotonicClock> {
    limits: Limits,
    name: Option<Arc<str>>,
    care: Care,
    clock: C,
}

impl LimitSetBuilder {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, name: None, care: Care::default(), clock: MonotonicClock::new() }
    }
}

impl<C: Clock> LimitSetBuilder<C> {
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
    pub fn with_clock<D: Clock>(self, clock: D) -> LimitSetBuilder<D> {
        LimitSetBuilder { limits: self.limits, name: self.name, care: self.care, clock }
    }

    /// The set, with all limits free.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid), naming the setting that cannot be
    /// meant.
    #[track_caller]
    pub fn build(self) -> Result<LimitSet<C>, RateLimitError> {
        let line = self.limits.line(self.care)?;
        Ok(LimitSet::of(Arc::new(Queue::new(line, self.clock, self.name))))
    }
}
