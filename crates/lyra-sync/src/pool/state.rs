//! What a pool knows, under its lock: a pure state without clock, runtime or
//! user's code. Whatever it gives out to wake or to drop is woken and dropped
//! when the lock is free again.

mod line;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::mark::{Phase, Serials};
use super::slot::{Note, Slot};
use super::status::PoolCounts;
use crate::wake::{Wake, Wakes};
pub(crate) use line::{Turn, Waiter};

/// The pause after the first failing creation; with each further one in a row
/// it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// `I` is a resource with its slot, `F` a creation that failed.
#[derive(Debug)]
pub(crate) struct State<I, F> {
    /// The one that came back last is taken first, so that the others can be
    /// idle for long enough to go. Where there is one, nobody waits.
    idle: Vec<I>,
    pub(crate) slots: Vec<Slot>,
    vacant: Vec<usize>,
    max_size: usize,
    longest_pause: Duration,
    pub(crate) serials: Arc<Serials>,
    line: VecDeque<Waiter>,
    /// What those have got who are no longer in line, and have not looked yet.
    granted: BTreeMap<u64, Granted<I, F>>,
    creating: usize,
    failures: u32,
    pause_until: Option<Instant>,
    pub(crate) last_failure: Option<String>,
    is_closed: bool,
    /// Those who wait for the closed pool to be empty.
    drainers: BTreeMap<u64, Wake>,
    pub(crate) counts: PoolCounts,
}

/// What a waiter was given.
#[derive(Debug)]
pub(crate) enum Granted<I, F> {
    Resource(I),
    Failed(F),
}

/// A resource with the slot that it stands in.
pub(crate) trait InSlot {
    fn slot(&self) -> usize;
}

/// A slot in which a resource is being made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    pub(crate) slot: usize,
    /// Who asked for it; none if the pool itself did.
    ticket: Option<u64>,
    /// How many failed in a row when it began: those that began together
    /// count as one.
    round: u32,
}

impl<I: InSlot, F> State<I, F> {
    pub(crate) fn new(max_size: usize, longest_pause: Duration) -> Self {
        Self {
            idle: Vec::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            max_size,
            longest_pause,
            serials: Arc::default(),
            line: VecDeque::new(),
            granted: BTreeMap::new(),
            creating: 0,
            failures: 0,
            pause_until: None,
            last_failure: None,
            is_closed: false,
            drainers: BTreeMap::new(),
            counts: PoolCounts::default(),
        }
    }

    /// Takes what is idle. `ticket` is given at the first attempt, and keeps
    /// the caller's place if it has to stand in line.
    #[inline]
    pub(crate) fn take(&mut self, ticket: &mut Option<u64>, note: Note) -> Option<I> {
        let Some(item) = self.idle.pop() else {
            ticket.get_or_insert_with(|| self.serials.next());
            return None;
        };
        let slot = &mut self.slots[item.slot()];
        let serial = *ticket.get_or_insert_with(|| self.serials.renew(slot.mark.serial()));
        slot.hold(serial, note);
        Some(item)
    }

    /// Takes back a resource: for whoever waits longest, or as idle. Gives it
    /// out again if it is to be destroyed.
    #[inline]
    pub(crate) fn put(&mut self, item: I) -> (Option<Wake>, Option<I>) {
        if !self.wants_none() {
            return self.hand_on(item);
        }
        self.slots[item.slot()].enter(Phase::Idle);
        self.idle.push(item);
        (None, None)
    }

    #[cold]
    fn hand_on(&mut self, item: I) -> (Option<Wake>, Option<I>) {
        if self.is_closed {
            return (None, Some(item));
        }
        let Some(mut waiter) = self.line.pop_front() else {
            return (None, Some(item));
        };
        self.slots[item.slot()].hand_to(&waiter);
        self.granted.insert(waiter.ticket, Granted::Resource(item));
        (waiter.wake.take(), None)
    }

    /// A resource is gone, and its place is free.
    pub(crate) fn vacate(&mut self, slot: usize) -> Wakes {
        self.slots[slot].enter(Phase::Vacant);
        self.slots[slot].mark.forget_serial();
        self.vacant.push(slot);
        let mut wakes = Wakes::default();
        wakes.add(self.call_next());
        if self.is_closed {
            wakes.add(std::mem::take(&mut self.drainers).into_values());
        }
        wakes
    }

    /// A place to make a resource in, if there is one and makes sense now.
    pub(crate) fn begin(&mut self, ticket: Option<u64>) -> Option<Making> {
        if self.is_closed || self.size() >= self.max_size {
            return None;
        }
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[slot].enter(Phase::Creating);
        self.creating += 1;
        // What comes back must find its room without allocating.
        self.idle.reserve(self.slots.len() - self.idle.len());
        Some(Making { slot, ticket, round: self.failures })
    }

