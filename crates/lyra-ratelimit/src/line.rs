//! The decision: whose turn it is, and when. No clock, no lock, no sleep; the
//! time comes in as a number.
//!
//! Those who wait stand in one queue. Its head looks at the clock, is charged
//! in the moment of its grant, and calls the next one. Until then nobody has
//! paid anything, so to leave the queue costs nothing.

mod calls;
mod reckoning;
mod restructure;
mod time;

use std::collections::BTreeMap;

use crate::hold::Hold;
use crate::limit::Limit;
use crate::waiter::{Costs, Keeps, MOST_LIMITS, Stamp, Waiter, Wake};

/// The wait that is told to one who comes while the head, whose turn it is, is
/// on its way: a step of tokio's timer.
const A_MOMENT: u64 = 1_000_000;

pub(crate) struct Line {
    pub(crate) limits: Vec<Limit>,
    pub(crate) longest_hold: u64,
    /// The service asked to be left alone.
    hold: Hold,
    /// By ticket, and so in the order of their arrival.
    queue: BTreeMap<u64, Waiter>,
    /// Those who did not look when they were to; others go before them until
    /// they do.
    silent: BTreeMap<u64, Waiter>,
    /// Those whom a change took out of the queue, until they look.
    refused: BTreeMap<u64, Refusal>,
    next_ticket: u64,
    /// The limits as they will be when all who wait have been granted, and
    /// when the last of them will be. None: to be reckoned anew.
    reckoned: Option<(Vec<Limit>, u64)>,
    granted: u64,
    /// Reservations and permits that may give tokens back. While there are
    /// any, the gate stays shut: how full the bucket was meanwhile, which
    /// decides what comes back, is seen here alone.
    outstanding: usize,
    /// How many charges there were.
    charges: u64,
    last_now: u64,
    wakes: Vec<Wake>,
    /// To be dropped when the lock is released: a waker's drop may do anything.
    spent: Vec<Wake>,
}

/// Why a turn will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The cost is larger than this limit ever holds.
    TooLarge { limit: usize },
    /// Not before this many nanoseconds have passed.
    NotYet { wait: u64 },
    /// All slots are in use, and only their holders know for how long.
    Busy,
}

/// What a waiter is to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Charged, now.
    Granted,
    Refused(Refusal),
    /// Look again when woken, and not later than this.
    LookAgain {
        at: u64,
    },
}

impl Line {
    pub(crate) fn new(limits: Vec<Limit>, longest_hold: u64) -> Self {
        Self {
            limits,
            longest_hold,
            hold: Hold::default(),
            queue: BTreeMap::new(),
            silent: BTreeMap::new(),
            refused: BTreeMap::new(),
            next_ticket: 0,
            reckoned: None,
            granted: 0,
            outstanding: 0,
            charges: 0,
            last_now: 0,
            wakes: Vec::new(),
            spent: Vec::new(),
        }
    }

    /// Whether the gate may decide alone.
    pub(crate) fn is_plain(&self) -> bool {
        self.queue.is_empty()
            && self.outstanding == 0
            && !self.hold.is_on()
            && matches!(self.limits.as_slice(), [limit] if limit.is_plain())
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(crate) const fn granted(&self) -> u64 {
        self.granted
    }

    /// Whether nothing is taken or held back, and nobody waits.
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        let untouched = |limit: &Limit| {
            limit.is_at_ease() && limit.meter.available(now) == limit.meter.largest()
        };
        let nobody = self.queue.is_empty() && self.silent.is_empty() && self.outstanding == 0;
        nobody && !self.hold.is_on() && self.limits.iter().all(untouched)
    }

    /// Those to be woken, and those to be dropped, once the lock is released.
    pub(crate) fn take_wakes(&mut self) -> (Vec<Wake>, Vec<Wake>) {
        (std::mem::take(&mut self.wakes), std::mem::take(&mut self.spent))
    }

    /// Grants at once, or says when.
    pub(crate) fn try_take(&mut self, now: u64, costs: &Costs) -> Result<(), Refusal> {
        self.fits(costs)?;
        self.pass_silent(now);
        let (ready, sure) = self.ready_at(now, costs);
        if self.queue.is_empty() && sure && ready <= now {
            self.charge(now, costs);
            return Ok(());
        }
        Err(self.refusal(now, costs))
    }

