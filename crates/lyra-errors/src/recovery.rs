use std::fmt;
use std::time::Duration;

/// What the caller can do about an error.
///
/// It is decided by the cause, not by the kind, and the default is *don't
/// retry*: a retry that was not asked for repeats side effects.
///
/// The three answers are complete by nature, so the enum is exhaustive: a
/// `match` on it is a decision, and should break when the question changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Recovery {
    /// The same call will fail again.
    #[default]
    Permanent,
    /// The same call may succeed later.
    Retry {
        /// The shortest wait that makes sense, where the cause tells it.
        after: Option<Duration>,
    },
    /// It was retried and given up: outer retries stop here, so that nested
    /// retries do not multiply.
    Exhausted,
}

impl Recovery {
    /// Try again, after a wait of the caller's choice.
    pub const RETRY: Self = Self::Retry { after: None };

    /// Try again, but not before `after` has passed.
    #[must_use]
    pub const fn retry_after(after: Duration) -> Self {
        Self::Retry { after: Some(after) }
    }

    /// The stable name: `permanent`, `retry` or `exhausted`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Retry { .. } => "retry",
            Self::Exhausted => "exhausted",
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub const fn is_recoverable(self) -> bool {
        matches!(self, Self::Retry { .. })
    }

    /// The shortest wait that makes sense, where it is known.
    #[must_use]
    pub const fn after(self) -> Option<Duration> {
        match self {
            Self::Retry { after } => after,
            Self::Permanent | Self::Exhausted => None,
        }
    }
}

/// The name, and the wait where it is known: `retry after 250ms`.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after() {
            Some(wait) => write!(f, "{} after {wait:?}", self.name()),
            None => f.pad(self.name()),
        }
    }
}
