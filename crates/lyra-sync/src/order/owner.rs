//! Who takes locks one after the other: a task, or a thread without one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lyra_errors::Location;

use super::graph::Node;
use crate::holder::this_thread;

/// A task or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Task(tokio::task::Id),
    Thread(u64),
}

/// A lock that an owner holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) serial: u64,
    pub(super) node: Node,
    pub(super) location: Location,
}

static ALL: Mutex<Option<HashMap<Owner, Vec<Held>>>> = Mutex::new(None);

impl Owner {
    /// Whoever runs now.
    pub(super) fn now() -> Self {
        tokio::task::try_id().map_or_else(|| Self::Thread(this_thread()), Self::Task)
    }

    /// What it holds.
    pub(super) fn all_held(self) -> Vec<Held> {
        with(|all| all.get(&self).cloned().unwrap_or_default())
    }

    pub(super) fn add(self, held: Held) {
        with(|all| all.entry(self).or_default().push(held));
    }

    pub(super) fn remove(self, serial: u64) {
        with(|all| {
            if let Some(held) = all.get_mut(&self) {
                held.retain(|held| held.serial != serial);
                if held.is_empty() {
                    all.remove(&self);
                }
            }
        });
    }
}

fn with<R>(change: impl FnOnce(&mut HashMap<Owner, Vec<Held>>) -> R) -> R {
    // Nothing panics while it is held.
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    change(all.get_or_insert_default())
}
