//! The seam to the hardware: which devices there are, and how their memory
//! stands.

use std::fmt;
use std::sync::Arc;

/// What tells the devices and their memory.
///
/// Its calls may block, for as long as a driver does: they run on a thread for
/// blocking work, one at a time for each device, and a reading that does not
/// come in time counts as missing. See `SimSource` for one
/// that a test scripts.
pub trait DeviceSource: Send + Sync + 'static {
    /// The devices that are there, each under an id that stays the same for as
    /// long as it is there.
    ///
    /// # Errors
    ///
    /// [`SourceError`], if that cannot be told now.
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError>;

    /// How the memory of a device stands now, of all processes together.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: [`Lost`](SourceError::Lost) if the device is gone,
    /// [`NotSupported`](SourceError::NotSupported) if it cannot tell.
    fn memory(&self, device: &DeviceId) -> Result<MemoryReading, SourceError>;

    /// Which processes have memory on a device, as far as that can be told. It
    /// is evidence beside [`memory`](Self::memory), and takes a driver much
    /// longer.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; [`NotSupported`](SourceError::NotSupported) unless the
    /// source can tell.
    fn processes(&self, device: &DeviceId) -> Result<Vec<ProcessMemory>, SourceError> {
        let _ = device;
        Err(SourceError::NotSupported)
    }

    /// Whether its calls never block, so that they need no thread of their
    /// own.
    fn is_immediate(&self) -> bool {
        false
    }
}

/// What names a device for good: the UUID that its driver gives it. Never an
/// index, which changes from library to library and from start to start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(Arc<str>);

/// A device, as its source names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// What names it for good.
    pub id: DeviceId,
    /// Its place in the order of its source, for people to read.
    pub index: u32,
    /// The name of its make.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Its address on the PCI bus, if it has one.
    pub pci_bus_id: Option<String>,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// A card with memory of its own, or a part of one (MIG).
    Gpu,
    /// The processor, with the memory of the machine or of the container.
    Cpu,
}

/// How the memory of a device stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryReading {
    /// All there is.
    pub total: u64,
    /// What can still be had. What is not free counts as used, whoever has it:
    /// drivers do not agree on whether the memory that they keep for
    /// themselves belongs to what they call used.
    pub free: u64,
    /// What the driver calls used.
    pub used: u64,
    /// What the driver keeps for itself, if it tells that.
    pub reserved: Option<u64>,
}

/// What a process has on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessMemory {
    /// The process, as its own machine or container numbers it.
    pub pid: u32,
    /// How much it has, in bytes, if the driver tells.
    pub bytes: Option<u64>,
}

/// Why a source could not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no library of the driver, or no driver: no such devices.
    Absent {
        /// What was looked for, and what was found instead.
        reason: String,
    },
    /// The device is there no longer, or does not answer any more.
    Lost,
    /// It cannot tell this at all.
    NotSupported,
    /// There was no answer in time.
    TimedOut,
    /// Something else, in the driver's words.
    Failed {
        /// What the driver said.
        reason: String,
    },
}

impl DeviceId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for DeviceId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for DeviceId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl DeviceKind {
    /// The kind as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        }
    }
}

impl DeviceInfo {
    /// A device without an address on a bus.
    pub fn new(
        id: impl Into<DeviceId>,
        index: u32,
        name: impl Into<String>,
        kind: DeviceKind,
    ) -> Self {
        Self { id: id.into(), index, name: name.into(), kind, pci_bus_id: None }
    }

    /// Its address on the PCI bus.
    #[must_use]
    pub fn with_pci_bus_id(mut self, address: impl Into<String>) -> Self {
        self.pci_bus_id = Some(address.into());
        self
    }
}

impl MemoryReading {
    /// So much in all, and so much of it free; never more than there is.
    #[must_use]
    pub fn new(total: u64, free: u64) -> Self {
        let free = free.min(total);
        Self { total, free, used: total - free, reserved: None }
    }

    /// What the driver says beside: what it calls used, and what it keeps.
    #[must_use]
    pub fn with_driver_figures(mut self, used: u64, reserved: Option<u64>) -> Self {
        (self.used, self.reserved) = (used, reserved);
        self
    }

    /// What cannot be had: all there is, but what is free.
    #[must_use]
    pub fn unavailable(&self) -> u64 {
        self.total - self.free.min(self.total)
    }
}

impl ProcessMemory {
    /// What a process has; none where the driver does not tell how much.
    #[must_use]
    pub fn new(pid: u32, bytes: Option<u64>) -> Self {
        Self { pid, bytes }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { reason } => write!(f, "no such devices: {reason}"),
            Self::Lost => f.write_str("the device is gone"),
            Self::NotSupported => f.write_str("the device cannot tell this"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Failed { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for SourceError {}
