use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::state::{Machine, Trip};
use super::{CircuitBreaker, Shared};
use crate::clock::Clock;
use crate::error::{PolicyError, require};

const MAX_WINDOW: u32 = 10_000;

/// Builds a [`CircuitBreaker`]; checked by [`build`](Self::build).
///
/// | setting | default |
/// |---|---|
/// | `name` | none |
/// | `open_for` | 30 s |
/// | `trials` | 1 |
/// | `minimum` | half of the window |
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct CircuitBreakerBuilder {
    name: Option<Arc<str>>,
    trip: Trip,
    open_for: Duration,
    trials: u32,
    clock: Option<Arc<dyn Clock>>,
}

impl CircuitBreakerBuilder {
    pub(super) fn new(trip: Trip) -> Self {
        Self { name: None, trip, open_for: Duration::from_secs(30), trials: 1, clock: None }
    }

    /// What it is called in the events that tell of it.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long it refuses calls before it tries again.
    pub fn with_open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }

    /// How many trial calls go through when it is half-open, all of which
    /// have to succeed.
    pub fn with_trials(mut self, trials: u32) -> Self {
        self.trials = trials;
        self
    }

    /// How many calls have to be made before their ratio counts. Without a
    /// ratio it plays no part.
    pub fn with_minimum(mut self, calls: u32) -> Self {
        if let Trip::Ratio { minimum, .. } = &mut self.trip {
            *minimum = calls;
        }
        self
    }

    /// Reads time from `clock`.
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The breaker, closed.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] when a number or the time is zero, the ratio is above
    /// 100 per cent, the window is above 10,000 calls, or the minimum above
    /// the window.
    #[track_caller]
    pub fn build(self) -> Result<CircuitBreaker, PolicyError> {
        let Self { name, trip, open_for, trials, clock } = self;
        match trip {
            Trip::Consecutive { failures } => {
                require(failures > 0, "failures", "it is at least 1", failures)?;
            }
            Trip::Ratio { percent, window, minimum } => {
                require((1..=100).contains(&percent), "percent", "it lies from 1 to 100", percent)?;
                let is_window = (1..=MAX_WINDOW).contains(&window);
                require(is_window, "window", "it lies from 1 to 10,000", window)?;
                let is_minimum = (1..=window).contains(&minimum);
                require(is_minimum, "minimum", "it lies from 1 to the window", minimum)?;
            }
        }
        require(!open_for.is_zero(), "open_for", "it is longer than zero", open_for)?;
        require(trials > 0, "trials", "it is at least 1", trials)?;
        let machine = Mutex::new(Machine::new(trip, open_for, trials));
        #[cfg(feature = "metrics")]
        crate::metrics::breaker_moved(None, Some(super::CircuitState::Closed));
        Ok(CircuitBreaker(Arc::new(Shared { name, clock, machine })))
    }
}

impl fmt::Debug for CircuitBreakerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerBuilder")
            .field("name", &self.name)
            .field("trip", &self.trip)
            .field("open_for", &self.open_for)
            .field("trials", &self.trials)
            .finish_non_exhaustive()
    }
}
