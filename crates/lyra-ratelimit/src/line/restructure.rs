//! A line that gets other limits: what a service becomes that was called
//! before it was registered.

use super::Line;
use crate::limit::Limit;
use crate::waiter::Costs;

impl Line {
    /// Whether it can get other limits: nobody holds anything that says by its
    /// place in the list of limits what it would give back.
    pub(crate) fn can_be_restructured(&self) -> bool {
        self.outstanding == 0 && !self.limits.iter().any(Limit::is_slots)
    }

    /// Puts `limits` in the place of those that it has. One of the same name
    /// keeps what was taken, and how it treads; who waits, waits for what it
    /// asked for, one of each other rate, and no slot.
    pub(crate) fn restructure(&mut self, now: u64, limits: Vec<Limit>) {
        let old = std::mem::replace(&mut self.limits, limits);
        for limit in &mut self.limits {
            if let Some(old) = old.iter().find(|old| old.name == limit.name) {
                limit.take_after(now, old);
            }
        }
        let place = |limit: &Limit| old.iter().position(|old| old.name == limit.name);
        for waiter in self.queue.values_mut().chain(self.silent.values_mut()) {
            let mut costs = Costs::default();
            for (cost, limit) in costs.iter_mut().zip(&self.limits) {
                *cost = match place(limit) {
                    Some(place) => waiter.costs[place],
                    None => u64::from(!limit.is_slots()),
                };
            }
            waiter.costs = costs;
        }
        self.changed(now);
    }

    /// Takes at once what is taken in another line, of rates of the same name.
    pub(crate) fn take_over(&mut self, now: u64, other: &Self) {
        let mut taken = Costs::default();
        for (taken, limit) in taken.iter_mut().zip(&self.limits) {
            let theirs = other.limits.iter().find(|theirs| theirs.name == limit.name);
            if let Some(theirs) = theirs.filter(|_| !limit.is_slots()) {
                *taken = theirs.meter.taken(now);
            }
        }
        self.overdraw(now, &taken);
    }
}
