use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lyra_errors::Recovery;

use super::Ability;

/// What went wrong in an engine itself: its file, its server, its answer.
///
/// It is not raised as it is, but as the source of
/// [`RateLimitError::Engine`](crate::RateLimitError::Engine), whose recovery
/// it decides.
///
/// ```
/// use std::io;
/// use std::time::Duration;
/// use lyra_ratelimit::engine::EngineError;
///
/// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
/// let error = EngineError::retry("the server cannot be reached", None).because(refused);
/// assert_eq!(error.to_string(), "the server cannot be reached");
/// assert!(error.recovery().is_recoverable());
/// ```
#[derive(Debug, Clone)]
pub struct EngineError {
    what: Arc<str>,
    recovery: Recovery,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl EngineError {
    /// A fault that stays until somebody mends it: a corrupt file, a wrong
    /// password, an answer that makes no sense. `what` is one line.
    #[must_use]
    pub fn permanent(what: impl Into<Arc<str>>) -> Self {
        Self { what: what.into(), recovery: Recovery::Permanent, source: None }
    }

    /// A fault that may go away by itself, not before `after` where that is
    /// known: a server that restarts, a lock that is held.
    #[must_use]
    pub fn retry(what: impl Into<Arc<str>>, after: Option<Duration>) -> Self {
        Self { what: what.into(), recovery: Recovery::Retry { after }, source: None }
    }

    /// The engine can't do this by nature.
    #[must_use]
    pub fn unable(ability: Ability) -> Self {
        Self::permanent(format!("this engine has no {ability}"))
    }

    /// No answer came within this time.
    pub(super) fn unanswered(within: Duration) -> Self {
        Self::retry(format!("no answer came within {within:?}"), None)
    }

    /// What is behind it; it is kept as the source.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether another try can help.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Two are the same if they say the same, of one source; sources themselves
/// can't be compared.
impl PartialEq for EngineError {
    fn eq(&self, other: &Self) -> bool {
        let sources = match (&self.source, &other.source) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        sources && self.what == other.what && self.recovery == other.recovery
    }
}
