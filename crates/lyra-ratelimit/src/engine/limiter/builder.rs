use std::sync::Arc;
use std::time::Duration;

use super::super::Engine;
use super::super::line::Line;
use super::super::trips::{Counts, Shared};
use super::EngineLimiter;
use crate::error::{RateLimitError, require};
use crate::waiter::MOST_LIMITS;

/// An hour: whoever waits for an answer that long does not want a limiter.
const LONGEST_ANSWER: Duration = Duration::from_secs(60 * 60);

/// Builds an [`EngineLimiter`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | engine | given at the start | 1 to 8 limits, each with a name of its own |
/// | name | none | |
/// | answer within | 1 s | over zero, at most 1 h |
#[derive(Debug, Clone)]
#[must_use]
pub struct EngineLimiterBuilder<E> {
    engine: E,
    name: Option<Arc<str>>,
    answer_within: Duration,
}

impl<E: Engine> EngineLimiterBuilder<E> {
    pub(super) fn new(engine: E) -> Self {
        Self { engine, name: None, answer_within: Duration::from_secs(1) }
    }

    /// The name that errors say.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// For how long the engine is waited for in one call, at most; a caller's
    /// own timeout may be shorter. A call that was given up is carried on in
    /// the background for as long again, to give back what it takes.
    pub fn with_answer_within(mut self, answer_within: Duration) -> Self {
        self.answer_within = answer_within;
        self
    }

    /// The limiter.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid), naming the setting that cannot be
    /// meant.
    #[track_caller]
    pub fn build(self) -> Result<EngineLimiter<E>, RateLimitError> {
        let Self { engine, name, answer_within } = self;
        let reason = "it has to be longer than zero, and 1 h at most";
        let fits = !answer_within.is_zero() && answer_within <= LONGEST_ANSWER;
        require(fits, "answer_within", reason, answer_within)?;
        let names = engine.names();
        let fits = (1..=MOST_LIMITS).contains(&names.len());
        require(fits, "engine", "it has to have 1 to 8 limits", names.len())?;
        for (index, name) in names.iter().enumerate() {
            let is_first = !names[..index].contains(name);
            require(is_first, "engine", "two of its limits have the same name", name)?;
        }
        let (line, counts) = (Line::default(), Counts::default());
        Ok(EngineLimiter(Arc::new(Shared { engine, name, names, answer_within, line, counts })))
    }
}
