use std::error::Error as StdError;
use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location, Recovery};
use snafu::Snafu;

use super::status::HeldResource;
use crate::codes;
use crate::holder::Holder;
use crate::name::Name;

/// Why there was no resource. `E` is the manager's own error.
#[derive(Debug, Snafu)]
#[non_exhaustive]
pub enum PoolError<E: StdError + Send + Sync + 'static> {
    /// None came within the timeout.
    #[non_exhaustive]
    #[snafu(display("{name}: no resource within {waited:?} ({usage}){}", longest(holder)))]
    Timeout {
        /// The pool's name.
        name: Name,
        /// How long the caller waited.
        waited: Duration,
        /// How the pool stood then.
        usage: PoolUsage,
        /// Who holds one for the longest time, where that is known.
        holder: Option<Holder>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// None is idle now.
    #[non_exhaustive]
    #[snafu(display("{name}: no resource is idle ({usage}){}", longest(holder)))]
    Busy {
        /// The pool's name.
        name: Name,
        /// How the pool stands.
        usage: PoolUsage,
        /// Who holds one for the longest time, where that is known.
        holder: Option<Holder>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The pool is closed, or was closed meanwhile.
    #[non_exhaustive]
    #[snafu(display("{name}: the pool is closed"))]
    Closed {
        /// The pool's name.
        name: Name,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The manager could not make the resource that this caller asked for.
    #[non_exhaustive]
    #[snafu(display("{name}: a resource could not be created"))]
    CreateFailed {
        /// The pool's name.
        name: Name,
        /// What the manager said.
        source: E,
        /// What the manager thinks of trying again.
        recovery: Recovery,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The manager did not make it within the create timeout.
    #[non_exhaustive]
    #[snafu(display("{name}: a resource was not created within {timeout:?}"))]
    CreateTimedOut {
        /// The pool's name.
        name: Name,
        /// The create timeout.
        timeout: Duration,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The manager or a hook panicked while it made the resource.
    #[non_exhaustive]
    #[snafu(display("{name}: creating a resource panicked: {message}"))]
    CreatePanicked {
        /// The pool's name.
        name: Name,
        /// What the panic said.
        message: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The pool is closed, and not everything came back before the deadline.
    #[non_exhaustive]
    #[snafu(display("{name}: {} did not come back within {waited:?}{}", left(held, *creating), first(held)))]
    NotReturned {
        /// The pool's name.
        name: Name,
        /// How long it was waited for.
        waited: Duration,
        /// Who holds what, the longest first.
        held: Vec<HeldResource>,
        /// How many are still being created.
        creating: usize,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// An asynchronous call had to wait, and there is no tokio runtime whose
    /// timer could end the wait.
    #[non_exhaustive]
    #[snafu(display("{name}: to wait here needs a tokio runtime"))]
    NoRuntime {
        /// The pool's name.
        name: Name,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

/// How a pool stood when it could not give a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolUsage {
    /// How many resources it has at most.
    pub max_size: usize,
    /// How many were in use.
    pub in_use: usize,
    /// How many were being created.
    pub creating: usize,
    /// How many creations had failed in a row.
    pub failures_in_a_row: u32,
}

impl std::fmt::Display for PoolUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} in use", self.in_use, self.max_size)?;
        if self.creating > 0 {
            write!(f, ", {} being created", self.creating)?;
        }
        match self.failures_in_a_row {
            0 => Ok(()),
            failures => write!(f, ", creation failed {failures} times in a row"),
        }
    }
}

impl<E: StdError + Send + Sync + 'static> PoolError<E> {
    /// Who holds a resource for the longest time, where that is known.
    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Timeout { holder, .. } | Self::Busy { holder, .. } => holder.as_ref(),
            Self::NotReturned { held, .. } => held.first()?.holder.as_ref(),
            _ => None,
        }
    }

    fn parts(&self) -> (&Name, Location, Option<PoolUsage>) {
        match self {
            Self::Timeout { name, usage, location, .. }
            | Self::Busy { name, usage, location, .. } => (name, location, Some(*usage)),
            Self::Closed { name, location, .. }
            | Self::CreateFailed { name, location, .. }
            | Self::CreateTimedOut { name, location, .. }
            | Self::CreatePanicked { name, location, .. }
            | Self::NotReturned { name, location, .. }
            | Self::NoRuntime { name, location, .. } => (name, location, None),
        }
    }
}

impl<E: StdError + Send + Sync + 'static> Classify for PoolError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRuntime { .. } => ErrorKind::Internal,
            _ => ErrorKind::Concurrency,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Timeout { .. } => codes::TIMEOUT,
            Self::Busy { .. } => codes::BUSY,
            Self::Closed { .. } => codes::CLOSED,
            Self::CreateFailed { .. } => codes::CREATE_FAILED,
            Self::CreateTimedOut { .. } => codes::CREATE_TIMED_OUT,
            Self::CreatePanicked { .. } => codes::CREATE_PANICKED,
            Self::NotReturned { .. } => codes::NOT_RETURNED,
            Self::NoRuntime { .. } => codes::NO_RUNTIME,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            Self::Timeout { .. } | Self::Busy { .. } | Self::CreateTimedOut { .. } => {
                Recovery::RETRY
            }
            Self::CreateFailed { recovery, .. } => *recovery,
            _ => Recovery::Permanent,
        }
    }

    fn context(&self) -> Context {
        let (name, _, usage) = self.parts();
        let mut context = Context::new().with("name", name.to_string());
        if let Some(holder) = self.holder() {
            context = context
                .with("holder_thread", holder.thread())
                .with("holder_location", holder.location().to_string());
        }
        if let Some(usage) = usage {
            context = context
                .with("in_use", usage.in_use)
                .with("creating", usage.creating)
                .with("max_size", usage.max_size);
        }
        match self {
            Self::Timeout { waited, .. } | Self::NotReturned { waited, .. } => {
                context.with("waited_seconds", waited.as_secs_f64())
            }
            Self::CreateTimedOut { timeout, .. } => {
                context.with("timeout_seconds", timeout.as_secs_f64())
            }
            Self::CreatePanicked { message, .. } => context.with("panic", message),
            _ => context,
        }
    }

    fn location(&self) -> Option<Location> {
        Some(self.parts().1)
    }
}

impl<E: StdError + Send + Sync + 'static> From<PoolError<E>> for Error {
    #[track_caller]
    fn from(error: PoolError<E>) -> Self {
        Self::from_classified(error)
    }
}

fn longest(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|holder| format!(", longest by {holder}")).unwrap_or_default()
}

fn left(held: &[HeldResource], creating: usize) -> String {
    match creating {
        0 => format!("{} resources", held.len()),
        _ => format!("{} resources, and {creating} that are being created,", held.len()),
    }
}

fn first(held: &[HeldResource]) -> String {
    held.first().map(|held| format!(", first {held}")).unwrap_or_default()
}
