use tokio::time::Instant;

use super::state::Waiter;
use crate::holder::{Holder, HolderNote};

/// A place for one resource: there are never more of them than the pool's
/// maximum, whatever becomes of what they hold.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    /// The number of the acquire that has it: the smallest one holds longest.
    pub(crate) serial: u64,
    note: HolderNote,
    /// When it was acquired, if that is noted.
    pub(crate) since: Option<Instant>,
    /// The report that it is held for long was given.
    pub(crate) is_reported: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Vacant,
    Creating,
    Idle,
    InUse,
    /// Its health is looked at in the background.
    Checking,
}

/// What is noted of an acquire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    /// Where it was called, unless the pool does not track.
    pub(crate) location: Option<lyra_errors::Location>,
    pub(crate) since: Option<Instant>,
}

impl Slot {
    #[inline]
    pub(crate) fn hold(&mut self, serial: u64, note: Note) {
        self.phase = Phase::InUse;
        self.serial = serial;
        self.since = note.since;
        self.is_reported = false;
        if let Some(location) = note.location {
            self.note.set(location);
        }
    }

    /// From now on it is this waiter's, who has not looked yet.
    pub(crate) fn hand_to(&mut self, waiter: &Waiter) {
        self.enter(Phase::InUse);
        self.serial = waiter.ticket;
        self.is_reported = false;
        if let Some(location) = waiter.note.location {
            self.note.set_for(waiter.thread, location);
        }
    }

    /// From now on it is in this phase, and nobody's.
    #[inline]
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = None;
        self.note.clear();
    }

    pub(crate) fn holder(&self) -> Option<Holder> {
        self.note.read()
    }
}
