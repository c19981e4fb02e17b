use std::fmt;
use std::sync::Arc;

use super::Shared;
use crate::holder::Holder;

/// One or more permits of a [`Semaphore`](crate::Semaphore), given back when
/// this is dropped. It borrows nothing, and can move into a task.
#[must_use = "dropped, it gives the permits back at once"]
pub struct SemaphorePermit {
    shared: Arc<Shared>,
    count: u32,
}

impl SemaphorePermit {
    #[inline]
    pub(super) fn new(shared: Arc<Shared>, count: u32) -> Self {
        Self { shared, count }
    }

    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl Drop for SemaphorePermit {
    #[inline]
    fn drop(&mut self) {
        if self.count > 0 {
            // Lest it be taken for one that has permits still. That it may be
            // another one that is noted could be told by what the permit would
            // have to carry, which makes it slower by a quarter; and whoever
            // takes this permit notes itself.
            // Where someone waits, the permit is out all the same, before the
            // one that it goes to has looked.
            self.shared.note.clear();
            self.shared.give_back(self.count);
        }
    }
}

impl fmt::Debug for SemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit")
            .field("name", &self.shared.name.as_str())
            .field("count", &self.count)
            .finish()
    }
}

/// How a [`Semaphore`](crate::Semaphore) stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SemaphoreStatus {
    /// How many permits there are in all.
    pub permits: u32,
    /// How many are there now; see [`available`](crate::Semaphore::available).
    pub available: u32,
    /// How many tasks and threads wait.
    pub waiting: usize,
    /// Whether it was closed.
    pub is_closed: bool,
    /// Who took a permit last, if none came back since; the others are permits,
    /// not tasks.
    pub holder: Option<Holder>,
}
