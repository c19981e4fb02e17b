use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location, Recovery};
use snafu::Snafu;

use crate::codes;
use crate::holder::Holder;
use crate::name::Name;

/// Why there was no lock, no permit or no resource.
#[derive(Debug, Clone, PartialEq, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum SyncError {
    /// It was not free within the timeout.
    #[non_exhaustive]
    #[snafu(display("{name}: not free within {waited:?}{}", held(holder, *unnamed)))]
    Timeout {
        /// The name of what was waited for.
        name: Name,
        /// How long the caller waited.
        waited: Duration,
        /// Who holds it, where that is known.
        holder: Option<Holder>,
        /// How many hold it of whom none is known: only the one that came last
        /// is noted, and it has left.
        unnamed: usize,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// It is not free now.
    #[non_exhaustive]
    #[snafu(display("{name}: not free{}", held(holder, *unnamed)))]
    Busy {
        /// The name of what was asked for.
        name: Name,
        /// Who holds it, where that is known.
        holder: Option<Holder>,
        /// How many hold it of whom none is known, as in
        /// [`Timeout`](Self::Timeout).
        unnamed: usize,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// This thread holds the lock already, and would wait for itself.
    #[non_exhaustive]
    #[snafu(display("{name}: this thread holds it already{}", since(holder)))]
    Reentrant {
        /// The name of the lock.
        name: Name,
        /// This thread, with the place where it locked.
        holder: Option<Holder>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// It was closed, before or during the wait.
    #[non_exhaustive]
    #[snafu(display("{name}: it is closed"))]
    Closed {
        /// The name of what was asked for.
        name: Name,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// More was asked for at once than there will ever be.
    #[non_exhaustive]
    #[snafu(display("{name}: {asked} at once will never be there, of {most}"))]
    TooMany {
        /// The name of what was asked for.
        name: Name,
        /// How many were asked for.
        asked: u32,
        /// How many there are.
        most: u32,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

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

    /// An asynchronous call had to wait, and there is no tokio runtime whose
    /// timer could end the wait.
    #[non_exhaustive]
    #[snafu(display("{name}: to wait here needs a tokio runtime"))]
    NoRuntime {
        /// The name of what was waited for.
        name: Name,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

impl SyncError {
    /// Who holds what was asked for, where that is known.
    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Timeout { holder, .. }
            | Self::Busy { holder, .. }
            | Self::Reentrant { holder, .. } => holder.as_ref(),
            Self::Closed { .. }
            | Self::TooMany { .. }
            | Self::Invalid { .. }
            | Self::NoRuntime { .. } => None,
        }
    }

    fn name(&self) -> Option<&Name> {
        match self {
            Self::Timeout { name, .. }
            | Self::Busy { name, .. }
            | Self::Reentrant { name, .. }
            | Self::Closed { name, .. }
            | Self::TooMany { name, .. }
            | Self::NoRuntime { name, .. } => Some(name),
            Self::Invalid { .. } => None,
        }
    }
}

impl Classify for SyncError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooMany { .. } | Self::Invalid { .. } => ErrorKind::Validation,
            Self::NoRuntime { .. } => ErrorKind::Internal,
            _ => ErrorKind::Concurrency,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Timeout { .. } => codes::TIMEOUT,
            Self::Busy { .. } => codes::BUSY,
            Self::Reentrant { .. } => codes::REENTRANT,
            Self::Closed { .. } => codes::CLOSED,
            Self::TooMany { .. } => codes::TOO_MANY,
            Self::Invalid { .. } => codes::INVALID,
            Self::NoRuntime { .. } => codes::NO_RUNTIME,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            Self::Timeout { .. } | Self::Busy { .. } => Recovery::RETRY,
            _ => Recovery::Permanent,
        }
    }

    fn context(&self) -> Context {
        let mut context = Context::new();
        if let Some(name) = self.name() {
            context = context.with("name", name.to_string());
        }
        if let Some(holder) = self.holder() {
            context = context
                .with("holder_thread", holder.thread())
                .with("holder_location", holder.location().to_string());
            #[cfg(feature = "operation")]
            if let Some(operation) = holder.operation() {
                context = context.with("holder_operation", operation);
            }
            if holder.others() > 0 {
                context = context.with("other_holders", holder.others() as u64);
            }
        }
        if let Self::Timeout { unnamed, .. } | Self::Busy { unnamed, .. } = self
            && *unnamed > 0
        {
            context = context.with("holders", *unnamed as u64);
        }
        match self {
            Self::Timeout { waited, .. } => context.with("waited_seconds", waited.as_secs_f64()),
            Self::TooMany { asked, most, .. } => {
                context.with("asked", u64::from(*asked)).with("most", u64::from(*most))
            }
            Self::Invalid { setting, given, .. } => {
                context.with("setting", *setting).with("given", given)
            }
            _ => context,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Timeout { location, .. }
            | Self::Busy { location, .. }
            | Self::Reentrant { location, .. }
            | Self::Closed { location, .. }
            | Self::TooMany { location, .. }
            | Self::Invalid { location, .. }
            | Self::NoRuntime { location, .. } => Some(location),
        }
    }
}

impl From<SyncError> for Error {
    #[track_caller]
    fn from(error: SyncError) -> Self {
        Self::from_classified(error)
    }
}

fn held(holder: &Option<Holder>, unnamed: usize) -> String {
    match holder {
        Some(holder) => format!(", held by {holder}"),
        None if unnamed > 0 => format!(", held by {unnamed} that came earlier"),
        None => String::new(),
    }
}

fn since(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|holder| format!(", since {}", holder.location())).unwrap_or_default()
}
