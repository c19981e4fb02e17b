//! Who may ask the engine: the first in line. The engine decides and tells the
//! wait, so nobody here needs to know what is left of a limit.
//!
//! The line of the limiters in this process can't serve: it reckons with
//! meters under one lock, and here every look at them is a journey. tokio's
//! fair semaphore can't either: it hands its permit to a future that nobody
//! polls, and everyone waits for that one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{self, Instant};

use crate::waiter::{Costs, MOST_LIMITS};

/// How long one may stay silent after it should have looked. Then the next in
/// line goes first; as in the line of this process.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Line(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Waiter>,
    next_ticket: u64,
    /// How often something changed that moves everybody's turn.
    changes: u64,
    /// How many takes were begun.
    asked: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    costs: Costs,
    /// When it is going to look again by itself.
    due: Instant,
    is_silent: bool,
    /// A take of it is on its way; it may count already, or not yet.
    is_asking: bool,
    /// It was told to look, and did not yet.
    is_called: bool,
    waker: Option<Waker>,
}

/// A place in line; dropped, it is left.
#[derive(Debug)]
pub(super) struct Place<'a> {
    line: &'a Line,
    ticket: u64,
}

/// What one in line sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// It may ask.
    First,
    /// Others are before it; one of them may be silent at `until`.
    Behind { until: Instant, changes: u64 },
}

/// Those before one in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    pub(super) costs: Costs,
    pub(super) waiting: usize,
    asked: u64,
}

impl Line {
    pub(super) fn join(&self, costs: &Costs) -> Place<'_> {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.push_back(Waiter {
            ticket,
            costs: *costs,
            due: Instant::now(),
            is_silent: false,
            is_asking: false,
            is_called: false,
            waker: None,
        });
        Place { line: self, ticket }
    }

    /// Those who stand in line now.
    pub(super) fn all(&self) -> Ahead {
        let mut state = self.lock();
        let end = state.queue.len();
        state.find_silent(end);
        state.ahead(end)
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    /// Whether a take was begun since `ahead` was seen. Then what one of them
    /// took may be counted twice in a wait behind them.
    pub(super) fn moved_since(&self, ahead: &Ahead) -> bool {
        self.lock().asked != ahead.asked
    }

    /// A take that stands in no line.
    pub(super) fn asks_beside(&self) {
        self.lock().asked += 1;
    }

    /// Tokens came back: the first one may go sooner.
    pub(super) fn call_first(&self) {
        let wakers = self.lock().call_first();
        wake(wakers);
    }

    /// All turns moved: everyone looks again.
    pub(super) fn call_all(&self) {
        let mut state = self.lock();
        state.changes += 1;
        let wakers: Vec<_> = state.queue.iter_mut().filter_map(Waiter::call).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under it, and each state between is valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Looks who is first. Whoever was silent is back in its place.
    pub(super) fn look(&self) -> View {
        let now = Instant::now();
        let mut state = self.line.lock();
        let Some(index) = state.index_of(self.ticket) else { return View::First };
        state.queue[index].is_silent = false;
        state.queue[index].is_called = false;
        state.queue[index].due = now;
        state.find_silent(index);
        match state.first() {
            Some(first) if first < index => {
                // The further back, the longer it leaves this to the others.
                let place = u32::try_from(index.min(10)).unwrap_or(10);
                let until = state.queue[first].due.max(now) + GRACE * (1 << place);
                View::Behind { until, changes: state.changes }
            }
            _ => View::First,
        }
    }

    pub(super) fn ahead(&self) -> Ahead {
        let state = self.line.lock();
        let index = state.index_of(self.ticket).unwrap_or(state.queue.len());
        state.ahead(index)
    }

    /// A take begins that is answered or given up at `until`.
    pub(super) fn asks(&self, until: Instant) {
        self.line.asks_beside();
        self.set(until, true);
    }

    /// A look ahead begins that is answered or given up at `until`.
    pub(super) fn looks_ahead(&self, until: Instant) {
        self.set(until, false);
    }

    pub(super) fn was_answered(&self) {
        self.set(Instant::now(), false);
    }

    /// Sleeps until `until`, or until it is called.
    pub(super) async fn rest(&self, until: Instant) {
        let mut sleep = pin!(time::sleep_until(until));
        poll_fn(|context| {
            let mut state = self.line.lock();
            let Some(index) = state.index_of(self.ticket) else { return Poll::Ready(()) };
            let waiter = &mut state.queue[index];
            if std::mem::take(&mut waiter.is_called) {
                return Poll::Ready(());
            }
            waiter.due = until;
            waiter.waker = Some(context.waker().clone());
            drop(state);
            sleep.as_mut().poll(context)
        })
        .await;
    }

    fn set(&self, due: Instant, is_asking: bool) {
        let mut state = self.line.lock();
        if let Some(index) = state.index_of(self.ticket) {
            state.queue[index].due = due;
            state.queue[index].is_asking = is_asking;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        let first = state.first();
        let Some(index) = state.index_of(self.ticket) else { return };
        let left = state.queue.remove(index);
        let next = if first == Some(index) { state.call_first() } else { [None, None] };
        drop(state);
        drop(left); // its waker may do anything, also come back here
        wake(next);
    }
}

impl State {
    fn index_of(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }

    fn first(&self) -> Option<usize> {
        self.queue.iter().position(|waiter| !waiter.is_silent)
    }

    /// Passes over those before `end` who should have looked, and did not.
    fn find_silent(&mut self, end: usize) {
        let now = Instant::now();
        for waiter in self.queue.iter_mut().take(end) {
            waiter.is_silent |= now >= waiter.due + GRACE;
        }
    }

    fn ahead(&self, end: usize) -> Ahead {
        let mut ahead = Ahead { costs: [0; MOST_LIMITS], waiting: 0, asked: self.asked };
        for waiter in self.queue.iter().take(end).filter(|waiter| !waiter.is_silent) {
            ahead.waiting += 1;
            // What is on its way may be taken already: a wait must not count
            // it twice, so it is left out.
            if !waiter.is_asking {
                for (sum, cost) in ahead.costs.iter_mut().zip(waiter.costs) {
                    *sum = sum.saturating_add(cost);
                }
            }
        }
        ahead
    }

    /// Calls the first one, and the one behind it to see whether it comes: it
    /// had reckoned with a later turn.
    fn call_first(&mut self) -> [Option<Waker>; 2] {
        let mut waiting = self.queue.iter_mut().filter(|waiter| !waiter.is_silent);
        let first = waiting.next().and_then(Waiter::call);
        let second = waiting.next().and_then(Waiter::call);
        [first, second]
    }
}

impl Waiter {
    fn call(&mut self) -> Option<Waker> {
        self.is_called = true;
        // From now on it is expected to look.
        self.due = self.due.min(Instant::now());
        self.waker.take()
    }
}

fn wake(wakers: [Option<Waker>; 2]) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}
