//! The memory of the machine, or of the container, as one device.

mod cgroup;
mod text;

use std::path::PathBuf;

use crate::source::{DeviceId, DeviceInfo, DeviceKind, DeviceSource, MemoryReading, SourceError};
use text::Root;

const ID: &str = "cpu";

/// The processor, with the memory that this process can have.
///
/// That is what the machine has, or what the control groups of this process
/// leave it, whichever is less. What is cached from files counts as free,
/// because the system gives it up where memory is asked for; swap does not
/// count at all.
///
/// It reads what Linux tells; elsewhere the memory is
/// [`SourceError::NotSupported`].
#[derive(Debug, Clone)]
pub struct CpuSource {
    root: Root,
}

impl CpuSource {
    /// The machine that this process runs on.
    #[must_use]
    pub fn new() -> Self {
        Self::rooted_at("/")
    }

    /// Reads below another folder, which holds `proc` and `sys`: for a
    /// machine's own that is mounted somewhere else, and for tests.
    #[must_use]
    pub fn rooted_at(root: impl Into<PathBuf>) -> Self {
        Self { root: Root::new(root.into()) }
    }
}

impl Default for CpuSource {
    fn default() -> Self {
        Self::new()
    }
}

impl DeviceSource for CpuSource {
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        // A device without its name is better than none.
        let text = self.root.read("proc/cpuinfo").ok().flatten().unwrap_or_default();
        let name = text.lines().find_map(|line| {
            let (key, name) = line.split_once(':')?;
            (key.trim() == "model name").then(|| name.trim())
        });
        // Not every kind of processor says what it is called.
        let name = name.filter(|name| !name.is_empty()).unwrap_or("CPU");
        Ok(vec![DeviceInfo::new(ID, 0, name, DeviceKind::Cpu)])
    }

    fn memory(&self, device: &DeviceId) -> Result<MemoryReading, SourceError> {
        if device.as_str() != ID {
            return Err(SourceError::Lost);
        }
        let Some(mut machine) = machine(&self.root)? else {
            return Err(SourceError::NotSupported);
        };
        for limit in cgroup::limits(&self.root)? {
            machine.total = machine.total.min(limit.most);
            machine.free = machine.free.min(limit.left());
        }
        Ok(MemoryReading::new(machine.total, machine.free))
    }
}

#[derive(Debug)]
struct Memory {
    total: u64,
    free: u64,
}

/// What the whole machine has; none where the system does not tell.
fn machine(root: &Root) -> Result<Option<Memory>, SourceError> {
    const PATH: &str = "proc/meminfo";
    let Some(text) = root.read(PATH)? else { return Ok(None) };
    let bytes = |key: &str| {
        let kib = root
            .field(PATH, &text, key)?
            .ok_or_else(|| root.strange(PATH, &format!("has no {key}")))?;
        Ok(kib.saturating_mul(1024))
    };
    Ok(Some(Memory { total: bytes("MemTotal:")?, free: bytes("MemAvailable:")? }))
}
