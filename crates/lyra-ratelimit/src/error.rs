use std::sync::Arc;
use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location, Recovery};
use snafu::Snafu;

use crate::codes;
use crate::engine::EngineError;

/// Why a limiter could not be built, or why there was no grant.
#[derive(Debug, Clone, PartialEq, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum RateLimitError {
    /// A setting cannot be meant.
    #[non_exhaustive]
    #[snafu(display("`{setting}` is not valid: {reason}, and it is {given}"))]
    Invalid {
        /// The setting.
        setting: &'static str,
        /// What it has to be.
        reason: &'static str,
        /// What was given.
        given: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// Not now: the tokens are not there, or others are first.
    #[non_exhaustive]
    #[snafu(display("{}not yet: the next try makes sense in {retry_after:?}", of(limiter)))]
    NotYet {
        /// The limiter's name, if it has one.
        limiter: Option<Arc<str>>,
        /// When the same call would be granted, if nobody else came: exact
        /// for rates; where slots are in use beside them, not before.
        retry_after: Duration,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The turn would come after the timeout, so the call was refused at once.
    #[non_exhaustive]
    #[snafu(display(
        "{}refused: the turn would come in {retry_after:?}, after the timeout of {timeout:?}",
        of(limiter)
    ))]
    TooLate {
        /// The limiter's name, if it has one.
        limiter: Option<Arc<str>>,
        /// When the turn would come.
        retry_after: Duration,
        /// How long the caller wanted to wait.
        timeout: Duration,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The turn did not come within the timeout: a slot was not returned, or
    /// the limits were tightened meanwhile.
    #[non_exhaustive]
    #[snafu(display("{}the turn did not come within {timeout:?}", of(limiter)))]
    TimedOut {
        /// The limiter's name, if it has one.
        limiter: Option<Arc<str>>,
        /// How long the caller wanted to wait.
        timeout: Duration,
        /// When the turn would come now, where that can be told.
        retry_after: Option<Duration>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// All slots are in use, and only their holders know for how long.
    #[non_exhaustive]
    #[snafu(display("{}all slots are in use", of(limiter)))]
    Busy {
        /// The limiter's name, if it has one.
        limiter: Option<Arc<str>>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The cost is larger than what the limit ever holds: it would never be
    /// granted.
    #[non_exhaustive]
    #[snafu(display(
        "{}a cost of {cost} can never be granted: at most {most} at once",
        of(limiter)
    ))]
    TooLarge {
        /// The name of the limiter, or of the limit in a set, if it has one.
        limiter: Option<Arc<str>>,
        /// What was asked for.
        cost: u64,
        /// The most that can be granted at once.
        most: u64,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// An asynchronous call had to wait, and there is no tokio runtime whose
    /// timer could wake it.
    #[non_exhaustive]
    #[snafu(display("{}to wait here needs a tokio runtime", of(limiter)))]
    NoRuntime {
        /// The limiter's name, if it has one.
        limiter: Option<Arc<str>>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The set or the service has no limit of this name.
    #[non_exhaustive]
    #[snafu(display("there is no limit named {limit:?}"))]
    UnknownLimit {
        /// The name that was given.
        limit: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The service limits how many calls run at once, so a call has to hold a
    /// permit while it runs.
    #[non_exhaustive]
    #[snafu(display("{}its calls have to hold a permit while they run", of(limiter)))]
    NeedsPermit {
        /// The service.
        limiter: Option<Arc<str>>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The engine itself failed, or did not answer. Nobody is let through for
    /// that.
    #[non_exhaustive]
    #[snafu(display("{}the engine could not {doing}", of(limiter)))]
    Engine {
        /// The limiter's name, if it has one.
        limiter: Option<Arc<str>>,
        /// What it was asked to do.
        doing: &'static str,
        /// What went wrong; it decides whether another try can help.
        source: EngineError,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

impl RateLimitError {
    /// When another try makes sense, where that can be told.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotYet { retry_after, .. } | Self::TooLate { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::TimedOut { retry_after, .. } => *retry_after,
            Self::Engine { source, .. } => source.recovery().after(),
            _ => None,
        }
    }

    fn limiter(&self) -> Option<&str> {
        match self {
            Self::NotYet { limiter, .. }
            | Self::TooLate { limiter, .. }
            | Self::TimedOut { limiter, .. }
            | Self::Busy { limiter, .. }
            | Self::TooLarge { limiter, .. }
            | Self::NoRuntime { limiter, .. }
            | Self::NeedsPermit { limiter, .. }
            | Self::Engine { limiter, .. } => limiter.as_deref(),
            Self::Invalid { .. } | Self::UnknownLimit { .. } => None,
        }
    }
}

impl Classify for RateLimitError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::UnknownLimit { .. } | Self::NeedsPermit { .. } => {
                ErrorKind::Validation
            }
            Self::NoRuntime { .. } => ErrorKind::Internal,
            _ => ErrorKind::RateLimit,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => codes::INVALID,
            Self::NotYet { .. } => codes::NOT_YET,
            Self::TooLate { .. } => codes::TOO_LATE,
            Self::TimedOut { .. } => codes::TIMED_OUT,
            Self::Busy { .. } => codes::BUSY,
            Self::TooLarge { .. } => codes::TOO_LARGE,
            Self::NoRuntime { .. } => codes::NO_RUNTIME,
            Self::UnknownLimit { .. } => codes::UNKNOWN_LIMIT,
            Self::NeedsPermit { .. } => codes::NEEDS_PERMIT,
            Self::Engine { .. } => codes::ENGINE,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            Self::NotYet { .. }
            | Self::TooLate { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. } => Recovery::Retry { after: self.retry_after() },
            Self::Engine { source, .. } => source.recovery(),
            _ => Recovery::Permanent,
        }
    }

    fn context(&self) -> Context {
        let mut context = Context::new();
        if let Some(limiter) = self.limiter() {
            context = context.with("limiter", limiter);
        }
        if let Some(after) = self.retry_after() {
            context = context.with("retry_after_seconds", after.as_secs_f64());
        }
        match self {
            Self::Invalid { setting, given, .. } => {
                context.with("setting", *setting).with("given", given)
            }
            Self::TooLate { timeout, .. } | Self::TimedOut { timeout, .. } => {
                context.with("timeout_seconds", timeout.as_secs_f64())
            }
            Self::TooLarge { cost, most, .. } => context.with("cost", *cost).with("most", *most),
            Self::UnknownLimit { limit, .. } => context.with("limit", limit),
            Self::Engine { doing, .. } => context.with("doing", *doing),
            _ => context,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Invalid { location, .. }
            | Self::NotYet { location, .. }
            | Self::TooLate { location, .. }
            | Self::TimedOut { location, .. }
            | Self::Busy { location, .. }
            | Self::TooLarge { location, .. }
            | Self::NoRuntime { location, .. }
            | Self::UnknownLimit { location, .. }
            | Self::NeedsPermit { location, .. }
            | Self::Engine { location, .. } => Some(location),
        }
    }
}

impl From<RateLimitError> for Error {
    #[track_caller]
    fn from(error: RateLimitError) -> Self {
        Self::from_classified(error)
    }
}

/// Refuses `setting` unless `holds`.
#[track_caller]
pub(crate) fn require(
    holds: bool,
    setting: &'static str,
    reason: &'static str,
    given: impl std::fmt::Debug,
) -> Result<(), RateLimitError> {
    if holds {
        return Ok(());
    }
    InvalidSnafu { setting, reason, given: format!("{given:?}") }.fail()
}

fn of(limiter: &Option<Arc<str>>) -> String {
    limiter.as_ref().map(|name| format!("{name}: ")).unwrap_or_default()
}
