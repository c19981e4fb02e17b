use std::fmt;

use serde::{Deserialize, Serialize};

/// How loudly an error should be told; ordered from quiet to loud.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The work went on in another way; someone may want to know.
    Warning,
    /// This operation failed, others go on.
    #[default]
    Error,
    /// The agent or its data are in danger; someone should look now.
    Critical,
}

impl Severity {
    /// The stable name: `warning`, `error` or `critical`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
