//! Where a candidate goes: as things are, or once others have left.

use std::time::Duration;

use super::{Condition, Key, Scheduler};
use crate::model::{Candidate, ModelSpec};
use crate::plan::{Victim, plan};
use crate::policy::Degrade;
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
                self.place_split(now, spec, candidate, peaks, claims)
            }
        }
    }

    /// What the candidate asks for, and more if that was too little before.
    pub(super) fn raised_by(&self, spec: &ModelSpec, candidate: &Candidate, peak: u64) -> u64 {
        if self.raised.is_empty() {
            return peak;
        }
        let known = self.raised.get(&(spec.name.clone(), candidate.variant.clone()));
        let percent = known.copied().unwrap_or(100);
        u64::try_from(u128::from(peak) * u128::from(percent) / 100).unwrap_or(u64::MAX)
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
        let waits = |index: &&usize| coming(index) > 0 && room(index) + coming(index) >= wanted;
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

    /// A split goes to as many devices as it has parts, the largest part to
    /// the device with the most room, and to all of them at once.
    fn place_split(
        &self,
        now: Duration,
        spec: &ModelSpec,
        candidate: &Candidate,
        peaks: Vec<u64>,
        claims: &[u64],
    ) -> Place {
        let mut eligible: Vec<usize> = self.eligible(candidate).collect();
        let room = |index: usize| self.devices[index].room(&self.policy, claims[index]);
        eligible.sort_by_key(|index| std::cmp::Reverse(room(*index)));
        if eligible.len() < peaks.len() {
            return Place::NoDevice;
        }
        let shares: Shares = eligible.iter().copied().zip(peaks).collect();
        if !shares.iter().all(|(index, peak)| self.is_able(*index, *peak)) {
            return self.never(&eligible);
        }
        let lacking = |(index, peak): &(usize, u64)| i128::from(*peak) - room(*index);
        let is_open = |(index, _): &(usize, u64)| self.devices[*index].is_open(&self.policy);
        if shares.iter().all(|share| is_open(share) && lacking(share) <= 0) {
            return Place::Fits(shares);
        }
        let mut victims: Vec<Key> = Vec::new();
        let mut is_coming = false;
        for share in &shares {
            let coming = i128::from(self.devices[share.0].sums.coming());
            is_coming |= coming > 0;
            let brought: u64 = victims
                .iter()
                .filter_map(|key| self.entries[key].share_on(share.0))
                .map(super::Share::bytes)
                .sum();
            let Ok(need) = u64::try_from(lacking(share) - coming - i128::from(brought)) else {
                continue;
            };
            let mut candidates = self.candidates_to_leave(now, share.0, spec.priority);
            candidates.retain(|victim| !victims.contains(&victim.model));
            match plan(candidates, need) {
                Some(plan) if is_answering(self, share.0) => {
                    victims.extend(plan.into_iter().map(|victim| victim.model));
                }
                _ => return Place::Busy(shares),
            }
        }
        let need =
            |share: &(usize, u64)| lacking(share) - i128::from(self.devices[share.0].sums.coming());
        let needs: Vec<(usize, i128)> = shares.iter().map(|share| (share.0, need(share))).collect();
        self.prune(&mut victims, &needs);
        match (victims.is_empty(), is_coming) {
            (false, _) => Place::Evict(shares, victims),
            (true, true) => Place::Coming(shares),
            (true, false) => Place::Busy(shares),
        }
    }

    /// Lets those stay whom one does not need: who leaves one device may bring
    /// enough on another as well, for which somebody was chosen before.
    fn prune(&self, victims: &mut Vec<Key>, needs: &[(usize, i128)]) {
        victims.sort_unstable_by_key(|key| {
            let entry = &self.entries[key];
            std::cmp::Reverse((entry.spec.priority, entry.last_used, *key))
        });
        let brings = |key: &Key, device: usize| {
            let share = self.entries[key].share_on(device);
            i128::from(share.map_or(0, super::Share::bytes))
        };
        let mut at = 0;
        while at < victims.len() {
            let victim = victims.remove(at);
            let is_enough = needs.iter().all(|(device, need)| {
                victims.iter().map(|key| brings(key, *device)).sum::<i128>() >= *need
            });
            if !is_enough {
                victims.insert(at, victim);
                at += 1;
            }
        }
        victims.reverse();
    }

    /// Who should leave these devices so that one sees whether all that seems
    /// to be others' is theirs: everybody who could, if it would do.
    pub(super) fn probe(
        &self,
        now: Duration,
        priority: i8,
        shares: &Shares,
        claims: &[u64],
    ) -> Option<Vec<Key>> {
        if self.policy.degrade == Degrade::NoEvict {
            return None;
        }
        let mut victims: Vec<Key> = Vec::new();
        for (index, peak) in shares {
            let device = &self.devices[*index];
            let room = device.room(&self.policy, claims[*index]) + i128::from(device.sums.coming());
            let Ok(need @ 1..) = u64::try_from(i128::from(*peak) - room) else { continue };
            if !is_answering(self, *index) {
                return None;
            }
            let mut leaving = self.candidates_to_leave(now, *index, priority);
            if let Some(enough) = plan(leaving.clone(), need) {
                leaving = enough;
            } else {
                let ours: u64 = leaving.iter().map(|victim| victim.bytes).sum();
                if leaving.is_empty() || ours.saturating_add(device.suspected(now)) < need {
                    return None;
                }
            }
            victims.extend(leaving.into_iter().map(|victim| victim.model));
        }
        victims.sort_unstable();
        victims.dedup();
        (!victims.is_empty()).then_some(victims)
    }

    /// The devices that this candidate may be on, in their order.
    fn eligible(&self, candidate: &Candidate) -> impl Iterator<Item = usize> {
        let fits = move |index: &usize| {
            let device = &self.devices[*index];
            let is_wanted = candidate.device.as_ref().is_none_or(|id| *id == device.info.id);
            is_wanted && device.info.kind == candidate.kind && device.condition != Condition::Lost
        };
        (0..self.devices.len()).filter(fits)
    }

    /// Whether it would fit on this device if that were empty, as far as one
    /// knows.
    fn is_able(&self, index: usize, peak: u64) -> bool {
        let device = &self.devices[index];
        match device.condition {
            Condition::Unread => true,
            Condition::Unmeasured if device.budget.is_none() => false,
            _ => device.cap(&self.policy) >= peak,
        }
    }

    fn never(&self, eligible: &[usize]) -> Place {
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
fn is_answering(scheduler: &Scheduler, index: usize) -> bool {
    matches!(scheduler.devices[index].condition, Condition::Measured | Condition::Unmeasured)
}
