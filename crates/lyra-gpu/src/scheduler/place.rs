//! Where a candidate goes: as things are, or once others have left.

use std::time::Duration;

use super::{Condition, Key, Scheduler};
use crate::model::{Candidate, ModelSpec};
use crate::plan::{Victim, plan};
use crate::source::DeviceKind;

/// Devices, and how many bytes of each.
pub(crate) type Shares = Vec<(usize, u64)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// It fits as it is.
    Fits(Shares),
    /// It fits when what is leaving has left.
    Coming(Shares),
    /// It fits when these leave as well.
    Evict(Shares, Vec<Key>),
    /// It would fit if models in use left, or strangers, or once the device
    /// can be read.
    Busy(Shares),
    /// It will never fit.
    TooLarge {
        largest: u64,
    },
    NoDevice,
}

impl Scheduler {
    /// Where this candidate goes, beside what others claim of each device.
    pub(crate) fn place(
        &self,
        now: Duration,
        spec: &ModelSpec,
        candidate: &Candidate,
        claims: &[u64],
    ) -> Place {
        match *candidate.peaks {
            [peak] => {
                let peak = self.raised_by(spec, candidate, peak);
                self.place_one(now, spec, candidate, peak, claims)
            }
            ref peaks => {
                let raised = peaks.iter().map(|peak| self.raised_by(spec, candidate, *peak));
                let mut peaks: Vec<u64> = raised.collect();
                peaks.sort_unstable_by(|a, b| b.cmp(a));
                self.place_split(now, spec, candidate, &peaks, claims)
            }
        }
    }

    /// What the candidate asks for, and more if that was too little before: up
    /// to a whole device, as memory may have run out for another reason.
    pub(super) fn raised_by(&self, spec: &ModelSpec, candidate: &Candidate, peak: u64) -> u64 {
        if self.raised.is_empty() {
            return peak;
        }
        let known = self.raised.get(&(spec.name.clone(), candidate.variant.clone()));
        let Some(percent) = known else { return peak };
        let raised = u64::try_from(u128::from(peak) * u128::from(*percent) / 100);
        let caps = self.eligible(candidate).map(|index| self.devices[index].cap(&self.policy));
        raised.unwrap_or(u64::MAX).min(caps.max().unwrap_or(peak)).max(peak)
    }

    fn place_one(
        &self,
        now: Duration,
        spec: &ModelSpec,
        candidate: &Candidate,
        peak: u64,
        claims: &[u64],
    ) -> Place {
        let room = |index: &usize| self.devices[*index].room(&self.policy, claims[*index]);
        let is_open = |index: &usize| self.devices[*index].is_open(&self.policy);
        let wanted = i128::from(peak);
        // The tightest place, so that a large one stays for a large model.
        let fitting = self.eligible(candidate);
        let fitting = fitting.filter(|index| is_open(index) && room(index) >= wanted);
        if let Some(best) = fitting.min_by_key(|index| room(index)) {
            return Place::Fits(vec![(best, peak)]);
        }
        let eligible: Vec<usize> = self.eligible(candidate).collect();
        let able = |index: &&usize| self.is_able(**index, peak);
        let coming = |index: &usize| i128::from(self.devices[*index].sums.coming());
        let waits = |index: &&usize| {
            is_answering(self, **index)
                && coming(index) > 0
                && room(index) + coming(index) >= wanted
        };
        if let Some(soonest) = eligible.iter().filter(able).find(waits) {
            return Place::Coming(vec![(*soonest, peak)]);
        }
        let plans = eligible.iter().filter(able).filter(|index| is_answering(self, **index));
        let plans = plans.filter_map(|index| {
            let need = u64::try_from(wanted - room(index) - coming(index)).ok()?;
            let victims = plan(self.candidates_to_leave(now, *index, spec.priority), need)?;
            let bytes: u64 = victims.iter().map(|victim| victim.bytes).sum();
            Some((bytes, victims.len(), *index, victims))
        });
        if let Some((.., index, victims)) = plans.min_by_key(|(bytes, count, ..)| (*bytes, *count))
        {
            let keys = victims.into_iter().map(|victim| victim.model).collect();
            return Place::Evict(vec![(index, peak)], keys);
        }
        if let Some(best) = eligible.iter().filter(able).max_by_key(|index| room(index)) {
            return Place::Busy(vec![(*best, peak)]);
        }
        self.never(&eligible)
    }

    /// The devices that this candidate may be on, in their order.
    pub(super) fn eligible(&self, candidate: &Candidate) -> impl Iterator<Item = usize> {
        let fits = move |index: &usize| {
            let device = &self.devices[*index];
            let is_wanted = candidate.device.as_ref().is_none_or(|id| *id == device.info.id);
            is_wanted && device.info.kind == candidate.kind && device.condition != Condition::Lost
        };
        (0..self.devices.len()).filter(fits)
    }

    /// Whether it would fit on this device if that were empty, as far as one
    /// knows.
    pub(super) fn is_able(&self, index: usize, peak: u64) -> bool {
        let device = &self.devices[index];
        match device.condition {
            Condition::Unread => true,
            Condition::Unmeasured if device.budget.is_none() => false,
            _ => device.cap(&self.policy) >= peak,
        }
    }

    pub(super) fn never(&self, eligible: &[usize]) -> Place {
        let caps = eligible.iter().map(|index| self.devices[*index].cap(&self.policy));
        caps.max().map_or(Place::NoDevice, |largest| Place::TooLarge { largest })
    }

    /// Who could leave this device for one of this priority.
    pub(super) fn candidates_to_leave(
        &self,
        now: Duration,
        device: usize,
        priority: i8,
    ) -> Vec<Victim> {
        let evictable = self.entries.iter().filter(|(_, entry)| entry.is_evictable(priority));
        let on_device = evictable.filter_map(|(key, entry)| {
            let share = entry.share_on(device)?;
            let age = now.saturating_sub(entry.ready_since);
            Some(Victim {
                model: *key,
                bytes: share.bytes(),
                priority: entry.spec.priority,
                is_young: age < self.policy.min_residency,
                last_used: entry.last_used,
            })
        });
        on_device.collect()
    }

    /// The kinds of devices that there are, for whoever finds none.
    pub(crate) fn what_there_is(&self) -> String {
        let count = |kind| self.devices.iter().filter(|device| device.info.kind == kind).count();
        format!("{} GPUs and {} CPUs", count(DeviceKind::Gpu), count(DeviceKind::Cpu))
    }
}

/// Whether one can see what comes back.
pub(super) fn is_answering(scheduler: &Scheduler, index: usize) -> bool {
    matches!(scheduler.devices[index].condition, Condition::Measured | Condition::Unmeasured)
}
