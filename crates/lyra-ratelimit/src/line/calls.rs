//! Who is called, who does not answer, and when those behind look after them:
//! a future that its owner keeps without polling it must not hold up the
//! others.

use super::Line;
use crate::meter::Meter;

/// How late a waiter may look, in nanoseconds. Then, if it is first and its
/// turn has come, others go before it. Busy runtimes are late by less.
const GRACE: u64 = 100_000_000;

impl Line {
    /// Wakes the first in line, whose turn was put off or brought nearer, and
    /// a few behind it: their turns are nearer, too, and should the first ones
    /// be silent, somebody has to see it.
    pub(super) fn call_first(&mut self, now: u64) {
        self.call(now, 4);
    }

    /// Wakes the next in line after a grant. Its turn comes as it was reckoned,
    /// and those behind it look in good time; but not where slots are among
    /// the limits, whose turns have no time.
    pub(super) fn call_next(&mut self, now: u64) {
        let slots = self.limits.iter().any(|limit| matches!(limit.meter, Meter::Slots { .. }));
        self.call(now, if slots { 4 } else { 1 });
    }

    fn call(&mut self, now: u64, mut count: usize) {
        for waiter in self.queue.values_mut() {
            if count == 0 {
                break;
            }
            // Who should have looked a while ago is silent, and calls nobody.
            if waiter.look.saturating_add(GRACE) > now {
                count -= 1;
            }
            // One who was called before, and has not answered, is not given
            // more time by this.
            if let Some(wake) = waiter.wake.take() {
                waiter.look = waiter.look.min(now);
                waiter.looks = 0;
                self.wakes.push(wake);
            }
        }
    }

    /// Passes over those at the front whose turn has come, and who should have
    /// looked a while ago.
    pub(super) fn pass_silent(&mut self, now: u64) {
        let mut passed = false;
        while let Some((_, first)) = self.queue.first_key_value() {
            let (costs, look) = (first.costs, first.look);
            let answers = look.saturating_add(GRACE) > now;
            if answers || self.ready_at(now, &costs) != (now, true) {
                break;
            }
            let Some((ticket, waiter)) = self.queue.pop_first() else { break };
            passed = true;
            // After its deadline it can have no turn any more, so there is
            // nothing to remember of it.
            match Self::is_gone(waiter.deadline, now) {
                true => self.spent.extend(waiter.wake),
                false => drop(self.silent.insert(ticket, waiter)),
            }
        }
        if passed {
            self.reckoned = None;
            self.call_first(now);
            self.forget_the_late(now);
        }
    }

    /// A silent one looks: it is where it was.
    pub(super) fn come_back(&mut self, ticket: u64) {
        if let Some(waiter) = self.silent.remove(&ticket) {
            self.queue.insert(ticket, waiter);
            self.reckoned = None;
        }
    }

    /// When one that is not first looks: a while after its turn should have
    /// come, in case those before it are silent, and ever more rarely. The
    /// further back, the later, so that not all of them come at once.
    pub(super) fn look_behind_others(&self, now: u64, ticket: u64, expected: u64) -> u64 {
        let Some((head, first)) = self.queue.first_key_value() else { return now };
        let is_due = self.ready_at(now, &first.costs) == (now, true);
        if is_due && first.look <= now {
            return first.look.max(now.saturating_sub(GRACE)).saturating_add(GRACE);
        }
        let places = u64::from((ticket - head).max(1).ilog2());
        let looks = self.queue.get(&ticket).map_or(0, |waiter| waiter.looks.min(5));
        expected.max(now).saturating_add((GRACE * (2 + places)) << looks)
    }

    /// Whether a waiter would have looked for the last time by now.
    pub(super) const fn is_gone(deadline: u64, now: u64) -> bool {
        deadline.saturating_add(GRACE) <= now
    }

    /// Forgets silent ones whose deadline is over.
    fn forget_the_late(&mut self, now: u64) {
        let spent = &mut self.spent;
        self.silent.retain(|_, waiter| {
            let stays = !Self::is_gone(waiter.deadline, now);
            if !stays {
                spent.extend(waiter.wake.take());
            }
            stays
        });
    }
}
