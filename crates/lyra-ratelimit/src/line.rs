//! The decision: whose turn it is, and when. No clock, no lock, no sleep; the
//! time comes in as a number.
//!
//! Those who wait stand in one queue. Its head looks at the clock, is charged
//! in the moment of its grant, and calls the next one. Until then nobody has
//! paid anything, so to leave the queue costs nothing.

mod reckoning;

use std::collections::{BTreeMap, VecDeque};

use crate::hold::Hold;
use crate::limit::Limit;
use crate::waiter::{Costs, Waiter, Wake};

/// How long a head may stay silent when its turn has come, in nanoseconds.
/// Then the next in line, waking up at this time, goes first: a future that
/// its owner keeps without polling it must not hold up the others. It keeps
/// its place, and is first again once it is polled. Busy runtimes are late by
/// less. Whoever stands further back gives twice as long for each place, so
/// that a long line is not woken all the time.
const GRACE: u64 = 50_000_000;

/// The wait that is told to one who comes while the head, whose turn it is, is
/// on its way: a step of tokio's timer.
const A_MOMENT: u64 = 1_000_000;

pub(crate) struct Line {
    pub(crate) limits: Vec<Limit>,
    pub(crate) longest_hold: u64,
    /// The service asked to be left alone.
    hold: Hold,
    queue: VecDeque<Waiter>,
    /// Those whom a change took out of the queue, until they look.
    refused: BTreeMap<u64, Refusal>,
    next_ticket: u64,
    /// The limits as they will be when all who wait have been granted, and
    /// when the last of them will be. None: to be reckoned anew.
    reckoned: Option<(Vec<Limit>, u64)>,
    granted: u64,
    wakes: Vec<Wake>,
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
            queue: VecDeque::new(),
            refused: BTreeMap::new(),
            next_ticket: 0,
            reckoned: None,
            granted: 0,
            wakes: Vec::new(),
        }
    }

    /// Whether the gate may decide alone.
    pub(crate) fn is_plain(&self) -> bool {
        self.queue.is_empty()
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
        self.queue.is_empty() && !self.hold.is_on() && self.limits.iter().all(untouched)
    }

    /// What is taken of each limit.
    pub(crate) fn taken(&self, now: u64) -> Costs {
        let mut taken = Costs::default();
        for (taken, limit) in taken.iter_mut().zip(&self.limits) {
            *taken = limit.meter.largest().saturating_sub(limit.meter.available(now));
        }
        taken
    }

    /// Those to be woken once the lock is released.
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        std::mem::take(&mut self.wakes)
    }

    /// Does what time asks for; comes first whenever the line is used.
    pub(crate) fn tick(&mut self, now: u64) {
        self.hold.tick(now);
        for limit in &mut self.limits {
            limit.tick(now);
        }
    }

    /// Grants at once, or says when.
    pub(crate) fn try_take(&mut self, now: u64, costs: &Costs) -> Result<(), Refusal> {
        self.fits(costs)?;
        self.pass_silent_heads(now);
        let (ready, sure) = self.ready_at(now, costs);
        if self.head().is_none() && sure && ready <= now {
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
        self.queue.push_back(Waiter {
            ticket,
            costs: *costs,
            deadline,
            expected,
            called: now,
            is_silent: false,
            wake: None,
        });
        Ok(Some(ticket))
    }

    /// What the waiter with this ticket is to do. If its time is up, this is
    /// its last look: it is granted, or out of the line.
    pub(crate) fn turn(&mut self, now: u64, ticket: u64, time_is_up: bool) -> Turn {
        let Some(place) = self.place_of(ticket) else {
            // Whoever is not in the queue was taken out by a change.
            return Turn::Refused(self.refused.remove(&ticket).unwrap_or(Refusal::Busy));
        };
        if std::mem::take(&mut self.queue[place].is_silent) {
            self.reckoned = None;
        }
        self.queue[place].called = now;
        self.pass_silent_heads(now);
        let waiter = &self.queue[place];
        let (costs, deadline, expected) = (waiter.costs, waiter.deadline, waiter.expected);
        let (ready, sure) = self.ready_at(now, &costs);
        let is_first = self.head() == Some(place);
        if is_first && sure && ready <= now {
            self.grant(now, place);
            return Turn::Granted;
        }
        if time_is_up {
            self.leave(now, place);
            return Turn::Refused(self.refusal(now, &costs));
        }
        let look = match is_first {
            true if sure => ready,
            true => deadline,
            // If those before it are silent, it passes them then.
            false => expected.max(now).saturating_add(GRACE << place.min(10)),
        };
        Turn::LookAgain { at: look.min(deadline.max(now)) }
    }

    /// How to wake a waiter that goes to sleep now.
    pub(crate) fn set_wake(&mut self, ticket: u64, wake: Wake) {
        if let Some(place) = self.place_of(ticket) {
            let kept = &mut self.queue[place].wake;
            match (&*kept, &wake) {
                (Some(Wake::Task(old)), Wake::Task(new)) if old.will_wake(new) => {}
                _ => *kept = Some(wake),
            }
        }
    }

    /// A waiter goes away. It had paid nothing, so nothing of it stays.
    pub(crate) fn cancel(&mut self, now: u64, ticket: u64) {
        match self.place_of(ticket) {
            Some(place) => self.leave(now, place),
            None => drop(self.refused.remove(&ticket)),
        }
    }

    /// Takes `costs` whether they are there or not: more was used than had
    /// been asked for.
    pub(crate) fn overdraw(&mut self, now: u64, costs: &Costs) {
        for (limit, cost) in self.limits.iter_mut().zip(costs) {
            limit.meter.charge(now, *cost);
        }
        self.changed(now);
    }

    /// Gives back a part of what was charged at `at`.
    pub(crate) fn refund(&mut self, now: u64, at: u64, costs: &Costs) {
        for (limit, cost) in self.limits.iter_mut().zip(costs) {
            limit.meter.refund(at, *cost);
        }
        self.reckoned = None;
        self.call_head(now);
    }

    /// Keeps everyone out for `length` nanoseconds.
    pub(crate) fn hold(&mut self, now: u64, length: u64) {
        self.hold.extend(now, length);
    }

    pub(crate) const fn held_until(&self) -> u64 {
        self.hold.until()
    }

    fn charge(&mut self, now: u64, costs: &Costs) {
        for (limit, cost) in self.limits.iter_mut().zip(costs) {
            limit.meter.charge(now, *cost);
        }
        self.granted += 1;
    }

    /// Who is first: the place of the foremost who is not silent.
    fn head(&self) -> Option<usize> {
        self.queue.iter().position(|waiter| !waiter.is_silent)
    }

    fn grant(&mut self, now: u64, place: usize) {
        let Some(head) = self.queue.remove(place) else { return };
        self.charge(now, &head.costs);
        // A grant that came later than reckoned puts off those behind it.
        if now > head.expected {
            self.reckoned = None;
        }
        self.call_head(now);
    }

    /// Passes over those whose turn came long ago, and who did not take it.
    fn pass_silent_heads(&mut self, now: u64) {
        let Some(long_ago) = now.checked_sub(GRACE) else { return };
        while let Some(place) = self.head() {
            let head = &self.queue[place];
            let (ready, sure) = self.ready_at(long_ago, &head.costs);
            if !sure || ready > long_ago || head.called > long_ago {
                return;
            }
            self.queue[place].is_silent = true;
            self.reckoned = None;
            self.call_head(now);
        }
    }

    fn leave(&mut self, now: u64, place: usize) {
        let was_first = self.head() == Some(place);
        self.queue.remove(place);
        self.reckoned = None;
        if was_first {
            self.call_head(now);
        }
    }

    fn call_head(&mut self, now: u64) {
        if let Some(place) = self.head() {
            let head = &mut self.queue[place];
            head.called = now;
            self.wakes.extend(head.wake.take());
        }
    }

    fn place_of(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}
