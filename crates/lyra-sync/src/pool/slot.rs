use std::sync::Arc;

use tokio::time::Instant;

use super::mark::{Mark, Phase};
use super::state::Waiter;

/// A place for one resource: there are never more of them than the pool's
/// maximum, whatever becomes of what they hold.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) mark: Arc<Mark>,
    /// When it was acquired, if that is noted.
    pub(crate) since: Option<Instant>,
    /// The report that it is held for long was given.
    pub(crate) is_reported: bool,
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
        self.mark.hold(serial, note.location);
        self.since = note.since;
        self.is_reported = false;
    }

    /// From now on it is this waiter's, who has not looked yet.
    pub(crate) fn hand_to(&mut self, waiter: &Waiter) {
        self.mark.hand_to(waiter.thread, waiter.ticket, waiter.note.location);
        self.since = None;
        self.is_reported = false;
    }

    /// From now on it is in this phase, and nobody's.
    #[inline]
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.mark.enter(phase);
        self.since = None;
    }

    /// Whether somebody has what is in it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.mark.phase() == Phase::InUse
    }
}