    /// Grants at once, or lets the caller stand in line if its turn can come
    /// by `deadline`.
    pub(crate) fn enter(
        &mut self,
        now: u64,
        costs: &Costs,
        deadline: u64,
    ) -> Result<Option<u64>, Refusal> {
        match self.try_take(now, costs) {
            Ok(()) => return Ok(None),
            Err(Refusal::NotYet { wait }) if now.saturating_add(wait) <= deadline => {}
            Err(Refusal::Busy) if now < deadline => {}
            Err(refusal) => return Err(refusal),
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let expected = self.expect_next(now, costs);
        let waiter = Waiter { costs: *costs, deadline, expected, look: now, looks: 0, wake: None };
        self.queue.insert(ticket, waiter);
        Ok(Some(ticket))
    }

    /// What the waiter with this ticket is to do. If its time is up, this is
    /// its last look: it is granted, or out of the line.
    pub(crate) fn turn(&mut self, now: u64, ticket: u64, time_is_up: bool) -> Turn {
        self.come_back(ticket);
        let Some(waiter) = self.queue.get_mut(&ticket) else {
            // A change took it out, or it was silent until long after its
            // deadline.
            return Turn::Refused(self.refused.remove(&ticket).unwrap_or(Refusal::Busy));
        };
        waiter.look = now;
        let (costs, deadline, expected) = (waiter.costs, waiter.deadline, waiter.expected);
        // While it was silent, its limits may have become too small for it.
        if let Err(refusal) = self.fits(&costs) {
            self.leave(now, ticket);
            return Turn::Refused(refusal);
        }
        self.pass_silent(now);
        let (ready, sure) = self.ready_at(now, &costs);
        let is_first = self.first() == Some(ticket);
        if is_first && sure && ready <= now {
            self.grant(now, ticket);
            return Turn::Granted;
        }
        if time_is_up {
            self.leave(now, ticket);
            // As it was reckoned; to reckon it anew for each of many that end
            // together would take a time that is quadratic in their number.
            let wait = if is_first { ready } else { expected }.saturating_sub(now);
            return Turn::Refused(if wait == 0 { Refusal::Busy } else { Refusal::NotYet { wait } });
        }
        let look = match is_first {
            true if sure => ready,
            true => deadline,
            false => self.look_behind_others(now, ticket, expected),
        };
        let at = look.min(deadline.max(now));
        if let Some(waiter) = self.queue.get_mut(&ticket) {
            (waiter.look, waiter.looks) = (at, waiter.looks.saturating_add(1));
        }
        Turn::LookAgain { at }
    }

    /// How to wake a waiter that goes to sleep now.
    pub(crate) fn set_wake(&mut self, ticket: u64, wake: Wake) {
        let Some(waiter) = self.queue.get_mut(&ticket) else {
            return self.spent.push(wake);
        };
        match (&waiter.wake, &wake) {
            (Some(Wake::Task(old)), Wake::Task(new)) if old.will_wake(new) => self.spent.push(wake),
            _ => self.spent.extend(waiter.wake.replace(wake)),
        }
    }

    /// A waiter goes away. It had paid nothing, so nothing of it stays.
    pub(crate) fn cancel(&mut self, now: u64, ticket: u64) {
        if let Some(silent) = self.silent.remove(&ticket) {
            self.spent.extend(silent.wake);
        }
        self.refused.remove(&ticket);
        self.leave(now, ticket);
    }

    /// Takes `costs` whether they are there or not: more was used than had
    /// been asked for. What takes longer than the longest hold to be paid off
    /// is let go, so that a wrong number stops nobody for years.
    pub(crate) fn overdraw(&mut self, now: u64, costs: &Costs) {
        let longest = self.longest_hold;
        self.charges += 1;
        for (limit, cost) in self.limits.iter_mut().zip(costs) {
            limit.meter.overdraw(now, self.charges, *cost, longest);
        }
        self.changed(now);
    }

    /// Gives back a part of what was charged.
    pub(crate) fn refund(&mut self, now: u64, stamp: Stamp, costs: &Costs) {
        for (limit, cost) in self.limits.iter_mut().zip(costs) {
            limit.meter.refund(stamp, *cost);
        }
        self.reckoned = None;
        self.call_first(now);
    }

    /// A number for a charge that is about to be made.
    pub(crate) fn next_charge(&mut self) -> u64 {
        self.charges += 1;
        self.charges
    }

    /// The charge that was just made.
    pub(crate) fn stamp(&mut self, now: u64, keeps: Keeps) -> Stamp {
        if keeps == Keeps::Something {
            self.outstanding += 1;
        }
        Stamp { at: now, charge: self.charges }
    }

    /// A reservation or a permit has ended.
    pub(crate) fn end_one(&mut self) {
        self.outstanding -= 1;
        if self.outstanding == 0 {
            self.limits.iter_mut().for_each(|limit| limit.meter.forget_charges());
        }
    }

    /// Corrects a charge.
    pub(crate) fn settle(&mut self, now: u64, stamp: Stamp, charged: &Costs, used: &Costs) {
        let mut back = Costs::default();
        let mut more = Costs::default();
        for index in 0..MOST_LIMITS {
            back[index] = charged[index].saturating_sub(used[index]);
            more[index] = used[index].saturating_sub(charged[index]);
        }
        self.refund(now, stamp, &back);
        if more != Costs::default() {
            self.overdraw(now, &more);
        }
    }

    /// Keeps everyone out for `length` nanoseconds.
    pub(crate) fn hold(&mut self, now: u64, length: u64) {
        self.hold.extend(now, length);
    }

    /// Until when nothing at all, or nothing of one of the limits, is granted.
    pub(crate) fn held_until(&self) -> u64 {
        let limits = self.limits.iter().map(Limit::held_until);
        limits.fold(self.hold.until(), u64::max)
    }

    fn first(&self) -> Option<u64> {
        self.queue.first_key_value().map(|(ticket, _)| *ticket)
    }

    fn charge(&mut self, now: u64, costs: &Costs) {
        self.charges += 1;
        for (limit, cost) in self.limits.iter_mut().zip(costs) {
            limit.meter.charge(now, self.charges, *cost);
        }
        self.granted += 1;
    }

    fn grant(&mut self, now: u64, ticket: u64) {
        let Some(head) = self.queue.remove(&ticket) else { return };
        self.charge(now, &head.costs);
        // A grant that came later than reckoned puts off those behind it.
        if now > head.expected {
            self.reckoned = None;
        }
        self.spent.extend(head.wake);
        self.call_next(now);
    }

    fn leave(&mut self, now: u64, ticket: u64) {
        let was_first = self.first() == Some(ticket);
        let Some(waiter) = self.queue.remove(&ticket) else { return };
        self.spent.extend(waiter.wake);
        self.reckoned = None;
        if was_first {
            self.call_first(now);
        }
    }
}
