//! One place beside the pool's lock, for the resource that came back last: where
//! nobody waits, to give back and to take are one atomic swap each. The lock
//! took two for each of them, and these were most of what an acquire cost.

use crate::atomics::{AtomicBool, AtomicCell, Ordering};

/// It is shut while somebody waits, or where the pool is closed: then nothing
/// is taken past the line, and nothing stays in it.
///
/// Who shuts it empties it thereafter; who puts something in looks thereafter
/// whether it is shut, and takes it out again. Both swap the same place, one
/// before the other. If the one who shuts it comes second, it finds what was
/// put in; if it comes first, the other sees all that it did before, the shut
/// flag with it. So the flag itself needs no ordering.
pub(crate) struct HotPlace<I> {
    /// Written under the pool's lock alone.
    is_shut: AtomicBool,
    /// Without it the place stays shut.
    is_used: bool,
    place: AtomicCell<Option<I>>,
}

impl<I> HotPlace<I> {
    /// Shut, until it is opened.
    pub(crate) fn new(is_used: bool) -> Self {
        Self { is_shut: AtomicBool::new(true), is_used, place: AtomicCell::new(None) }
    }

    #[inline]
    pub(crate) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Relaxed)
    }

    /// Takes what is there, if nobody waits for it.
    #[inline]
    pub(crate) fn take(&self) -> Option<I> {
        if self.is_shut() { None } else { self.place.take() }
    }

    /// Puts one in. Gives out what goes to the line or to the others that are
    /// idle: what was there before, and this one if it was shut meanwhile.
    #[inline]
    pub(crate) fn put(&self, item: I) -> (Option<I>, Option<I>) {
        let displaced = self.place.swap(Some(item));
        let again = if self.is_shut() { self.place.take() } else { None };
        (displaced, again)
    }

    /// Shuts and empties it; under the pool's lock.
    pub(crate) fn shut(&self) -> Option<I> {
        self.is_shut.store(true, Ordering::Relaxed);
        self.place.take()
    }

    /// Nobody waits any more; under the pool's lock.
    #[inline]
    pub(crate) fn open(&self) {
        if self.is_used && self.is_shut() {
            self.is_shut.store(false, Ordering::Relaxed);
        }
    }
}
