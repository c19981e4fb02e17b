mod builder;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lyra_errors::{Classify, Code, Error, ErrorKind, Recovery};

use crate::clock::{Clock, SystemClock};
use crate::codes;
use state::{Machine, Ticket, Trip};

pub use builder::CircuitBreakerBuilder;

/// Keeps calls away from a service that fails, until trial calls show that it
/// is back. Clones share one state.
///
/// **Closed**, it lets every call through and counts failures. When they
/// reach the threshold it **opens**: calls are refused at once. After a while
/// it is **half-open** and lets a few trial calls through: if all succeed it
/// closes, at the first failure it opens again. By hand it can be
/// [isolated](Self::isolate) and [closed](Self::close).
///
/// A policy takes one with `with_breaker`; it can also be used alone:
///
/// ```
/// use std::time::Duration;
/// use lyra_retry::{CircuitBreaker, CircuitState, ManualClock};
///
/// let clock = ManualClock::new();
/// let breaker = CircuitBreaker::consecutive(2)
///     .with_open_for(Duration::from_secs(30))
///     .with_clock(clock.clone())
///     .build()?;
/// breaker.try_acquire().unwrap().failure();
/// breaker.try_acquire().unwrap().failure();
/// let open = breaker.try_acquire().unwrap_err();
/// assert_eq!(open.retry_after(), Some(Duration::from_secs(30)));
///
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(breaker.state(), CircuitState::HalfOpen);
/// breaker.try_acquire().unwrap().success();
/// assert_eq!(breaker.state(), CircuitState::Closed);
/// # Ok::<(), lyra_retry::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct CircuitBreaker(Arc<Shared>);

struct Shared {
    name: Option<Arc<str>>,
    clock: Option<Arc<dyn Clock>>,
    machine: Mutex<Machine>,
}

#[cfg(feature = "metrics")]
impl Drop for Shared {
    fn drop(&mut self) {
        let machine = self.machine.get_mut().unwrap_or_else(PoisonError::into_inner);
        crate::metrics::breaker_moved(Some(machine.last_state()), None);
    }
}

/// The state of a [`CircuitBreaker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Calls go through, and failures are counted.
    Closed,
    /// Calls are refused until some time has passed.
    Open,
    /// A few trial calls go through.
    HalfOpen,
    /// Calls are refused until it is closed by hand.
    Isolated,
}

impl CircuitState {
    /// The state as a word, as metrics and events have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Isolated => "isolated",
        }
    }
}

impl CircuitBreaker {
    /// Opens when `failures` calls in a row have failed.
    pub fn consecutive(failures: u32) -> CircuitBreakerBuilder {
        CircuitBreakerBuilder::new(Trip::Consecutive { failures })
    }

    /// Opens when `percent` of the last `window` calls have failed, and at
    /// least [`minimum`](CircuitBreakerBuilder::with_minimum) were made.
    pub fn ratio(percent: u32, window: u32) -> CircuitBreakerBuilder {
        CircuitBreakerBuilder::new(Trip::Ratio { percent, window, minimum: window.div_ceil(2) })
    }

    /// Leave for one call, or the news that there is none now.
    ///
    /// The permit wants to be told how the call went; dropped without, it
    /// leaves the breaker as if the call had not been.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] with the time after which another try makes sense.
    pub fn try_acquire(&self) -> Result<BreakerPermit, CircuitOpen> {
        let ticket = self.with(|machine| machine.acquire(|| self.now()))?;
        Ok(BreakerPermit { breaker: Some(self.clone()), ticket })
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.with(|machine| machine.state(|| self.now()))
    }

    /// Refuses all calls until [`close`](Self::close) is called.
    pub fn isolate(&self) {
        self.with(Machine::isolate);
    }

    /// Lets calls through, and forgets all failures so far.
    pub fn close(&self) {
        self.with(Machine::close);
    }

    /// Whether it would still refuse a call after `wait`.
    pub(crate) fn refuses(&self, wait: Duration) -> Option<CircuitOpen> {
        self.with(|machine| machine.refuses(wait, || self.now()))
    }

    fn now(&self) -> Instant {
        self.0.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    fn with<T>(&self, run: impl FnOnce(&mut Machine) -> T) -> T {
        // Only a clock of the caller's could panic under it, and it is read
        // before anything changes.
        let mut machine = self.0.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let from = machine.last_state();
        let result = run(&mut machine);
        let to = machine.last_state();
        drop(machine);
        #[cfg(feature = "metrics")]
        crate::metrics::breaker_moved(Some(from), Some(to));
        crate::events::circuit_changed(self.0.name.as_deref(), from, to);
        result
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.0.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Leave for one call through a [`CircuitBreaker`].
#[derive(Debug)]
#[must_use = "the breaker learns from how the call went"]
pub struct BreakerPermit {
    breaker: Option<CircuitBreaker>,
    /// A verdict on a call that began before the state changed is too old.
    ticket: Ticket,
}

impl BreakerPermit {
    /// The call went well.
    pub fn success(mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.with(|machine| machine.succeeded(self.ticket));
        }
    }

    /// The call failed.
    pub fn failure(mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.with(|machine| machine.failed(self.ticket, || breaker.now()));
        }
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.with(|machine| machine.released(self.ticket));
        }
    }
}

/// A [`CircuitBreaker`] lets no call through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitOpen {
    after: Option<Duration>,
}

impl CircuitOpen {
    /// When another try makes sense; unknown while it is isolated.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.after
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "the circuit is open for another {after:?}"),
            None => f.write_str("the circuit is held open by hand"),
        }
    }
}

impl std::error::Error for CircuitOpen {}

impl Classify for CircuitOpen {
    fn kind(&self) -> ErrorKind {
        ErrorKind::RateLimit
    }

    fn code(&self) -> Code {
        codes::CIRCUIT_OPEN
    }

    fn recovery(&self) -> Recovery {
        match self.after {
            Some(after) => Recovery::retry_after(after),
            // Held open by hand: nobody knows for how long.
            None => Recovery::Exhausted,
        }
    }
}

impl From<CircuitOpen> for Error {
    #[track_caller]
    fn from(open: CircuitOpen) -> Self {
        Self::from_classified(open)
    }
}
