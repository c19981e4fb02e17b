//! What happens as time goes by, without anybody asking.

use std::time::Duration;

use super::{Condition, Key, Scheduler, State};
use crate::event::{EventKind, UnloadReason};

impl Scheduler {
    /// Looks what is due.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.unload_idle(now);
        self.verify_in_time(now);
        self.distrust(now);
        self.serve(now);
    }

    fn unload_idle(&mut self, now: Duration) {
        let due = self.entries.iter().filter(|(_, entry)| {
            let is_over = |ttl: Duration| now.saturating_sub(entry.last_used) >= ttl;
            entry.is_evictable(i8::MAX) && entry.spec.idle_ttl.is_some_and(is_over)
        });
        let due: Vec<Key> = due.map(|(key, _)| *key).collect();
        for key in due {
            self.begin_unload(now, key, UnloadReason::Idle);
        }
    }

    /// A device that does not answer is no longer trusted.
    fn distrust(&mut self, now: Duration) {
        let patience = self.policy.oldest_reading();
        for index in 0..self.devices.len() {
            let device = &mut self.devices[index];
            let is_old = now.saturating_sub(device.read_at) > patience;
            if device.condition == Condition::Measured && is_old {
                device.condition = Condition::Stale;
                let device = device.info.id.clone();
                self.tell(now, EventKind::Stale { device });
            }
        }
    }

    /// Whether something moves, so that it is worth to read more often.
    pub(crate) fn is_busy(&self) -> bool {
        let moves = |sums: &super::device::Sums| sums.committed() - sums.quarantined != sums.ready;
        self.devices
            .iter()
            .any(|device| moves(&device.sums) || device.watch.level() > crate::level::Level::Normal)
    }

    /// For how long memory has been awaited that is to come back, the shortest
    /// of all.
    pub(crate) fn verifying_for(&self, now: Duration) -> Option<Duration> {
        let waits = self.entries.values().filter_map(|entry| match entry.state {
            State::Verifying { since, .. } => Some(now.saturating_sub(since)),
            _ => None,
        });
        waits.min()
    }
}
