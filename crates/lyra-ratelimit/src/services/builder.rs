use std::time::Duration;

use super::ServiceLimits;
use crate::care::Care;
use crate::clock::{Clock, MonotonicClock};
use crate::error::{RateLimitError, require};
use crate::limits::Limits;
use crate::line::Line;
#[cfg(feature = "metrics")]
use crate::metrics::Series;
use crate::queue::Queue;
use crate::quota::Quota;
#[cfg(not(feature = "metrics"))]
use crate::series::Series;

/// Builds [`ServiceLimits`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | default limit, for unknown services | 60 a minute | as for a [`LimitSet`](crate::LimitSet) |
/// | room for unknown services | 1,024 | 1 to 1,000,000 |
/// | clock | [`MonotonicClock`] | |
/// | longest hold | 1 h | over zero, at most 396 days |
/// | recovery step | 30 s | over zero, at most 396 days |
#[derive(Debug, Clone)]
#[must_use]
pub struct ServiceLimitsBuilder<C = MonotonicClock>(Settings<C>);

#[derive(Debug, Clone)]
pub(super) struct Settings<C> {
    pub(super) default: Limits,
    pub(super) room: usize,
    pub(super) care: Care,
    pub(super) clock: C,
}

impl ServiceLimitsBuilder {
    pub(super) fn new() -> Self {
        Self(Settings {
            default: Limits::from(Quota::per_minute(60)),
            room: 1_024,
            care: Care::default(),
            clock: MonotonicClock::new(),
        })
    }
}

impl<C: Clock + Clone> ServiceLimitsBuilder<C> {
    /// What a service gets that nobody registered.
    pub fn with_default(mut self, limits: impl Into<Limits>) -> Self {
        self.0.default = limits.into();
        self
    }

    /// How many unknown services get a bucket of their own at a time.
    pub fn with_room(mut self, services: usize) -> Self {
        self.0.room = services;
        self
    }

    /// The longest time for which a response may keep callers away.
    pub fn with_longest_hold(mut self, longest: Duration) -> Self {
        self.0.care.longest_hold = longest;
        self
    }

    /// How long a limit that was slowed down by a response takes to regain a
    /// tenth of its speed.
    pub fn with_recovery_step(mut self, step: Duration) -> Self {
        self.0.care.recovery_step = step;
        self
    }

    /// Another clock: for tests.
    pub fn with_clock<D: Clock + Clone>(self, clock: D) -> ServiceLimitsBuilder<D> {
        let Settings { default, room, care, .. } = self.0;
        ServiceLimitsBuilder(Settings { default, room, care, clock })
    }

    /// The services, none of them registered.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid), naming the setting that cannot be
    /// meant.
    #[track_caller]
    pub fn build(self) -> Result<ServiceLimits<C>, RateLimitError> {
        let room = self.0.room;
        require((1..=1_000_000).contains(&room), "room", "it has to be 1 to 1,000,000", room)?;
        ServiceLimits::of(self.0)
    }
}

impl<C: Clock + Clone> Settings<C> {
    pub(super) fn queue(&self, line: Line, name: &str) -> Queue<C> {
        Queue::new(line, self.clock.clone(), Some(name.into()))
    }

    /// That of a service that nobody registered.
    pub(super) fn stranger(&self, line: Line, name: &str) -> Queue<C> {
        Queue::counted_as(Series::other(), line, self.clock.clone(), Some(name.into()))
    }
}
