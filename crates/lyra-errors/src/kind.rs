use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an error is about: the part of the agent that failed.
///
/// The kinds form a hierarchy of two levels: [`GpuMemory`](Self::GpuMemory)
/// is a special [`ModelLoad`](Self::ModelLoad), all others stand at the top.
/// Whether to try again is *not* decided by the kind; that is
/// [`Recovery`](crate::Recovery).
///
/// ```
/// use lyra_errors::ErrorKind;
///
/// assert!(ErrorKind::GpuMemory.is_a(ErrorKind::ModelLoad));
/// assert!(!ErrorKind::ModelLoad.is_a(ErrorKind::GpuMemory));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A model could not be loaded.
    ModelLoad,
    /// A model could not be loaded because memory on the card is short.
    GpuMemory,
    /// The memory store or its backups failed.
    Memory,
    /// A subsystem of the agent's own reasoning failed; the context names it.
    Consciousness,
    /// A request could not be routed to a model or a service.
    Router,
    /// The caller's input is not acceptable as it is.
    Validation,
    /// A service or a local limit refuses more calls for now.
    RateLimit,
    /// A lock, a semaphore, a pool or another writer stood in the way.
    Concurrency,
    /// A defect, or a fault that fits nowhere else.
    Internal,
}

impl ErrorKind {
    /// Every kind, parents before their children.
    pub const ALL: &'static [Self] = &[
        Self::ModelLoad,
        Self::GpuMemory,
        Self::Memory,
        Self::Consciousness,
        Self::Router,
        Self::Validation,
        Self::RateLimit,
        Self::Concurrency,
        Self::Internal,
    ];

    /// The stable name, as it stands under `type` in an
    /// [`ErrorRecord`](crate::ErrorRecord).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ModelLoad => "ModelLoad",
            Self::GpuMemory => "GpuMemory",
            Self::Memory => "Memory",
            Self::Consciousness => "Consciousness",
            Self::Router => "Router",
            Self::Validation => "Validation",
            Self::RateLimit => "RateLimit",
            Self::Concurrency => "Concurrency",
            Self::Internal => "Internal",
        }
    }

    /// The kind this one is a special case of, if any.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::GpuMemory => Some(Self::ModelLoad),
            _ => None,
        }
    }

    /// Whether this kind is `other` or a special case of it.
    #[must_use]
    pub fn is_a(self, other: Self) -> bool {
        std::iter::successors(Some(self), |kind| kind.parent()).any(|kind| kind == other)
    }

    /// The kind of that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A name that this version does not know is read as
/// [`Internal`](ErrorKind::Internal), so that an old reader can still read
/// the logs of a newer writer.
impl<'de> Deserialize<'de> for ErrorKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self::from_name(&name).unwrap_or(Self::Internal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_itself_and_its_ancestors_only() {
        for &kind in ErrorKind::ALL {
            for &other in ErrorKind::ALL {
                let related = kind == other
                    || (kind == ErrorKind::GpuMemory && other == ErrorKind::ModelLoad);
                assert_eq!(kind.is_a(other), related, "{kind} is_a {other}");
            }
        }
    }

    #[test]
    fn names_lead_back_to_their_kinds() {
        for &kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ErrorKind::from_name("gpumemory"), None);
    }

    #[test]
    fn an_unknown_name_is_read_as_internal() {
        let kind: ErrorKind = serde_json::from_str("\"Teleport\"").unwrap();
        assert_eq!(kind, ErrorKind::Internal);
    }
}
