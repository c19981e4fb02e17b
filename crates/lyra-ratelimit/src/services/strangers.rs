//! The services that nobody registered: each gets a bucket, and there is only
//! so much room for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::builder::Settings;
use crate::clock::Clock;
use crate::error::RateLimitError;
use crate::queue::Queue;

/// The name of the bucket that those share for whom there is no room.
const REST: &str = "other";

/// How long nobody looks for idle buckets after none was found.
const LOOK_AGAIN: u64 = 100_000_000;

pub(super) struct Strangers<C> {
    known: Mutex<Known<C>>,
    room: usize,
    rest: Arc<Queue<C>>,
}

struct Known<C> {
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
    ) -> Result<Arc<Queue<C>>, RateLimitError> {
        let mut known = self.lock();
        if let Some(queue) = known.queues.get(name) {
            return Ok(Arc::clone(queue));
        }
        if known.queues.len() >= self.room && !known.make_room(settings.clock.now()) {
            return Ok(Arc::clone(&self.rest));
        }
        let line = settings.default.line(settings.care)?;
        let queue = Arc::new(settings.stranger(line, name));
        known.queues.insert(name.into(), Arc::clone(&queue));
        Ok(queue)
    }

    /// The service is registered from now on: what it took under the default
    /// limit is taken under its own.
    pub(super) fn hand_over(&self, name: &str, to: &Queue<C>) {
        let taken = self.lock().queues.remove(name);
        if let Some(from) = taken {
            to.take_over(&from);
        }
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = Arc<Queue<C>>> {
        let mut all: Vec<_> = self.lock().queues.values().cloned().collect();
        if !self.rest.is_idle() {
            all.push(Arc::clone(&self.rest));
        }
        all.into_iter()
    }

    fn lock(&self) -> MutexGuard<'_, Known<C>> {
        // Nothing of the caller's runs under it but a clock, and the map is
        // whole at any time.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> Known<C> {
    /// Drops the buckets that are as good as new, and says whether there were
    /// any.
    fn make_room(&mut self, now: u64) -> bool {
        if now < self.full_until && self.full_until - now <= LOOK_AGAIN {
            return false;
        }
        let before = self.queues.len();
        // A bucket that someone else holds may be about to be used.
        self.queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.is_idle());
        if self.queues.len() == before {
            self.full_until = now.saturating_add(LOOK_AGAIN);
            return false;
        }
        true
    }
}

impl<C: Clock> Queue<C> {
    /// Whether it is as good as new: nothing taken, nobody waiting, nothing
    /// held back.
    fn is_idle(&self) -> bool {
        let mut line = self.lock();
        let now = line.now;
        line.get().is_idle(now)
    }

    /// Takes at once what was taken from another; of rates only.
    fn take_over(&self, from: &Self) {
        let taken = {
            let mut line = from.lock();
            let now = line.now;
            line.get().taken(now)
        };
        let mut line = self.lock();
        let now = line.now;
        line.get().overdraw(now, &taken);
    }
}
