//! Every byte of every instance is in one column of its device's ledger, from
//! the grant until the device has shown it as free.

use std::time::Duration;

use super::device::Sums;
use super::{Entry, Key, Scheduler, Share, State};

fn column<'a>(sums: &'a mut Sums, state: &State) -> &'a mut u64 {
    match state {
        State::Loading { .. } => &mut sums.loading,
        State::Ready => &mut sums.ready,
        State::Unloading { .. } => &mut sums.unloading,
        State::Verifying { .. } => &mut sums.verifying,
        State::Quarantined => &mut sums.quarantined,
    }
}

fn taken(share: &Share, state: &State) -> u64 {
    match state {
        State::Loading { .. } => 0,
        _ => share.expected(),
    }
}

impl Scheduler {
    /// Enters a new instance.
    pub(super) fn enter(&mut self, now: Duration, entry: Entry) -> Key {
        let key = self.next_serial();
        self.book(now, &entry);
        self.entries.insert(key, entry);
        key
    }

    /// Takes an instance out for good. What its devices do not show as free yet
    /// is somebody else's until they do.
    pub(super) fn strike(&mut self, now: Duration, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.unbook(now, &entry);
        for share in &entry.shares {
            self.devices[share.device].tell_strangers(None, false);
        }
        if self.names.get(&entry.spec.name) == Some(&key) {
            self.names.remove(&entry.spec.name);
        }
        Some(entry)
    }

    /// Changes an instance, and the ledger with it.
    pub(super) fn change<R>(
        &mut self,
        now: Duration,
        key: Key,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let mut entry = self.entries.remove(&key)?;
        self.unbook(now, &entry);
        let result = change(&mut entry);
        self.book(now, &entry);
        self.entries.insert(key, entry);
        Some(result)
    }

    fn book(&mut self, now: Duration, entry: &Entry) {
        for share in &entry.shares {
            let device = &mut self.devices[share.device];
            *column(&mut device.sums, &entry.state) += share.bytes();
            device.sums.taken += taken(share, &entry.state);
            (device.changed_at, device.is_current) = (Some(now), false);
        }
    }

    fn unbook(&mut self, now: Duration, entry: &Entry) {
        for share in &entry.shares {
            let device = &mut self.devices[share.device];
            *column(&mut device.sums, &entry.state) -= share.bytes();
            device.sums.taken -= taken(share, &entry.state);
            (device.changed_at, device.is_current) = (Some(now), false);
        }
    }

    /// Something begins to move on the devices of this instance: what is read
    /// of them from now on is no longer the doing of one load alone.
    pub(super) fn disturb(&mut self, key: Key) {
        let Some(entry) = self.entries.get(&key) else { return };
        for share in &entry.shares {
            self.devices[share.device].moves += 1;
        }
    }
}
