//! The seams to time: reading it, and letting it pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The seam for reading time. Only differences count, and a clock that goes
/// backwards is read as one that stands still.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Instant;
}

/// The monotonic clock of the system: the default.
///
/// With the feature `tokio` it is read through tokio, which is the same
/// number, except on a runtime whose clock is paused for a test.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        #[cfg(feature = "tokio")]
        return tokio::time::Instant::now().into_std();
        #[cfg(not(feature = "tokio"))]
        return Instant::now();
    }
}

/// The seam for waiting on the blocking side. The async side waits on tokio's
/// timer, which a test can pause.
pub trait Sleeper: Send + Sync {
    /// Blocks the calling thread for `wait`.
    fn sleep(&self, wait: Duration);
}

/// Blocks the thread: the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadSleeper;

impl Sleeper for ThreadSleeper {
    fn sleep(&self, wait: Duration) {
        std::thread::sleep(wait);
    }
}

/// Time for tests, moved by hand: a [`Clock`], and a [`Sleeper`] that does not
/// wait but advances the clock and remembers by how much.
///
/// Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use lyra_retry::{Clock, ManualClock, Sleeper};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.sleep(Duration::from_secs(3));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now() - before, Duration::from_secs(4));
/// assert_eq!(clock.slept(), [Duration::from_secs(3)]);
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug)]
struct Manual {
    now: Instant,
    slept: Vec<Duration>,
    reads: usize,
}

impl ManualClock {
    /// A clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Manual { now: Instant::now(), slept: Vec::new(), reads: 0 })))
    }

    /// Moves the clock forward; beyond what the system can express, it stays.
    pub fn advance(&self, by: Duration) {
        self.lock().advance(by);
    }

    /// Moves the clock back, as no monotonic clock should.
    pub fn set_back(&self, by: Duration) {
        let mut manual = self.lock();
        manual.now = manual.now.checked_sub(by).unwrap_or(manual.now);
    }

    /// Every wait so far.
    #[must_use]
    pub fn slept(&self) -> Vec<Duration> {
        self.lock().slept.clone()
    }

    /// How often the clock was read.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.lock().reads
    }

    fn lock(&self) -> MutexGuard<'_, Manual> {
        // Nothing panics while it is held, and each state is a valid time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manual {
    fn advance(&mut self, by: Duration) {
        self.now = self.now.checked_add(by).unwrap_or(self.now);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let mut manual = self.lock();
        manual.reads += 1;
        manual.now
    }
}

impl Sleeper for ManualClock {
    fn sleep(&self, wait: Duration) {
        let mut manual = self.lock();
        manual.slept.push(wait);
        manual.advance(wait);
    }
}
