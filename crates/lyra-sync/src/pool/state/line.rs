//! The line of those who wait, and what each may do when it looks.

use tokio::time::Instant;

use super::{Granted, InSlot, Making, State};
use crate::holder::this_thread;
use crate::pool::slot::Note;
use crate::wake::{Wake, Wakes};

/// Someone who stands in line.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: u64,
    /// A resource is being made because this one asked for it.
    pub(crate) is_making: bool,
    pub(crate) wake: Option<Wake>,
    /// Who it is, for whoever asks after the holder of what it is handed.
    pub(crate) thread: u64,
    pub(crate) note: Note,
}

/// What a waiter does next.
#[derive(Debug)]
pub(crate) enum Turn<I, F> {
    Take(I),
    Failed(F),
    Closed,
    TimedOut,
    /// Make one; it will go to whoever waits longest then. If there is room for
    /// more, the next who waits is called to make one, too.
    Make(Making, Option<Wake>),
    /// Look again when woken, or at that time if there is one.
    Wait(Option<Instant>),
}

impl<I: InSlot, F> State<I, F> {
    /// Takes what is idle, or else stands in line, in the order of the tickets.
    /// In a closed pool there is no line.
    pub(crate) fn take_or_enter(&mut self, ticket: u64, note: Note) -> Option<I> {
        let item = self.take(&mut Some(ticket), note);
        if item.is_none() && !self.is_closed() {
            let index = self.line.partition_point(|waiter| waiter.ticket < ticket);
            let thread = this_thread();
            let waiter = Waiter { ticket, is_making: false, wake: None, thread, note };
            self.line.insert(index, waiter);
        }
        item
    }

    /// What the waiter does now. It is not left with an answer that it did not
    /// hear: until it is served it stays in line. What is left in `wake` is to
    /// be dropped when the lock is free.
    pub(crate) fn turn(
        &mut self,
        ticket: u64,
        note: Note,
        now: Instant,
        time_is_up: bool,
        wake: &mut Option<Wake>,
    ) -> Turn<I, F> {
        match self.granted.remove(&ticket) {
            Some(Granted::Resource(item)) => {
                self.slots[item.slot()].hold(ticket, note);
                return Turn::Take(item);
            }
            Some(Granted::Failed(failure)) => return Turn::Failed(failure),
            None => {}
        }
        let Some(index) = self.place_of(ticket) else { return Turn::Closed };
        if time_is_up {
            self.counts.timed_out += 1;
            return Turn::TimedOut;
        }
        let mut again_at = None;
        if self.lacks_one() && !self.line[index].is_making {
            if !self.is_pausing(now)
                && let Some(making) = self.begin(Some(ticket))
            {
                self.line[index].is_making = true;
                return Turn::Make(making, self.call_next());
            }
            again_at = self.pause_until;
        }
        std::mem::swap(&mut self.line[index].wake, wake);
        Turn::Wait(again_at)
    }

    /// Goes out of the line. Gives out what it was given and did not take.
    pub(crate) fn leave(&mut self, ticket: u64) -> (Wakes, Option<Granted<I, F>>) {
        let mut wakes = Wakes::default();
        if let Some(granted) = self.granted.remove(&ticket) {
            return (wakes, Some(granted));
        }
        if let Some(index) = self.place_of(ticket) {
            wakes.discard(self.line.remove(index).and_then(|waiter| waiter.wake));
        }
        // It may have been the one that was called to make the next.
        wakes.add(self.call_next());
        (wakes, None)
    }

    /// Calls one who can make a resource for the line, if that makes sense.
    pub(super) fn call_next(&mut self) -> Option<Wake> {
        if !self.lacks_one() {
            return None;
        }
        // One that was called already and does not look is passed over.
        let able = |waiter: &&mut Waiter| !waiter.is_making && waiter.wake.is_some();
        self.line.iter_mut().find(able).and_then(|waiter| waiter.wake.take())
    }

    pub(super) fn place_of(&self, ticket: u64) -> Option<usize> {
        self.line.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }

    /// Whether more wait than will be served by what is being made, and there
    /// is room for more.
    fn lacks_one(&self) -> bool {
        self.creating() < self.line.len() && self.size() < self.max_size
    }
}
