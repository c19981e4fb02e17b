use std::task::Waker;
use std::thread::Thread;

/// The most limits that one acquire can ask: requests and tokens, each by
/// minute, day and month, and two kinds of slots.
pub(crate) const MOST_LIMITS: usize = 8;

/// What a call costs, in the order of the line's limits.
pub(crate) type Costs = [u64; MOST_LIMITS];

/// What a caller who says nothing is charged: one of each.
pub(crate) const USUAL: Costs = [1; MOST_LIMITS];

/// When a call was charged, and as which one: what it takes to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) at: u64,
    pub(crate) charge: u64,
}

/// Whether a call may give something back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Nothing,
    /// It gets a reservation or a permit, which ends once.
    Something,
}

/// Someone who stands in line.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) costs: Costs,
    /// When it goes away, on the line's clock.
    pub(crate) deadline: u64,
    /// When its turn was reckoned to come.
    pub(crate) expected: u64,
    /// When it will look at the latest: as it was told, or now if it was woken.
    pub(crate) look: u64,
    /// How often it looked since it was woken.
    pub(crate) looks: u32,
    pub(crate) wake: Option<Wake>,
}

impl Waiter {
    /// The clock was set back by `by`.
    pub(crate) const fn shift_back(&mut self, by: u64) {
        self.deadline = self.deadline.saturating_sub(by);
        self.expected = self.expected.saturating_sub(by);
        self.look = self.look.saturating_sub(by);
    }
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
