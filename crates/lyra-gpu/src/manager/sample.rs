//! Reading the devices: what blocks does so on a thread for that, and one that
//! does not answer is not asked again until it does.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::task;
use tokio::time::timeout;

use super::contain::contained;
use super::shared::{Shared, State};
use crate::bytes::LARGEST;
#[cfg(feature = "metrics")]
use crate::metrics::Standing;
use crate::scheduler::Read;
use crate::source::{DeviceId, DeviceSource, MemoryReading, SourceError};
#[cfg(not(feature = "metrics"))]
use crate::uncounted::Standing;

/// Whether a device was asked, and has not answered yet: a driver is asked one
/// thing at a time, however long that takes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Asked(Arc<AtomicBool>);

/// A question that is out, until this is dropped.
#[derive(Debug)]
pub(super) struct Question(Asked);

impl Asked {
    pub(super) fn ask(&self) -> Option<Question> {
        let is_out = self.0.swap(true, Ordering::AcqRel);
        (!is_out).then(|| Question(self.clone()))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// Readings that are under way, of one device each: none waits for another.
#[derive(Default)]
pub(super) struct Readings(Vec<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Readings {
    /// Asks every device that owes no answer.
    pub(super) fn begin(&mut self, shared: &Arc<Shared>) {
        for (index, asked) in shared.asked.iter().enumerate() {
            if let Some(question) = asked.ask() {
                let shared = Arc::clone(shared);
                self.0.push(Box::pin(async move { shared.sample(index, question).await }));
            }
        }
    }

    /// Takes what is there by now.
    pub(super) async fn look(&mut self) {
        poll_fn(|context| {
            self.poll(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Ends with the next that is there; never, if none is under way.
    pub(super) async fn next(&mut self) {
        poll_fn(|context| if self.poll(context) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    async fn all(&mut self) {
        while !self.0.is_empty() {
            self.next().await;
        }
    }

    /// Whether any has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.0.len();
        self.0.retain_mut(|reading| reading.as_mut().poll(context).is_pending());
        self.0.len() < before
    }
}

impl Shared {
    /// Reads every device, and does what is due.
    pub(crate) async fn sample_all(self: &Arc<Self>) {
        let mut readings = Readings::default();
        readings.begin(self);
        readings.all().await;
        self.drive(|state, now| state.scheduler.tick(now));
    }

    async fn sample(self: Arc<Self>, index: usize, question: Question) {
        let began = self.now();
        let (device, pids, limit) = {
            let state = self.lock();
            let device = state.scheduler.devices[index].info.id.clone();
            (device, pids_on(&state, index), state.scheduler.policy.read_timeout)
        };
        let source = Arc::clone(&self.source);
        let look = move || {
            let looked = look(&*source, &device, &pids);
            drop(question);
            looked
        };
        let (memory, own) = if self.source.is_immediate() || Handle::try_current().is_err() {
            look()
        } else {
            match timeout(limit, task::spawn_blocking(look)).await {
                Ok(Ok(looked)) => looked,
                // The runtime ends, and never ran it.
                Ok(Err(_)) => return,
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
    let memory = memory_of(source, device);
    if pids.is_empty() || memory.is_err() {
        return (memory, None);
    }
    let Ok(processes) = guarded(|| source.processes(device)) else { return (memory, None) };
    let own: Vec<_> = processes.iter().filter(|process| pids.contains(&process.pid)).collect();
    // Evidence only if it is there for all of them that are seen.
    let bytes =
        own.iter().try_fold(0, |sum: u64, process| Some(sum.saturating_add(process.bytes?)));
    (memory, bytes.filter(|_| !own.is_empty()))
}

/// No source makes the sums overflow, whatever it tells.
pub(super) fn memory_of(
    source: &dyn DeviceSource,
    device: &DeviceId,
) -> Result<MemoryReading, SourceError> {
    let mut reading = guarded(|| source.memory(device))?;
    reading.total = reading.total.min(LARGEST);
    reading.free = reading.free.min(reading.total);
    Ok(reading)
}

/// A source that panics has not told anything.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    contained(read).unwrap_or_else(|panic| {
        Err(SourceError::Failed { reason: format!("the source panicked: {}", panic.text()) })
    })
}

pub(super) fn unix_time(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
