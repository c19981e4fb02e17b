//! Where a candidate goes that takes parts of several devices.

use std::time::Duration;

use super::place::{Shares, is_answering};
use super::{Key, Place, Scheduler, Share};
use crate::model::{Candidate, ModelSpec};
use crate::plan::plan;

impl Scheduler {
    /// A split goes to as many devices as it has parts, the largest part to
    /// the one with the most room, and to all of them at once.
    pub(super) fn place_split(
        &self,
        now: Duration,
        spec: &ModelSpec,
        candidate: &Candidate,
        peaks: &[u64],
        claims: &[u64],
    ) -> Place {
        let eligible: Vec<usize> = self.eligible(candidate).collect();
        let room = |index: usize| self.devices[index].room(&self.policy, claims[index]);
        if eligible.len() < peaks.len() {
            return Place::NoDevice;
        }
        // As things are, or else with all that is leaving or could leave.
        let is_open = |index: usize| self.devices[index].is_open(&self.policy);
        let now_fitting = eligible.iter().copied().filter(|index| is_open(*index));
        let as_it_is = self.spread(now_fitting.collect(), peaks, room);
        let fitting = as_it_is
            .filter(|shares| shares.iter().all(|(index, peak)| room(*index) >= i128::from(*peak)));
        if let Some(shares) = fitting {
            return Place::Fits(shares);
        }
        let leaving = |index: usize| -> u64 {
            let victims = self.candidates_to_leave(now, index, spec.priority);
            victims.iter().map(|victim| victim.bytes).sum()
        };
        let at_best = |index: usize| {
            let coming = self.devices[index].sums.coming();
            room(index) + i128::from(coming) + i128::from(leaving(index))
        };
        let answering = eligible.iter().copied().filter(|index| is_answering(self, *index));
        let shares = self.spread(answering.collect(), peaks, at_best);
        let Some(shares) = shares.or_else(|| self.spread(eligible.clone(), peaks, at_best)) else {
            return self.never(&eligible);
        };
        self.make_way(now, spec.priority, shares, claims)
    }

    /// Who leaves so that each part finds its place.
    fn make_way(&self, now: Duration, priority: i8, shares: Shares, claims: &[u64]) -> Place {
        let lacking = |(index, peak): &(usize, u64)| {
            let device = &self.devices[*index];
            let coming = i128::from(device.sums.coming());
            i128::from(*peak) - device.room(&self.policy, claims[*index]) - coming
        };
        let mut victims: Vec<Key> = Vec::new();
        for share in &shares {
            let brought: u64 = victims
                .iter()
                .filter_map(|key| self.entries[key].share_on(share.0))
                .map(Share::bytes)
                .sum();
            let Ok(need) = u64::try_from(lacking(share) - i128::from(brought)) else { continue };
            let mut candidates = self.candidates_to_leave(now, share.0, priority);
            candidates.retain(|victim| !victims.contains(&victim.model));
            match plan(candidates, need) {
                Some(plan) if is_answering(self, share.0) => {
                    victims.extend(plan.into_iter().map(|victim| victim.model));
                }
                _ => return Place::Busy(shares),
            }
        }
        let needs: Vec<_> = shares.iter().map(|share| (share.0, lacking(share))).collect();
        self.prune(&mut victims, &needs);
        let is_coming = shares.iter().any(|(index, _)| self.devices[*index].sums.coming() > 0);
        match (victims.is_empty(), is_coming) {
            (false, _) => Place::Evict(shares, victims),
            (true, true) => Place::Coming(shares),
            (true, false) => Place::Busy(shares),
        }
    }

    /// Each part on a device of its own that could hold it, the largest first,
    /// where there is most room.
    fn spread(
        &self,
        mut devices: Vec<usize>,
        peaks: &[u64],
        room: impl Fn(usize) -> i128,
    ) -> Option<Shares> {
        devices.sort_by_cached_key(|index| std::cmp::Reverse(room(*index)));
        let part = |peak: &u64| {
            let at = devices.iter().position(|index| self.is_able(*index, *peak))?;
            Some((devices.remove(at), *peak))
        };
        peaks.iter().map(part).collect()
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
            i128::from(share.map_or(0, Share::bytes))
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
}
