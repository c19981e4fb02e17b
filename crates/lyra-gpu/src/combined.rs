//! Several sources as one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::source::{
    DeviceId, DeviceInfo, DeviceSource, MemoryReading, ProcessMemory, SourceError,
};

/// The devices of several sources, each of which answers for its own.
///
/// A source that cannot tell its devices now is taken by its last word, and
/// hides none of the others.
pub struct CombinedSource {
    sources: Vec<Arc<dyn DeviceSource>>,
    /// What each source said last.
    known: Mutex<Vec<Vec<DeviceInfo>>>,
}

impl CombinedSource {
    /// Joins sources, in this order. No two of them may tell the same device:
    /// then [`devices`](DeviceSource::devices) fails.
    pub fn new(sources: impl IntoIterator<Item = Arc<dyn DeviceSource>>) -> Self {
        let sources: Vec<_> = sources.into_iter().collect();
        let known = Mutex::new(vec![Vec::new(); sources.len()]);
        Self { sources, known }
    }

    /// Whose device it is. One that was never heard of may have come since.
    fn owner(&self, device: &DeviceId) -> Result<&dyn DeviceSource, SourceError> {
        let owner = || {
            let known = self.known();
            let at = known.iter().position(|devices| devices.iter().any(|info| info.id == *device));
            at.map(|at| &*self.sources[at])
        };
        if let Some(owner) = owner() {
            return Ok(owner);
        }
        self.devices()?;
        owner().ok_or(SourceError::Lost)
    }

    fn known(&self) -> MutexGuard<'_, Vec<Vec<DeviceInfo>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeviceSource for CombinedSource {
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        // All are asked before anything is locked: one that hangs holds up no
        // call to another one.
        let told: Vec<_> = self.sources.iter().map(|source| source.devices()).collect();
        let mut known = self.known();
        let mut failure = None;
        for (known, told) in known.iter_mut().zip(told) {
            match told {
                Ok(devices) => *known = devices,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let all: Vec<DeviceInfo> = known.iter().flatten().cloned().collect();
        drop(known);
        let mut ids = HashSet::new();
        if let Some(twice) = all.iter().find(|info| !ids.insert(&info.id)) {
            let reason = format!("two sources tell of the device {}", twice.id);
            return Err(SourceError::Failed { reason });
        }
        match failure {
            Some(error) if all.is_empty() => Err(error),
            _ => Ok(all),
        }
    }

    fn memory(&self, device: &DeviceId) -> Result<MemoryReading, SourceError> {
        self.owner(device)?.memory(device)
    }

    fn processes(&self, device: &DeviceId) -> Result<Vec<ProcessMemory>, SourceError> {
        self.owner(device)?.processes(device)
    }

    fn is_immediate(&self) -> bool {
        self.sources.iter().all(|source| source.is_immediate())
    }
}

impl std::fmt::Debug for CombinedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CombinedSource").field("known", &self.known).finish_non_exhaustive()
    }
}
