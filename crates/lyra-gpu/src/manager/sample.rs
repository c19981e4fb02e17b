//! Reading the devices: what blocks does so on a thread for that, and one that
//! does not answer is not asked again until it does.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::task;
use tokio::time::timeout;

use super::shared::{Shared, State};
#[cfg(feature = "metrics")]
use crate::metrics::Standing;
use crate::scheduler::Read;
use crate::source::{DeviceId, DeviceSource, MemoryReading, SourceError};
#[cfg(not(feature = "metrics"))]
use crate::uncounted::Standing;

impl Shared {
    /// Reads every device, and does what is due.
    pub(crate) async fn sample_all(self: &Arc<Self>) {
        for index in 0..self.reading.len() {
            self.sample(index).await;
        }
        self.drive(|state, now| state.scheduler.tick(now));
    }

    async fn sample(self: &Arc<Self>, index: usize) {
        if self.reading[index].swap(true, Ordering::AcqRel) {
            return;
        }
        let began = self.now();
        let (device, pids, limit) = {
            let state = self.lock();
            let device = state.scheduler.devices[index].info.id.clone();
            (device, pids_on(&state, index), state.scheduler.policy.read_timeout)
        };
        let shared = Arc::clone(self);
        let look = move || {
            let looked = look(&*shared.source, &device, &pids);
            shared.reading[index].store(false, Ordering::Release);
            looked
        };
        let (memory, own) = if self.source.is_immediate() || Handle::try_current().is_err() {
            look()
        } else {
            match timeout(limit, task::spawn_blocking(look)).await {
                Ok(Ok(looked)) => looked,
                Ok(Err(_)) => {
                    // The runtime ends, and never ran it.
                    self.reading[index].store(false, Ordering::Release);
                    return;
                }
                Err(_) => (Err(SourceError::TimedOut), None),
            }
        };
        let unix = unix_time(SystemTime::now());
        let read = Read { began, unix, memory, own };
        let standing = self.drive(|state, now| {
            state.scheduler.read(now, index, read);
            Standing::of(&state.scheduler.devices[index])
        });
        self.series[index].record(&standing);
    }
}

/// The processes of the models on a device; none if one of these is in this
/// process, of which nobody can tell what else it has there.
fn pids_on(state: &State, index: usize) -> HashSet<u32> {
    let residents = state.residents.iter().filter(|(key, _)| {
        let entry = state.scheduler.entries.get(key);
        entry.is_some_and(|entry| entry.share_on(index).is_some())
    });
    let mut pids = HashSet::new();
    for (_, resident) in residents {
        if resident.pids.is_empty() {
            return HashSet::new();
        }
        pids.extend(&resident.pids);
    }
    pids
}

/// The memory of a device, and what of it the processes with these numbers
/// have, if the driver tells of any of them.
fn look(
    source: &dyn DeviceSource,
    device: &DeviceId,
    pids: &HashSet<u32>,
) -> (Result<MemoryReading, SourceError>, Option<u64>) {
    let memory = guarded(|| source.memory(device));
    if pids.is_empty() || memory.is_err() {
        return (memory, None);
    }
    let Ok(processes) = guarded(|| source.processes(device)) else { return (memory, None) };
    let own: Vec<_> = processes.iter().filter(|process| pids.contains(&process.pid)).collect();
    // Evidence only if it is there for all of them that are seen.
    let bytes = own.iter().map(|process| process.bytes).sum::<Option<u64>>();
    (memory, bytes.filter(|_| !own.is_empty()))
}

/// A source that panics has not told anything.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
        Err(SourceError::Failed { reason: "the source panicked".into() })
    })
}

pub(super) fn unix_time(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
