//! The gate before the value: one number that says who is in, and a line of
//! those who wait.
//!
//! Whoever comes while nobody waits enters by changing the number. Otherwise
//! it joins the line, and from then on the gate is closed: only the line lets
//! in, by changing the number on behalf of the one that is next, and calling
//! it. So a waiter never competes with anybody. It either stands in the line
//! or is in, and changes from the one to the other under the line's mutex;
//! one that gives up finds out which, and leaves the line or leaves the lock.
//!
//! No call is lost. Leaving is one change of the number. If it comes before
//! the bit that closes the gate, whoever set that bit looks after it, and sees
//! that the other has left; if it comes after, the one that leaves sees the
//! bit, and looks itself.

use std::time::Duration;

use lyra_errors::Location;

use super::access::{Access, LINE, is_upgradable, is_writing, readers};
use super::line::Line;
use super::status::AsyncRwLockStatus;
use crate::atomics::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::holder::{Holder, HolderNote, this_thread};
use crate::name::Name;
use crate::order::OrderMark;
use crate::wake::{Wake, Wakes, discard};

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) name: Name,
    pub(super) order: OrderMark,
    pub(super) had_panic: AtomicBool,
    /// Who came last, until it leaves.
    pub(super) note: HolderNote,
    word: AtomicUsize,
    line: Mutex<Line>,
}

impl Gate {
    /// An empty one, of a word that is zero and an empty line: loom's are not
    /// made in a constant.
    pub(super) const fn of(
        name: Name,
        had_panic: AtomicBool,
        word: AtomicUsize,
        line: Mutex<Line>,
    ) -> Self {
        Self { name, order: OrderMark::new(), had_panic, note: HolderNote::new(), word, line }
    }

    /// Enters if it can, and nobody waits; whoever calls this would wait, if
    /// it has time.
    #[inline]
    pub(super) fn enter_now(&self, access: Access, timeout: Duration, location: Location) -> bool {
        if !timeout.is_zero() {
            self.order.ask(&self.name, location);
        }
        self.try_enter(access, location)
    }

    /// Enters if it can, and nobody waits.
    #[inline]
    pub(super) fn try_enter(&self, access: Access, location: Location) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // Who is in already overtakes nobody by upgrading.
            if word & LINE != 0 && access != Access::Upgrade {
                return false;
            }
            let Some(entered) = access.entered(word) else { return false };
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            match self.word.compare_exchange_weak(word, entered, success, failure) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & LINE != 0 {
            self.line.lock().one_more_writer();
        }
        self.note.set(location);
        true
    }

    #[inline]
    pub(super) fn leave(&self, access: Access) {
        let before = self.word.fetch_sub(access.weight(), Ordering::AcqRel);
        if !access.leaves_unnoticed(before) {
            self.call();
        }
    }

    /// From writing or reading upgradably to less.
    pub(super) fn lower(&self, from: Access, to: Access) {
        let change = to.weight().wrapping_sub(from.weight());
        if self.word.fetch_add(change, Ordering::AcqRel) & LINE != 0 {
            self.call();
        }
    }

    /// Joins the line; gives the ticket.
    pub(super) fn join(&self, access: Access, location: Location) -> u64 {
        let mut line = self.line.lock();
        let word = self.word.fetch_or(LINE, Ordering::AcqRel);
        let ticket = line.join(access, this_thread(), location, word);
        drop(self.let_in(line));
        ticket
    }

    /// Whether the one with this ticket is in; if not, it will be called so.
    pub(super) fn is_in(&self, ticket: u64, access: Access, wake: Wake) -> bool {
        let mut line = self.line.lock();
        let Some(waiter) = line.find(ticket, access) else { return true };
        let old = match &waiter.wake {
            Some(known) if known.is_same(&wake) => Some(wake),
            _ => waiter.wake.replace(wake),
        };
        // To drop a waker can drop a task with a guard of this very lock.
        drop(line);
        discard(old);
        false
    }

    /// Whether the one with this ticket waits to read, and for a writer that
    /// waits itself. For one that reads already that does not change until it
    /// or the writer gives up, so it may be asked after it joined.
    pub(super) fn is_behind_a_writer(&self, ticket: u64, access: Access) -> bool {
        let mut line = self.line.lock();
        !self.is_writing() && line.is_behind_a_writer(ticket, access)
    }

    pub(super) fn is_writing(&self) -> bool {
        is_writing(self.word.load(Ordering::Relaxed))
    }

    /// Leaves the line; false if it is in by now.
    pub(super) fn give_up(&self, ticket: u64, access: Access) -> bool {
        let mut line = self.line.lock();
        let gone = line.remove(ticket, access);
        let wakes = self.let_in(line);
        drop(wakes);
        gone.is_some()
    }

    /// Who is in, if anybody is, and is known.
    pub(super) fn holder(&self) -> Option<Holder> {
        self.holders().0
    }

    /// Who is in; or how many are, where nobody is known.
    pub(super) fn holders(&self) -> (Option<Holder>, usize) {
        match (self.count(), self.note.read()) {
            (0, _) => (None, 0),
            (count, Some(holder)) => (Some(holder.with_others(count - 1)), 0),
            (count, None) => (None, count),
        }
    }

    /// How many are in.
    #[inline]
    pub(super) fn count(&self) -> usize {
        let word = self.word.load(Ordering::Relaxed);
        readers(word) + usize::from(is_writing(word) || is_upgradable(word))
    }

    pub(super) fn is_held(&self) -> bool {
        self.word.load(Ordering::Relaxed) & !LINE != 0
    }

    pub(super) fn status(&self) -> AsyncRwLockStatus {
        let line = self.line.lock();
        let word = self.word.load(Ordering::Relaxed);
        let (waiting_readers, waiting_writers) = (line.waiting_readers(), line.waiting_writers());
        drop(line);
        AsyncRwLockStatus {
            readers: readers(word) + usize::from(is_upgradable(word)),
            is_writing: is_writing(word),
            waiting_readers,
            waiting_writers,
            holder: self.holder(),
            had_panic: self.had_panic.load(Ordering::Relaxed),
        }
    }

    #[cold]
    fn call(&self) {
        drop(self.let_in(self.line.lock()));
    }

    /// Lets in whoever can enter now, in order, and gives their calls.
    fn let_in(&self, mut line: MutexGuard<'_, Line>) -> Wakes {
        let mut wakes = Wakes::default();
        let mut word = self.word.load(Ordering::Acquire);
        while let Some((next, entered)) = line.next(word) {
            // Others leave meanwhile, and then more may be possible.
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self.word.compare_exchange_weak(word, entered, success, failure) {
                Err(now) => word = now,
                Ok(_) => {
                    word = entered;
                    if let Some(waiter) = line.take(next) {
                        self.note.set_for(waiter.thread, waiter.location);
                        wakes.add(waiter.wake);
                    }
                }
            }
        }
        if line.is_empty() {
            self.word.fetch_and(!LINE, Ordering::AcqRel);
        }
        wakes
    }
}
