//! Whose is the memory that nobody of ours is known to take?
//!
//! A model that takes more than is known of it looks like a stranger who came
//! along with it. Where that keeps somebody waiting, those are sent away who
//! would have to leave for it in any case: what is still there then is a
//! stranger's for certain.

use std::time::Duration;

use super::place::{Shares, is_answering};
use super::{Key, Scheduler};
use crate::plan::plan;
use crate::policy::Degrade;

impl Scheduler {
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
}
