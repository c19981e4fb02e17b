use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location, Recovery, Severity, Value};

use crate::StopReason;
use crate::history::{AttemptRecord, History};

/// Why a call did not succeed: the last error, the reason why there was no
/// further attempt, and the history of those that were.
///
/// It says [`Recovery::Exhausted`] once it gave up, so that nested retries do
/// not multiply; [`Recovery::Permanent`] where the error was none to retry;
/// and where a circuit breaker let not even the first attempt through,
/// [`Recovery::Retry`] with the time after which it will.
pub struct RetryError<E>(Box<Inner<E>>);

pub(crate) struct Inner<E> {
    pub(crate) reason: StopReason,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) history: History,
    pub(crate) last: Option<E>,
    pub(crate) kind: ErrorKind,
    pub(crate) severity: Severity,
    pub(crate) location: Location,
}

impl<E> RetryError<E> {
    pub(crate) fn new(inner: Inner<E>) -> Self {
        Self(Box::new(inner))
    }

    /// Why there was no further attempt.
    #[must_use]
    pub fn reason(&self) -> StopReason {
        self.0.reason
    }

    /// How many attempts were made; none where the first was not let through.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The time from the start of the first attempt to the end; without a
    /// deadline and an attempt timeout, from its failure.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The failed attempts, oldest first: the first one, and up to 31 of the
    /// latest.
    #[must_use]
    pub fn history(&self) -> &[AttemptRecord] {
        self.0.history.records()
    }

    /// The last error that an attempt gave; none where each ran out of time,
    /// or none was made.
    #[must_use]
    pub fn last_error(&self) -> Option<&E> {
        self.0.last.as_ref()
    }

    /// The last error that an attempt gave, by value.
    #[must_use]
    pub fn into_last_error(self) -> Option<E> {
        self.0.last
    }
}

impl<E> Classify for RetryError<E> {
    /// That of the last error. Where there is none or it does not tell, a
    /// service or a limit that refuses calls is `RateLimit`, and the rest
    /// `Internal`.
    fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    fn code(&self) -> Code {
        self.0.reason.code()
    }

    fn recovery(&self) -> Recovery {
        match self.0.reason {
            StopReason::NotRetryable => Recovery::Permanent,
            // Held open by hand, it does not say when it will close.
            StopReason::CircuitOpen { after: after @ Some(_) } if self.0.attempts == 0 => {
                Recovery::Retry { after }
            }
            _ => Recovery::Exhausted,
        }
    }

    fn severity(&self) -> Severity {
        self.0.severity
    }

    fn context(&self) -> Context {
        let history: Vec<Value> =
            self.history().iter().map(|record| record.to_string().into()).collect();
        let context = Context::new()
            .with("reason", self.0.reason.to_string())
            .with("attempts", self.0.attempts)
            .with("elapsed_seconds", self.0.elapsed.as_secs_f64())
            .with("history", history);
        match self.0.reason {
            StopReason::RetryAfterTooLong { after, .. } => {
                context.with("retry_after_seconds", after.as_secs_f64())
            }
            _ => context,
        }
    }

    fn location(&self) -> Option<Location> {
        Some(self.0.location)
    }
}

impl<E> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.attempts {
            1 => write!(f, "failed after 1 attempt: {}", self.0.reason),
            attempts => write!(f, "failed after {attempts} attempts: {}", self.0.reason),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryError")
            .field("reason", &self.0.reason)
            .field("attempts", &self.0.attempts)
            .field("elapsed", &self.0.elapsed)
            .field("history", &self.history())
            .field("last_error", &self.0.last)
            .field("location", &format_args!("{}", self.0.location))
            .finish()
    }
}

impl<E: StdError + 'static> StdError for RetryError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.last.as_ref().map(|error| error as _)
    }
}

impl<E: StdError + Send + Sync + 'static> From<RetryError<E>> for Error {
    #[track_caller]
    fn from(error: RetryError<E>) -> Self {
        Self::from_classified(error)
    }
}
