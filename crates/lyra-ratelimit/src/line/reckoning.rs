//! When turns will come: the limits as they will be when everyone in line has
//! been granted, reckoned once and kept until something upsets it.

use super::{A_MOMENT, Line, Refusal};
use crate::limit::Limit;
use crate::waiter::Costs;

impl Line {
    /// In how many nanoseconds `costs` would be granted to one who comes now.
    pub(crate) fn next_free(&mut self, now: u64, costs: &Costs) -> u64 {
        let (ready, sure) = self.ready_at(now, costs);
        if self.queue.is_empty() && sure {
            return ready - now;
        }
        match self.refusal(now, costs) {
            Refusal::NotYet { wait } => wait,
            Refusal::Busy | Refusal::TooLarge { .. } => 0,
        }
    }

    /// Something changed that may change when turns come: whoever can not be
    /// served in time any more is told so now.
    pub(crate) fn changed(&mut self, now: u64) {
        self.reckoned = None;
        if self.queue.is_empty() {
            return;
        }
        let mut limits = self.limits.clone();
        let mut last = now.max(self.hold.until());
        let mut refused = Vec::new();
        for (ticket, waiter) in &mut self.queue {
            let refusal = match too_large(&limits, &waiter.costs) {
                Some(limit) => Some(Refusal::TooLarge { limit }),
                None => {
                    let at = ready_in(&limits, last, &waiter.costs).0;
                    let late = at > waiter.deadline;
                    late.then_some(Refusal::NotYet { wait: at.saturating_sub(now) })
                }
            };
            if let Some(refusal) = refusal {
                refused.push((*ticket, refusal));
                continue;
            }
            last = grant_in(&mut limits, last, &waiter.costs);
            waiter.expected = last;
        }
        for (ticket, refusal) in refused {
            self.wakes.extend(self.queue.remove(&ticket).and_then(|waiter| waiter.wake));
            self.refused.insert(ticket, refusal);
        }
        self.reckoned = Some((limits, last));
        self.call_first(now);
    }

    /// When `costs` fit, for one who is first; and whether that is sure.
    pub(super) fn ready_at(&self, now: u64, costs: &Costs) -> (u64, bool) {
        ready_in(&self.limits, now.max(self.hold.until()), costs)
    }

    pub(super) fn fits(&self, costs: &Costs) -> Result<(), Refusal> {
        too_large(&self.limits, costs).map_or(Ok(()), |limit| Err(Refusal::TooLarge { limit }))
    }

    /// Why not now, to one who comes last.
    pub(super) fn refusal(&mut self, now: u64, costs: &Costs) -> Refusal {
        let (mut expected, mut sure) = self.ready_at(now, costs);
        if !self.queue.is_empty() {
            let (limits, last) = self.reckon_all(now);
            let last = now.max(*last);
            let behind = ready_in(limits, last, costs);
            (expected, sure) = (behind.0.max(now + A_MOMENT), behind.1 && sure);
        }
        match expected - now {
            0 => Refusal::Busy,
            // Slots in use can make it later still, by nobody knows how much.
            A_MOMENT if !sure => Refusal::Busy,
            wait => Refusal::NotYet { wait },
        }
    }

    /// When `costs` will be granted to one who joins the queue now.
    pub(super) fn expect_next(&mut self, now: u64, costs: &Costs) -> u64 {
        let (limits, last) = self.reckon_all(now);
        *last = grant_in(limits, now.max(*last), costs);
        *last
    }

    fn reckon_all(&mut self, now: u64) -> &mut (Vec<Limit>, u64) {
        // Without a queue nothing was kept up to date.
        if self.queue.is_empty() {
            self.reckoned = None;
        }
        let start = now.max(self.hold.until());
        self.reckoned.get_or_insert_with(|| {
            let mut limits = self.limits.clone();
            let mut last = start;
            let waiters = self.queue.values_mut();
            for waiter in waiters.filter(|waiter| !Self::is_gone(waiter.deadline, now)) {
                last = grant_in(&mut limits, last, &waiter.costs);
                waiter.expected = last;
            }
            (limits, last)
        })
    }
}

fn too_large(limits: &[Limit], costs: &Costs) -> Option<usize> {
    limits.iter().zip(costs).position(|(limit, cost)| *cost > limit.meter.largest())
}

fn ready_in(limits: &[Limit], now: u64, costs: &Costs) -> (u64, bool) {
    let mut all = (now, true);
    for (limit, cost) in limits.iter().zip(costs) {
        let ready = limit.ready_at(now, *cost);
        all = (all.0.max(ready.at), all.1 && ready.sure);
    }
    all
}

/// Grants as early as can be, slots aside; gives the time.
fn grant_in(limits: &mut [Limit], now: u64, costs: &Costs) -> u64 {
    let at = ready_in(limits, now, costs).0;
    for (limit, cost) in limits.iter_mut().zip(costs) {
        // By then it may be faster.
        limit.tick(at);
        limit.meter.charge(at, u64::MAX, *cost);
    }
    at
}
