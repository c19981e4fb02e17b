use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::manager::Manager;
use super::mark::Mark;
use super::settings::Settings;
use super::shared::Shared;
use super::state::InSlot;

/// A resource with what the pool knows of it. In a box, so that to hand it
/// about costs the same whatever its size.
pub(crate) type Item<M> = Box<Body<<M as Manager>::Resource, Arc<Shared<M>>>>;

#[derive(Debug)]
pub(crate) struct Body<T, P> {
    pub(crate) resource: T,
    /// The pool that it goes back to, if its guard does not borrow it.
    pub(crate) owner: Option<P>,
    pub(crate) slot: usize,
    /// What its slot knows of it, too.
    pub(crate) mark: Arc<Mark>,
    /// Its user said that it is.
    pub(crate) is_broken: bool,
    /// It has not been handed out yet, so it needs no check.
    pub(crate) is_fresh: bool,
    /// These two are known if a setting needs them.
    pub(crate) created: Option<Instant>,
    pub(crate) idle_since: Option<Instant>,
}

impl<T, P> Body<T, P> {
    /// Whether it is past its lifetime, or idle for too long.
    pub(crate) fn is_expired(&self, now: Instant, settings: &Settings) -> bool {
        self.is_old(now, settings) || is_over(self.idle_since, settings.idle_timeout, now)
    }

    /// Whether it is past its lifetime.
    pub(crate) fn is_old(&self, now: Instant, settings: &Settings) -> bool {
        is_over(self.created, settings.max_lifetime, now)
    }
}

impl<T, P> InSlot for Box<Body<T, P>> {
    #[inline]
    fn slot(&self) -> usize {
        self.slot
    }
}

fn is_over(since: Option<Instant>, limit: Option<Duration>, now: Instant) -> bool {
    since.zip(limit).is_some_and(|(since, limit)| now.saturating_duration_since(since) >= limit)
}