    /// A resource was made; it goes to whoever waits longest.
    pub(crate) fn made(&mut self, making: Making, item: I) -> (Wakes, Option<I>) {
        self.end_of(making);
        self.counts.created += 1;
        (self.failures, self.pause_until) = (0, None);
        let (wake, item) = self.put(item);
        let mut wakes = Wakes::default();
        wakes.add(wake.into_iter().chain(self.call_next()));
        (wakes, item)
    }

    /// It was not made: whoever asked for it is told. Gives the failure out
    /// again if nobody is there to hear it.
    pub(crate) fn failed(
        &mut self,
        making: Making,
        failure: F,
        now: Instant,
    ) -> (Wakes, Option<F>) {
        let asker = self.end_of(making);
        self.counts.create_failed += 1;
        self.pause(making, now);
        let asker = asker.and_then(|index| self.line.remove(index));
        let mut wakes = self.vacate(making.slot);
        let Some(waiter) = asker else { return (wakes, Some(failure)) };
        self.granted.insert(waiter.ticket, Granted::Failed(failure));
        wakes.add(waiter.wake);
        (wakes, None)
    }

    /// Whoever made it went away in the middle, with its runtime for instance.
    /// Who asked for it is one of those who may try again, after a pause.
    pub(crate) fn abandoned(&mut self, making: Making, now: Instant) -> Wakes {
        self.counts.create_failed += 1;
        self.pause(making, now);
        self.withdrawn(making)
    }

    /// It could not even begin, which says nothing about what is made.
    pub(crate) fn withdrawn(&mut self, making: Making) -> Wakes {
        self.end_of(making);
        self.vacate(making.slot)
    }

    /// Nothing is made for a while, so that a queue of waiters does not become
    /// a storm of creations against what is down.
    fn pause(&mut self, making: Making, now: Instant) {
        if making.round == self.failures {
            // After 16 of them, the pause is at its longest for certain.
            let pause = FIRST_PAUSE * (1 << self.failures.min(16));
            self.pause_until = Some(now + pause.min(self.longest_pause));
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// Where in the line the one stands who asked for what is made no longer.
    fn end_of(&mut self, making: Making) -> Option<usize> {
        self.creating -= 1;
        let index = making.ticket.and_then(|ticket| self.place_of(ticket))?;
        self.line[index].is_making = false;
        Some(index)
    }

    /// Nobody gets anything from now on. Gives out what is idle, to destroy.
    /// Who was handed one and has not looked yet keeps it.
    pub(crate) fn close(&mut self) -> (Wakes, Vec<I>) {
        self.is_closed = true;
        let mut wakes = Wakes::default();
        wakes.add(self.line.drain(..).filter_map(|waiter| waiter.wake));
        (wakes, std::mem::take(&mut self.idle))
    }

    /// Someone waits for the closed pool to be empty.
    pub(crate) fn enter_drainers(&mut self) -> u64 {
        self.serials.next()
    }

    /// Whether it is empty; else that one is called once something came back.
    /// What is left of its calls is in `wake` then, to be dropped.
    pub(crate) fn is_drained(&mut self, drainer: u64, wake: &mut Option<Wake>) -> bool {
        let is_drained = self.size() == 0;
        if !is_drained && let Some(new) = wake.take() {
            *wake = self.drainers.insert(drainer, new);
        }
        is_drained
    }

    /// It waits no longer.
    pub(crate) fn leave_drainers(&mut self, drainer: u64) -> Option<Wake> {
        self.drainers.remove(&drainer)
    }

    /// Takes those idle resources out that `is_wanted` says, the coldest
    /// first, as if they were in use.
    pub(crate) fn take_idle(&mut self, mut is_wanted: impl FnMut(&I) -> bool) -> Vec<I> {
        let taken: Vec<I> = self.idle.extract_if(.., |item| is_wanted(item)).collect();
        for item in &taken {
            self.slots[item.slot()].enter(Phase::Checking);
        }
        taken
    }

    /// How many exist or are being made.
    pub(crate) fn size(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    pub(crate) fn idle(&self) -> &[I] {
        &self.idle
    }

    pub(crate) fn creating(&self) -> usize {
        self.creating
    }

    pub(crate) fn waiting(&self) -> usize {
        self.line.len()
    }

    pub(crate) fn failures_in_a_row(&self) -> u32 {
        self.failures
    }

    /// Whether what comes back stays idle.
    #[inline]
    pub(crate) fn wants_none(&self) -> bool {
        !self.is_closed && self.line.is_empty()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether a creation may begin, as far as those that failed go.
    pub(crate) fn is_pausing(&self, now: Instant) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }

    /// Counts the time of those, too, who were handed one and have not looked.
    pub(crate) fn note_unseen(&mut self, now: Instant) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_in_use()) {
            slot.since.get_or_insert(now);
        }
    }

    /// Who holds one for the longest time.
    pub(crate) fn longest_held(&self) -> Option<&Slot> {
        self.slots.iter().filter(|slot| slot.is_in_use()).min_by_key(|slot| slot.mark.serial())
    }
}
