//! What a device that is too full asks for.

use std::time::Duration;

use super::{Condition, Key, Scheduler, Share};
use crate::bytes::percent_of;
use crate::event::{EventKind, UnloadReason};
use crate::level::Level;
use crate::plan::{Victim, plan_what_can_be};

impl Scheduler {
    /// Follows the level of a device that was just read, and does what it asks
    /// for.
    pub(super) fn relieve(&mut self, now: Duration, index: usize) {
        let device = &mut self.devices[index];
        let (used, total) = (device.unavailable(), device.total());
        if let Some(from) = device.watch.read(now, used, total, &self.policy) {
            let to = device.watch.level();
            let device_id = device.info.id.clone();
            let is_over = from == Level::Critical;
            device.is_exhausted &= !is_over;
            self.tell(now, EventKind::LevelChanged { device: device_id, from, to, used, total });
            if is_over {
                self.spare(index);
            }
        }
        let device = &self.devices[index];
        let watch = &device.watch;
        match watch.level() {
            Level::Critical => self.relieve_hard(now, index),
            Level::Warning if now.saturating_sub(watch.since) >= self.policy.grace => {
                self.relieve_softly(now, index);
            }
            _ => {}
        }
    }

    /// As many as it takes to come down to the low mark leave at once.
    fn relieve_hard(&mut self, now: Duration, index: usize) {
        let Some(need) = self.surplus(index) else { return };
        let victims = plan_what_can_be(self.candidates_to_leave(now, index, i8::MAX), need);
        if victims.is_empty() && self.devices[index].sums.coming() == 0 {
            self.exhausted(now, index, need);
        }
        self.unload_all(now, victims, UnloadReason::Pressure);
    }

    /// Those that were not used for long leave.
    fn relieve_softly(&mut self, now: Duration, index: usize) {
        let Some(need) = self.surplus(index) else { return };
        let mut candidates = self.candidates_to_leave(now, index, i8::MAX);
        candidates.retain(|victim| !victim.is_young);
        self.unload_all(now, plan_what_can_be(candidates, need), UnloadReason::Pressure);
    }

    /// How much is to leave until the device is at its low mark, beside what
    /// is leaving.
    fn surplus(&self, index: usize) -> Option<u64> {
        let device = &self.devices[index];
        if device.condition != Condition::Measured {
            return None;
        }
        let total = device.total();
        let low = percent_of(total, self.policy.marks().low);
        let over = device.unavailable().saturating_sub(low);
        if over == 0 {
            return None;
        }
        let need = over.max(self.policy.least_reclaim(total));
        need.checked_sub(device.sums.coming()).filter(|need| *need > 0)
    }

    /// Nothing can be evicted: those in use that matter least are to go when
    /// they are no longer used.
    fn exhausted(&mut self, now: Duration, index: usize, need: u64) {
        let device = &mut self.devices[index];
        if std::mem::replace(&mut device.is_exhausted, true) {
            return;
        }
        let id = device.info.id.clone();
        self.tell(now, EventKind::Exhausted { device: id });
        let busy = self.entries.iter().filter_map(|(key, entry)| {
            let share = entry.share_on(index)?;
            let is_busy = entry.is_usable() && entry.refs > 0 && !entry.spec.is_pinned;
            is_busy.then(|| Victim {
                model: *key,
                bytes: share.bytes(),
                priority: entry.spec.priority,
                is_young: false,
                last_used: entry.last_used,
            })
        });
        for victim in plan_what_can_be(busy.collect(), need) {
            self.entries.entry(victim.model).and_modify(|entry| entry.is_draining = true);
        }
    }

    /// The need is over: those that were to go with their last use stay.
    fn spare(&mut self, index: usize) {
        for entry in self.entries.values_mut().filter(|entry| entry.share_on(index).is_some()) {
            let is_needed = |share: &Share| self.devices[share.device].is_exhausted;
            entry.is_draining = entry.is_draining && entry.shares.iter().any(is_needed);
        }
    }

    fn unload_all(&mut self, now: Duration, victims: Vec<Victim>, reason: UnloadReason) {
        for victim in victims {
            self.begin_unload(now, victim.model, reason);
        }
    }

    /// Whatever nobody uses on this device leaves.
    pub(super) fn evict_idle(&mut self, now: Duration, index: usize) {
        let all = self.candidates_to_leave(now, index, i8::MAX);
        let keys: Vec<Key> = all.into_iter().map(|victim| victim.model).collect();
        for key in keys {
            self.begin_unload(now, key, UnloadReason::Needed);
        }
    }
}
