//! Those who wait, and who of them is next. It knows no atomics, no clock and
//! no tasks.

use std::collections::VecDeque;

use lyra_errors::Location;

use super::access::{Access, is_writing};
use crate::wake::Wake;

/// So many writers go in a row while readers wait; then all of these go. One
/// less than eight: behind eight that come again and again, a reader waits for
/// less time than with a lock that serves all in turn.
const WRITERS_IN_A_ROW: u32 = 7;

/// Someone who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) ticket: u64,
    pub(super) access: Access,
    /// The thread that asked, and where.
    pub(super) thread: u64,
    pub(super) location: Location,
    pub(super) wake: Option<Wake>,
}

/// Tickets rise along each queue, so that a waiter is found by halving.
#[derive(Debug)]
pub(super) struct Line {
    tickets: u64,
    /// Whoever reads upgradably now, and waits for the readers to leave.
    upgrade: Option<Waiter>,
    /// Those who want to write, now or perhaps later.
    writers: VecDeque<Waiter>,
    readers: VecDeque<Waiter>,
    /// How many of `writers` want to write now.
    writes: usize,
    /// How many writers went since the first of `readers` came.
    in_a_row: u32,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self {
            tickets: 0,
            upgrade: None,
            writers: VecDeque::new(),
            readers: VecDeque::new(),
            writes: 0,
            in_a_row: 0,
        }
    }

    /// Joins; gives the ticket. `word` tells who is in.
    pub(super) fn join(
        &mut self,
        access: Access,
        thread: u64,
        location: Location,
        word: usize,
    ) -> u64 {
        self.tickets += 1;
        let waiter = Waiter { ticket: self.tickets, access, thread, location, wake: None };
        match access {
            Access::Read => {
                if self.readers.is_empty() {
                    // Whoever writes now is the first of the row.
                    self.in_a_row = u32::from(is_writing(word));
                }
                self.readers.push_back(waiter);
            }
            Access::Upgradable => self.writers.push_back(waiter),
            Access::Write => {
                self.writes += 1;
                self.writers.push_back(waiter);
            }
            Access::Upgrade => self.upgrade = Some(waiter),
        }
        self.tickets
    }

    /// Who is next, if it can enter now; and the word once it is in.
    pub(super) fn next(&self, word: usize) -> Option<(Access, usize)> {
        // It holds up everybody while it waits, and is in already.
        let next = if self.upgrade.is_some() {
            Access::Upgrade
        } else if self.is_readers_turn() {
            Access::Read
        } else {
            self.writers.front()?.access
        };
        Some((next, next.entered(word)?))
    }

    /// Takes out the one that [`next`](Self::next) named, which is in now.
    pub(super) fn take(&mut self, next: Access) -> Option<Waiter> {
        match next {
            Access::Upgrade => {
                self.one_more_writer();
                self.upgrade.take()
            }
            // Once it is their turn, all of them go: to let in one does not
            // end it, and nothing keeps the next one out.
            Access::Read => self.readers.pop_front(),
            Access::Upgradable | Access::Write => {
                self.one_more_writer();
                self.writes -= usize::from(next == Access::Write);
                self.writers.pop_front()
            }
        }
    }

    /// A writer goes, and readers may be waiting.
    pub(super) fn one_more_writer(&mut self) {
        if !self.readers.is_empty() {
            self.in_a_row += 1;
        }
    }

    /// The one with this ticket, if it still waits.
    pub(super) fn find(&mut self, ticket: u64, access: Access) -> Option<&mut Waiter> {
        match access {
            Access::Upgrade => self.upgrade.as_mut().filter(|waiter| waiter.ticket == ticket),
            _ => {
                let index = self.index(ticket, access)?;
                self.queue(access).get_mut(index)
            }
        }
    }

    /// Takes out the one with this ticket, if it still waits.
    pub(super) fn remove(&mut self, ticket: u64, access: Access) -> Option<Waiter> {
        if access == Access::Upgrade {
            return self.upgrade.take_if(|waiter| waiter.ticket == ticket);
        }
        let index = self.index(ticket, access)?;
        self.writes -= usize::from(access == Access::Write);
        self.queue(access).remove(index)
    }

    /// Whether the one with this ticket waits to read, and somebody who wants
    /// to write goes before it.
    pub(super) fn is_behind_a_writer(&mut self, ticket: u64, access: Access) -> bool {
        let Some(index) = self.index(ticket, access) else { return false };
        let mut before = self.writers.iter().take(index);
        let is_behind_a_write = match access {
            // Any writer goes first, unless readers are owed their turn; then
            // none of them waits.
            Access::Read => self.writes > 0,
            Access::Upgradable => before.any(|waiter| waiter.access == Access::Write),
            Access::Write | Access::Upgrade => return false,
        };
        is_behind_a_write || self.upgrade.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting_readers() + self.waiting_writers() == 0
    }

    pub(super) fn waiting_readers(&self) -> usize {
        self.readers.len()
    }

    pub(super) fn waiting_writers(&self) -> usize {
        self.writers.len() + usize::from(self.upgrade.is_some())
    }

    fn is_readers_turn(&self) -> bool {
        let is_owed = self.writes == 0 || self.in_a_row >= WRITERS_IN_A_ROW;
        is_owed && !self.readers.is_empty()
    }

    fn queue(&mut self, access: Access) -> &mut VecDeque<Waiter> {
        match access {
            Access::Read => &mut self.readers,
            _ => &mut self.writers,
        }
    }

    fn index(&mut self, ticket: u64, access: Access) -> Option<usize> {
        self.queue(access).binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}
