//! A line that gets other limits: what a service becomes that was called
//! before it was registered.

use super::Line;
use crate::limit::Limit;

impl Line {
    /// Whether it can get these limits. Costs and permits are told by the
    /// places of the limits, so those that it has have to be among them; and
    /// one who waits without a permit must not be given a slot.
    pub(crate) fn can_become(&self, limits: &[Limit]) -> bool {
        let stays = |old: &Limit| {
            !old.is_slots() && limits.iter().any(|new| new.name == old.name && !new.is_slots())
        };
        let nobody = self.queue.is_empty() && self.silent.is_empty();
        self.limits.iter().all(stays) && (nobody || !limits.iter().any(Limit::is_slots))
    }

    /// Gets these limits. Those that it has keep their places, what was taken,
    /// and how they tread; who waits, is charged one of each new one.
    pub(crate) fn become_those(&mut self, now: u64, mut limits: Vec<Limit>) {
        let charge = self.next_charge();
        for (place, old) in self.limits.iter().enumerate() {
            let Some(new) = limits.iter().position(|new| new.name == old.name) else { continue };
            limits[new].take_after(now, charge, old);
            let new = limits.remove(new);
            limits.insert(place, new);
        }
        self.limits = limits;
        self.changed(now);
    }

    /// Takes over from another what is taken of limits of the same name, and
    /// what the service asked for.
    pub(crate) fn take_over(&mut self, now: u64, other: &Self) {
        let charge = self.next_charge();
        self.hold = other.hold;
        for limit in &mut self.limits {
            if let Some(old) = other.limits.iter().find(|old| old.name == limit.name) {
                limit.take_after(now, charge, old);
            }
        }
        self.changed(now);
    }
}
