//! Which errors are retried, and who is told.

use std::time::Duration;

use lyra_errors::{Classify, Recovery};

/// Decides about the errors of one call.
pub trait RetryRule<E> {
    /// What can be done about `error`.
    fn recovery(&mut self, error: &E) -> Recovery;

    /// Whether an error that is not retried shows that the other side is in
    /// good health, so that a circuit breaker may count it as a success.
    fn vouches(&self) -> bool {
        true
    }

    /// What `error` tells of itself for the history, where it tells anything.
    fn classify<'e>(&self, _error: &'e E) -> Option<&'e dyn Classify> {
        None
    }
}

/// The error decides, by its [`Recovery`]: the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByRecovery;

impl<E: Classify> RetryRule<E> for ByRecovery {
    fn recovery(&mut self, error: &E) -> Recovery {
        error.recovery()
    }

    fn classify<'e>(&self, error: &'e E) -> Option<&'e dyn Classify> {
        Some(error)
    }
}

/// A predicate decides; made by [`Retry::when`](crate::Retry::when).
#[derive(Debug, Clone)]
pub struct When<P>(pub(crate) P);

impl<E, P: FnMut(&E) -> bool> RetryRule<E> for When<P> {
    fn recovery(&mut self, error: &E) -> Recovery {
        match (self.0)(error) {
            true => Recovery::RETRY,
            false => Recovery::Permanent,
        }
    }

    /// A predicate says what to retry, and nothing of the rest.
    fn vouches(&self) -> bool {
        false
    }
}

/// Another rule, with the shortest wait that a function finds in the error;
/// made by [`Retry::retry_after`](crate::Retry::retry_after).
#[derive(Debug, Clone)]
pub struct RetryAfter<R, A> {
    pub(crate) rule: R,
    pub(crate) after: A,
}

impl<E, R, A> RetryRule<E> for RetryAfter<R, A>
where
    R: RetryRule<E>,
    A: FnMut(&E) -> Option<Duration>,
{
    fn recovery(&mut self, error: &E) -> Recovery {
        match self.rule.recovery(error) {
            Recovery::Retry { after } => Recovery::Retry { after: after.max((self.after)(error)) },
            other => other,
        }
    }

    fn vouches(&self) -> bool {
        self.rule.vouches()
    }

    fn classify<'e>(&self, error: &'e E) -> Option<&'e dyn Classify> {
        self.rule.classify(error)
    }
}

/// A retry that is about to be waited for.
#[derive(Debug)]
#[non_exhaustive]
pub struct RetryEvent<'a, E> {
    /// Which attempt failed, from 1.
    pub attempt: u32,
    /// Its error; none when it ran out of time.
    pub error: Option<&'a E>,
    /// The wait that now begins.
    pub delay: Duration,
    /// The time since the first attempt began or, without a deadline and an
    /// attempt timeout, since it failed.
    pub elapsed: Duration,
}

/// Is told of each retry of one call; every `FnMut(&RetryEvent<'_, E>)` is one.
pub trait OnRetry<E> {
    /// A wait begins.
    fn on_retry(&mut self, event: &RetryEvent<'_, E>);
}

/// Nobody is told: the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl<E> OnRetry<E> for Quiet {
    fn on_retry(&mut self, _event: &RetryEvent<'_, E>) {}
}

impl<E, N: FnMut(&RetryEvent<'_, E>)> OnRetry<E> for N {
    fn on_retry(&mut self, event: &RetryEvent<'_, E>) {
        self(event);
    }
}
