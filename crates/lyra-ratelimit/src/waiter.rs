use std::task::Waker;
use std::thread::Thread;

/// The most limits that one acquire can ask: requests and tokens, each by
/// minute, day and month, and two kinds of slots.
pub(crate) const MOST_LIMITS: usize = 8;

/// What a call costs, in the order of the line's limits.
pub(crate) type Costs = [u64; MOST_LIMITS];

/// What a caller who says nothing is charged: one of each.
pub(crate) const USUAL: Costs = [1; MOST_LIMITS];

/// Someone who stands in line.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: u64,
    pub(crate) costs: Costs,
    /// When it goes away, on the line's clock.
    pub(crate) deadline: u64,
    /// When its turn was reckoned to come.
    pub(crate) expected: u64,
    /// When it was told last that it is first, or looked itself.
    pub(crate) called: u64,
    /// Its turn came, and it did not look: others go before it until it does.
    pub(crate) is_silent: bool,
    pub(crate) wake: Option<Wake>,
}

/// How to tell a waiter that something changed.
#[derive(Debug)]
pub(crate) enum Wake {
    Task(Waker),
    Thread(Thread),
}

impl Wake {
    pub(crate) fn wake(self) {
        match self {
            Self::Task(waker) => waker.wake(),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}
