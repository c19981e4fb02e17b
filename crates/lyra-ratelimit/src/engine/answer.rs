use std::time::Duration;

use crate::status::LimitStatus;

/// What became of a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken<G> {
    /// Taken from all limits; the grant is what settles it.
    Granted(G),
    /// Nothing was taken.
    Denied(Denial),
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The tokens are not there.
    NotYet(Wait),
    /// The cost is above what this limit ever holds.
    TooLarge {
        /// Which limit, in the order of the names.
        limit: usize,
        /// The most that it can grant at once.
        most: u64,
    },
}

/// How long until a take would be granted.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::engine::Wait;
///
/// let second = Duration::from_secs(1);
/// assert!(Wait::exactly(second).is_exact());
/// let lump = Wait::at_least(second * 2).looking_again_in(second * 3);
/// assert_eq!((lump.least(), lump.look_again(), lump.is_exact()), (second * 2, second * 3, false));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Wait {
    least: Duration,
    look_again: Duration,
    is_exact: bool,
}

/// How the limits of an engine stand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Standing {
    /// One for each limit, in the order of the names.
    pub limits: Vec<LimitStatus>,
    /// For how long nothing is granted because a service asked for it.
    pub held_for: Duration,
}

impl Wait {
    /// This long, if nobody else takes anything.
    pub const fn exactly(wait: Duration) -> Self {
        Self { least: wait, look_again: wait, is_exact: true }
    }

    /// Not less than this. Callers are refused by it if their timeout is
    /// shorter, so it must be sure.
    pub const fn at_least(wait: Duration) -> Self {
        Self { least: wait, look_again: wait, is_exact: false }
    }

    /// It makes sense to ask again after this time: later than the wait at
    /// least, where it is probably longer, or sooner, where others who share
    /// the engine may give back or change a quota.
    pub const fn looking_again_in(mut self, look_again: Duration) -> Self {
        self.look_again = look_again;
        self
    }

    /// The wait, or its lower bound.
    #[must_use]
    pub const fn least(&self) -> Duration {
        self.least
    }

    /// When to ask again.
    #[must_use]
    pub const fn look_again(&self) -> Duration {
        self.look_again
    }

    /// Whether it is more than a bound.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.is_exact
    }
}
