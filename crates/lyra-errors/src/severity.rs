use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// How loudly an error should be told; ordered from quiet to loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
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

    /// The severity of that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Warning, Self::Error, Self::Critical].into_iter().find(|s| s.name() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that this version does not know is read as
/// [`Error`](Severity::Error), as an unknown kind is read as internal.
impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self::from_name(&name).unwrap_or_default())
    }
}
