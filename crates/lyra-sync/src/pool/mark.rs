//! What is noted of a resource by the one that has it, with or without the
//! pool's lock.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use lyra_errors::Location;

use crate::holder::{Holder, HolderNote};

/// What a slot and the resource in it share.
///
/// It is written by the one that has the resource alone, or under the lock
/// while there is none; so plain loads and stores do. Others read it, and what
/// they read is exact while nobody is in the middle of a call.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    phase: AtomicU8,
    serial: AtomicU64,
    uses: AtomicU64,
    note: HolderNote,
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

impl Mark {
    /// From now on it is in use by this call.
    #[inline]
    pub(crate) fn hold(&self, serial: u64, location: Option<Location>) {
        self.uses.store(self.uses() + 1, Ordering::Relaxed);
        self.serial.store(serial, Ordering::Relaxed);
        if let Some(location) = location {
            self.note.set(location);
        }
        self.phase.store(Phase::InUse as u8, Ordering::Relaxed);
    }

    /// From now on it is that of one who waits, and has not looked yet.
    pub(crate) fn hand_to(&self, thread: u64, serial: u64, location: Option<Location>) {
        self.enter(Phase::InUse);
        self.serial.store(serial, Ordering::Relaxed);
        if let Some(location) = location {
            self.note.set_for(thread, location);
        }
    }

    /// From now on it is in this phase, and nobody's.
    #[inline]
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.note.clear();
    }

    /// No number is kept beyond the resource; see [`Serials::renew`].
    pub(crate) fn forget_serial(&self) {
        self.serial.store(0, Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        use Phase::{Checking, Creating, Idle, InUse, Vacant};
        let phase = self.phase.load(Ordering::Relaxed);
        let mut all = [Creating, Idle, InUse, Checking].into_iter();
        all.find(|known| *known as u8 == phase).unwrap_or(Vacant)
    }

    /// The number of the call that has it: the smallest one holds longest.
    #[inline]
    pub(crate) fn serial(&self) -> u64 {
        self.serial.load(Ordering::Relaxed)
    }

    /// How often the resources in this slot were acquired.
    #[inline]
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    pub(crate) fn holder(&self) -> Option<Holder> {
        self.note.read()
    }
}

/// Numbers for calls, by the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Serials(AtomicU64);

impl Serials {
    /// Above all before, and nobody else's.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The same, for one that takes a resource whose last holder had this
    /// number. If nobody came since, it can be had again: it is the highest,
    /// and its call is over. That saves a locked instruction of three.
    #[inline]
    pub(crate) fn renew(&self, last: u64) -> u64 {
        if last != 0 && self.0.load(Ordering::Relaxed) == last { last } else { self.next() }
    }
}
