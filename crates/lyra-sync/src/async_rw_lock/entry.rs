//! To be in: what every guard has, and gives back.

use std::sync::atomic::Ordering;
use std::thread;

use lyra_errors::Location;

use super::access::Access;
use super::gate::Gate;
use crate::holder::this_thread;
use crate::order::HeldMark;

/// Somebody is in, until this is dropped. A guard drops the value's own guard
/// before: the gate says that somebody is in for longer than it is so, never
/// for less long.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) gate: &'a Gate,
    access: Access,
    /// What it is noted by.
    thread: u64,
    location: Location,
    was_panicking: bool,
    _held: HeldMark,
}

impl<'a> Entry<'a> {
    /// For one that the gate has let in.
    #[inline]
    pub(super) fn new(gate: &'a Gate, access: Access, location: Location) -> Self {
        let was_panicking = access == Access::Write && thread::panicking();
        let (thread, held) = (this_thread(), gate.order.held(&gate.name, location));
        Self { gate, access, thread, location, was_panicking, _held: held }
    }

    /// The gate has let it in to write.
    pub(super) fn raised(&mut self, location: Location) {
        self.access = Access::Write;
        (self.thread, self.location) = (this_thread(), location);
        self.was_panicking = thread::panicking();
    }

    /// The value's own guard was lowered before.
    pub(super) fn lower(&mut self, to: Access) {
        self.note_panic();
        self.gate.lower(self.access, to);
        self.access = to;
    }

    #[inline]
    fn note_panic(&self) {
        if self.access == Access::Write && !self.was_panicking && thread::panicking() {
            self.gate.had_panic.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Entry<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.access == Access::Write {
            self.note_panic();
            self.gate.note.clear();
        } else {
            self.gate.unnote(self.thread, self.location);
        }
        self.gate.leave(self.access);
    }
}

impl Gate {
    /// Who leaves while others stay is noted no longer, lest it be taken for
    /// one of them. Who leaves alone need not care: where nobody is in, nobody
    /// is named, and the next one notes itself.
    #[inline]
    pub(super) fn unnote(&self, thread: u64, location: Location) {
        if self.count() > 1 {
            self.note.clear_of(thread, location);
        }
    }
}
