use std::sync::Arc;

use crate::source::DeviceId;

/// Whether a model could be loaded, as things were at the moment of the
/// question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadVerdict {
    /// It fits as it is.
    Fits {
        /// Where.
        device: DeviceId,
    },
    /// It fits when what is leaving has left.
    FitsSoon {
        /// Where.
        device: DeviceId,
    },
    /// It fits when these models leave, which nobody uses.
    FitsAfterEviction {
        /// Where.
        device: DeviceId,
        /// Who would leave.
        models: Vec<Arc<str>>,
    },
    /// Only if models in use or other programs give memory back, or a device
    /// answers again.
    WaitsForUse,
    /// Never, on any such device there is.
    TooLarge {
        /// What would fit on an empty one, in bytes.
        largest: u64,
    },
    /// There is no GPU, or no other such device as a candidate asks for.
    NoGpu,
}

impl LoadVerdict {
    /// Whether it would be loaded without waiting for anybody's use.
    #[must_use]
    pub fn is_loadable(&self) -> bool {
        matches!(self, Self::Fits { .. } | Self::FitsSoon { .. } | Self::FitsAfterEviction { .. })
    }
}
