use std::sync::Arc;
use std::time::Duration;

use crate::Quota;
use crate::clock::Clock;
use crate::limit::Limit;
use crate::queue::Queue;
use crate::waiter::USUAL;

/// How a limiter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Its limits: one for a limiter, all for a set.
    pub limits: Vec<LimitStatus>,
    /// How many callers stand in line.
    pub waiting: usize,
    /// How many calls were granted so far.
    pub granted: u64,
    /// How many calls were refused so far: at once, or after a wait.
    pub refused: u64,
    /// When a call of the usual cost would be granted: zero for now. Where
    /// slots are in use, not before.
    pub next_free: Duration,
    /// For how long nothing, or nothing of one of the limits, is granted
    /// because the service asked for it; zero if it did not.
    pub held_for: Duration,
}

/// How one limit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitStatus {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// What it was told; none for slots.
    pub quota: Option<Quota>,
    /// How many tokens, grants or slots are there now.
    pub available: u64,
    /// The most that can be there.
    pub burst: u64,
    /// How fast it fills, in percent of its quota: below 100 after its service
    /// complained.
    pub pace_percent: u64,
}

impl<C: Clock> Queue<C> {
    pub(crate) fn status(&self) -> Status {
        let mut locked = self.lock();
        let now = locked.now;
        let line = locked.get();
        let (granted, refused) = self.counts(line);
        Status {
            limits: line.limits.iter().map(|limit| LimitStatus::of(limit, now)).collect(),
            waiting: line.waiting(),
            granted,
            refused,
            next_free: Duration::from_nanos(line.next_free(now, &USUAL)),
            held_for: Duration::from_nanos(line.held_until().saturating_sub(now)),
        }
    }
}

impl LimitStatus {
    /// A limit at full speed, as an [engine](crate::engine::Engine) tells it.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        quota: Option<Quota>,
        available: u64,
        burst: u64,
    ) -> Self {
        Self { name: Some(name.into()), quota, available, burst, pace_percent: 100 }
    }

    /// The same at so many percent of its quota.
    #[must_use]
    pub fn at_pace(mut self, percent: u64) -> Self {
        self.pace_percent = percent;
        self
    }

    fn of(limit: &Limit, now: u64) -> Self {
        Self {
            name: limit.name.clone(),
            quota: limit.quota(),
            available: limit.meter.available(now),
            burst: limit.meter.largest(),
            pace_percent: limit.pace_percent(),
        }
    }
}
