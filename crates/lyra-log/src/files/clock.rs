//! The seam to time.

use std::fmt;
use std::time::{Instant, SystemTime};

/// Tells how much time has passed, and what time it is.
pub(crate) trait Clock: fmt::Debug + Send + Sync {
    /// For waits; never goes back.
    fn now(&self) -> Instant;
    /// For people.
    fn time_of_day(&self) -> SystemTime;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn time_of_day(&self) -> SystemTime {
        SystemTime::now()
    }
}
