//! The seam to time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// The seam for reading time, and for letting it pass on the blocking side.
///
/// Only differences count. A clock that leaps forward fills the buckets; one
/// that is set back makes callers wait for one full burst at most, never for
/// the time that it was set back.
pub trait Clock: Send + Sync {
    /// Nanoseconds since a point that stays the same for this clock.
    fn now(&self) -> u64;

    /// Whether it goes by itself and at the system's pace, so that a timer of
    /// the system may be used where tokio's is too coarse.
    fn is_real(&self) -> bool {
        false
    }

    /// Blocks the calling thread until it is unparked, or `at_most` has
    /// passed; it may return earlier.
    fn park(&self, at_most: Duration) {
        thread::park_timeout(at_most);
    }
}

/// The monotonic clock of the system, read through the processor's counter
/// where that is stable: the default. A wall clock that jumps does not move
/// it.
///
/// Reading it takes less than half as long as `Instant::now`, and is nearly
/// all that a grant costs.
#[derive(Debug, Clone)]
pub struct MonotonicClock(quanta::Clock);

impl MonotonicClock {
    /// The clock of this process. The first one measures the processor's
    /// counter, which takes some milliseconds.
    #[must_use]
    pub fn new() -> Self {
        Self(quanta::Clock::new())
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> u64 {
        self.0.delta_as_nanos(0, self.0.raw())
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// The clock of tokio's runtime: for tests under a paused clock, where timers
/// move it.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock(tokio::time::Instant);

impl TokioClock {
    /// A clock that starts now. To follow a paused clock, call it inside the
    /// runtime.
    #[must_use]
    pub fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> u64 {
        nanos(self.0.elapsed())
    }
}

/// Time for tests, moved by hand. On the blocking side a wait does not wait
/// but moves it.
///
/// Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::{ManualClock, RateLimiter};
///
/// let clock = ManualClock::new();
/// let limiter = RateLimiter::per_minute(60).with_burst(1).with_clock(clock.clone()).build()?;
/// limiter.try_acquire()?;
/// assert_eq!(limiter.available(), 0);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(limiter.available(), 1);
/// # Ok::<(), lyra_ratelimit::RateLimitError>(())
/// ```
#[derive(Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.shift(|now| now.saturating_add(nanos(by)));
    }

    /// Moves it back, as no monotonic clock should; at its start it stops.
    pub fn set_back(&self, by: Duration) {
        self.shift(|now| now.saturating_sub(nanos(by)));
    }

    fn shift(&self, to: impl Fn(u64) -> u64) {
        let shifted = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(to(now)));
        debug_assert!(shifted.is_ok(), "the closure always gives a time");
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn park(&self, at_most: Duration) {
        self.advance(at_most);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&Duration::from_nanos(self.now())).finish()
    }
}

/// A duration in nanoseconds; what does not fit is as long as can be.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
