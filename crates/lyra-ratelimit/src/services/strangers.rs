//! The services that nobody registered: each gets a bucket, and there is only
//! so much room for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::builder::Settings;
use super::table::Table;
use crate::clock::Clock;
use crate::error::RateLimitError;
use crate::line::Line;
use crate::queue::{Calls, Queue};

/// The name of the bucket that those share for whom there is no room.
const REST: &str = "other";

/// How long nobody looks for idle buckets after none was found.
const LOOK_AGAIN: u64 = 100_000_000;

pub(super) struct Strangers<C> {
    known: Mutex<Known<C>>,
    room: usize,
    rest: Arc<Queue<C>>,
}

pub(super) struct Known<C> {
    // With the standard hasher: these names may come from outside.
    queues: HashMap<Box<str>, Arc<Queue<C>>>,
    /// Nobody was idle; not to be looked at again before.
    full_until: u64,
}

impl<C: Clock + Clone> Strangers<C> {
    pub(super) fn new(settings: &Settings<C>) -> Result<Self, RateLimitError> {
        let rest = Arc::new(settings.stranger(settings.default.line(settings.care)?, REST));
        let known = Mutex::new(Known { queues: HashMap::new(), full_until: 0 });
        Ok(Self { known, room: settings.room, rest })
    }

    pub(super) fn queue(
        &self,
        name: &str,
        settings: &Settings<C>,
        registered: &Table<C>,
    ) -> Result<Arc<Queue<C>>, RateLimitError> {
        // Called when the lock is released, which is dropped before them.
        let mut calls = Calls::default();
        let mut known = self.lock();
        // It may have been registered since it was looked for.
        if let Some(queue) = registered.find(name) {
            return Ok(Arc::clone(queue));
        }
        if let Some(queue) = known.queues.get(name) {
            return Ok(Arc::clone(queue));
        }
        if known.queues.len() >= self.room && !known.make_room(settings.clock.now(), &mut calls) {
            return Ok(Arc::clone(&self.rest));
        }
        let line = settings.default.line(settings.care)?;
        let queue = Arc::new(settings.stranger(line, name));
        known.queues.insert(name.into(), Arc::clone(&queue));
        Ok(queue)
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = Arc<Queue<C>>> {
        let mut all: Vec<_> = self.lock().queues.values().cloned().collect();
        if !self.rest.is_idle(&mut Calls::default()) {
            all.push(Arc::clone(&self.rest));
        }
        all.into_iter()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Known<C>> {
        // Nothing of the caller's runs under it but a clock, and the map is
        // whole at any time.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> Known<C> {
    /// Drops the buckets that are as good as new, and says whether there were
    /// any.
    fn make_room(&mut self, now: u64, calls: &mut Calls) -> bool {
        if now < self.full_until && self.full_until - now <= LOOK_AGAIN {
            return false;
        }
        let before = self.queues.len();
        // A bucket that someone else holds may be about to be used.
        self.queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.is_idle(calls));
        // To look at all of them for a few each time would take too long.
        if before - self.queues.len() <= before / 8 {
            self.full_until = now.saturating_add(LOOK_AGAIN);
        }
        self.queues.len() < before
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Arc<Queue<C>>> {
        self.queues.remove(name)
    }
}

impl<C: Clock> Queue<C> {
    /// Whether it is as good as new: nothing taken, nobody waiting, nothing
    /// held back.
    fn is_idle(&self, calls: &mut Calls) -> bool {
        let mut line = self.lock();
        let now = line.now;
        let is_idle = line.get().is_idle(now);
        calls.and(line.unlock());
        is_idle
    }

    /// The limiter of a service that is registered from now on, and who is to
    /// be called: this one, so that nothing of it is lost; or where that
    /// cannot be, a new one that takes over what was taken and told.
    pub(super) fn become_registered(
        self: Arc<Self>,
        line: Line,
        new: impl FnOnce(Line) -> Arc<Self>,
    ) -> (Arc<Self>, Calls) {
        let mut locked = self.lock();
        let now = locked.now;
        if locked.get().can_become(&line.limits) {
            locked.get().become_those(now, line.limits);
            let calls = locked.unlock();
            self.series.rename(self.name.as_deref());
            return (self, calls);
        }
        let queue = new(line);
        let mut other = queue.lock();
        let now = other.now;
        other.get().take_over(now, locked.get());
        let mut calls = other.unlock();
        calls.and(locked.unlock());
        (queue, calls)
    }
}
