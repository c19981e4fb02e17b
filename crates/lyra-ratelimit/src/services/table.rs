//! The registered services. They are many times looked up and rarely added,
//! and they never go: so each stands in a slot that is written once, and
//! finding it takes neither a lock nor a reference count.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::key::Key;
use crate::clock::Clock;
use crate::error::{RateLimitError, require};
use crate::limits::{Limits, Rule};
use crate::queue::Queue;

/// How many services can be registered.
const MOST: usize = 512;

/// Twice as many slots, so that a search ends after a step or two.
const SLOTS: usize = 2 * MOST;

pub(super) struct Table<C> {
    slots: Box<[OnceLock<Entry<C>>]>,
    /// How many are taken; held while one is added.
    count: Mutex<usize>,
}

struct Entry<C> {
    key: Key,
    name: Box<str>,
    queue: Arc<Queue<C>>,
}

impl<C: Clock> Table<C> {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| OnceLock::new()).collect(), count: Mutex::new(0) }
    }

    #[inline]
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Queue<C>>> {
        let key = Key::of(name);
        let mut index = key.spread() % SLOTS;
        loop {
            // At most half of the slots are taken, so there is an empty one.
            let entry = self.slots[index].get()?;
            if entry.key == key && (key.is_whole() || *entry.name == *name) {
                return Some(&entry.queue);
            }
            index = (index + 1) % SLOTS;
        }
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = Arc<Queue<C>>> {
        self.slots.iter().filter_map(|slot| Some(Arc::clone(&slot.get()?.queue)))
    }

    /// Adds a service, or finds it; and whether it was known.
    #[track_caller]
    pub(super) fn insert(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Arc<Queue<C>>, RateLimitError>,
    ) -> Result<(Arc<Queue<C>>, bool), RateLimitError> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = self.find(name) {
            return Ok((Arc::clone(queue), true));
        }
        require(*count < MOST, "services", "512 can be registered", *count)?;
        let queue = make()?;
        let key = Key::of(name);
        let mut index = key.spread() % SLOTS;
        let mut entry = Entry { key, name: name.into(), queue: Arc::clone(&queue) };
        // Only who holds the lock adds, so the first empty slot stays empty.
        while let Err(back) = self.slots[index].set(entry) {
            entry = back;
            index = (index + 1) % SLOTS;
        }
        *count += 1;
        Ok((queue, false))
    }
}

impl<C: Clock> Queue<C> {
    /// Gives each limit the rule of the same name.
    #[track_caller]
    pub(super) fn change_all(&self, limits: &Limits) -> Result<(), RateLimitError> {
        let mut line = self.lock();
        let kinds = |rule: Rule| matches!(rule, Rule::Slots(_));
        let theirs: Vec<_> = limits.rules().map(|(name, rule)| (&**name, kinds(rule))).collect();
        let ours: Vec<_> = line
            .get()
            .limits
            .iter()
            .map(|limit| (limit.name.as_deref().unwrap_or_default(), limit.is_slots()))
            .collect();
        let reason = "a known service keeps the names and kinds of its limits";
        let same = ours.len() == theirs.len() && ours.iter().all(|limit| theirs.contains(limit));
        require(same, "limits", reason, &theirs)?;
        drop(line);
        // They were checked before, so that it is all of them or none.
        limits.rules().try_for_each(|(name, rule)| self.change(name, rule))
    }
}
