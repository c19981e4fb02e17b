use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bytes::Size;
use crate::level::Level;
use crate::source::DeviceId;

/// Something that the manager did or saw.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Counts from one; a gap is what a listener missed.
    pub seq: u64,
    /// When, counted from the start of the manager.
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// What the manager did or saw.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each names what its variant speaks of; sizes are in bytes")]
pub enum EventKind {
    /// A device is at another level.
    LevelChanged { device: DeviceId, from: Level, to: Level, used: u64, total: u64 },
    /// A model may be loaded; its memory is reserved.
    Loading { model: Arc<str>, variant: Arc<str>, device: DeviceId, bytes: u64 },
    /// A model is loaded.
    Loaded { model: Arc<str>, variant: Arc<str>, took: Duration },
    /// A loader failed.
    LoadFailed { model: Arc<str>, variant: Arc<str>, is_out_of_memory: bool },
    /// It is not the first candidate that is loaded.
    Degraded { model: Arc<str>, from: Arc<str>, to: Arc<str> },
    /// A model takes more than was reserved for it.
    EstimateExceeded { model: Arc<str>, estimate: u64, observed: u64 },
    /// A model has to leave.
    Unloading { model: Arc<str>, bytes: u64, reason: UnloadReason },
    /// A model has left, and the device shows its memory as free.
    Unloaded { model: Arc<str>, bytes: u64, took: Duration },
    /// An unloader failed, or took too long.
    UnloadFailed { model: Arc<str>, attempt: u8 },
    /// A model is ended by force.
    Killed { model: Arc<str> },
    /// Memory did not come back, and nobody can say who has it: it counts as
    /// somebody else's from now on.
    UnloadUnverified { model: Arc<str>, missing: u64 },
    /// Memory of a model that was unloaded did not come back; it stays
    /// counted, until the device shows it as free.
    Quarantined { model: Arc<str>, bytes: u64 },
    /// Memory that was in quarantine is free.
    QuarantineEnded { model: Arc<str>, bytes: u64 },
    /// A device is at the critical level, and nothing can be evicted.
    Exhausted { device: DeviceId },
    /// A device does not answer: nothing is admitted on it.
    Stale { device: DeviceId },
    /// A device is gone.
    Lost { device: DeviceId },
    /// A device answers again.
    Back { device: DeviceId },
}

/// Why a model has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnloadReason {
    /// Another model needs its memory.
    Needed,
    /// The device is too full.
    Pressure,
    /// It was not used for its idle time.
    Idle,
    /// The host asked for it.
    Asked,
    /// Its device is lost, and another place is wanted for it.
    Lost,
}

impl UnloadReason {
    /// The reason as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Pressure => "pressure",
            Self::Idle => "idle",
            Self::Asked => "asked",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for UnloadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LevelChanged { device, from, to, used, total } => {
                let percent = u128::from(*used) * 100 / u128::from((*total).max(1));
                write!(f, "{device}: {from} -> {to} at {percent} %")
            }
            Self::Loading { model, variant, device, bytes } => {
                write!(f, "loading {model} ({variant}, {}) on {device}", Size(*bytes))
            }
            Self::Loaded { model, variant, took } => {
                write!(f, "loaded {model} ({variant}) in {took:.1?}")
            }
            Self::LoadFailed { model, variant, is_out_of_memory: true } => {
                write!(f, "out of memory while loading {model} ({variant})")
            }
            Self::LoadFailed { model, variant, .. } => {
                write!(f, "could not load {model} ({variant})")
            }
            Self::Degraded { model, from, to } => write!(f, "{model}: {to} instead of {from}"),
            Self::EstimateExceeded { model, estimate, observed } => {
                write!(f, "{model} takes {} instead of {}", Size(*observed), Size(*estimate))
            }
            Self::Unloading { model, bytes, reason } => {
                write!(f, "unloading {model} ({}): {reason}", Size(*bytes))
            }
            Self::Unloaded { model, bytes, took } => {
                write!(f, "unloaded {model}, {} back in {took:.1?}", Size(*bytes))
            }
            Self::UnloadFailed { model, attempt } => {
                write!(f, "unloading {model} failed, attempt {attempt}")
            }
            Self::Killed { model } => write!(f, "{model} is ended by force"),
            Self::UnloadUnverified { model, missing } => {
                write!(f, "{} of {model} did not come back", Size(*missing))
            }
            Self::Quarantined { model, bytes } => {
                write!(f, "{} of {model} did not come back, and stay counted", Size(*bytes))
            }
            Self::QuarantineEnded { model, bytes } => {
                write!(f, "{} of {model} came back at last", Size(*bytes))
            }
            Self::Exhausted { device } => write!(f, "{device}: critical, nothing to evict"),
            Self::Stale { device } => write!(f, "{device} does not answer"),
            Self::Lost { device } => write!(f, "{device} is gone"),
            Self::Back { device } => write!(f, "{device} answers again"),
        }
    }
}
