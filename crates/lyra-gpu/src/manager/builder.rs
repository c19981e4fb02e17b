use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::GpuManager;
use super::callbacks::Callbacks;
use super::sample::{Asked, guarded, memory_of, unix_time};
use super::shared::Shared;
use crate::error::{GpuError, InvalidSnafu, NoDeviceSnafu};
use crate::event::Event;
use crate::policy::Policy;
use crate::scheduler::{Read, Scheduler};
use crate::source::{DeviceId, DeviceInfo, DeviceSource, MemoryReading, SourceError};

/// Settings of a [`GpuManager`]; without any it follows the default
/// [`Policy`].
#[must_use]
pub struct GpuManagerBuilder {
    source: Arc<dyn DeviceSource>,
    policy: Policy,
    budgets: HashMap<DeviceId, u64>,
    callbacks: Callbacks,
}

/// A device, and how it stands.
struct Found {
    info: DeviceInfo,
    memory: Result<MemoryReading, SourceError>,
    /// Until it answers, it is not asked again.
    asked: Asked,
}

impl GpuManagerBuilder {
    pub(super) fn new(source: Arc<dyn DeviceSource>) -> Self {
        let (policy, budgets) = (Policy::default(), HashMap::new());
        Self { source, policy, budgets, callbacks: Callbacks::default() }
    }

    /// When to admit, when to evict, and how long to wait for what.
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Treats a device as if it had no more than so many bytes; for one that
    /// cannot tell its memory, this is what it has. What others use of the
    /// device counts against it.
    pub fn with_budget(mut self, device: impl Into<DeviceId>, bytes: u64) -> Self {
        self.budgets.insert(device.into(), bytes);
        self
    }

    /// Calls this with each event, on a thread of its own. One that panics is
    /// called again with the next; one that falls 256 events behind misses
    /// some.
    pub fn on_event(self, callback: impl FnMut(&Event) + Send + 'static) -> Self {
        self.callbacks.add(callback);
        self
    }

    /// The manager. It looks once which devices there are and how they stand,
    /// on threads of its own, and waits for each answer no longer than the
    /// policy's read timeout. A device that comes later is not seen; one that
    /// does not answer in time is there, and nothing is admitted on it until it
    /// does.
    ///
    /// # Errors
    ///
    /// [`Invalid`](GpuError::Invalid), with the setting: also for a budget of a
    /// device that is not there, and for a source that tells one device twice;
    /// [`NoDevice`](GpuError::NoDevice) if there is none at all, or none
    /// answers in time.
    #[track_caller]
    pub fn build(self) -> Result<GpuManager, GpuError> {
        self.policy.check()?;
        let started = Instant::now();
        let found = match self.look() {
            Ok(found) if found.is_empty() => {
                return NoDeviceSnafu { reason: "the source has no devices" }.fail();
            }
            Ok(found) => found,
            Err(error) => return NoDeviceSnafu { reason: error.to_string() }.fail(),
        };
        self.check(&found)?;
        let budget = |info: &DeviceInfo| self.budgets.get(&info.id).copied();
        let devices = found.iter().map(|found| (found.info.clone(), budget(&found.info)));
        let mut scheduler = Scheduler::new(self.policy, devices);
        let asked = found.iter().map(|found| found.asked.clone()).collect();
        let unix = unix_time(SystemTime::now());
        for (index, Found { memory, .. }) in found.into_iter().enumerate() {
            let now = started.elapsed();
            scheduler.read(now, index, Read { began: now, unix, memory, own: None });
        }
        let shared = Shared::new(self.source, scheduler, asked, started, self.callbacks);
        Ok(GpuManager(Arc::new(shared)))
    }

    #[track_caller]
    fn check(&self, found: &[Found]) -> Result<(), GpuError> {
        let mut ids = HashSet::new();
        if let Some(twice) = found.iter().find(|found| !ids.insert(&found.info.id)) {
            let given = format!("`{}` twice", twice.info.id);
            let reason = "a source has to tell each device once";
            return InvalidSnafu { setting: "devices", reason, given }.fail();
        }
        // The same one each time, of several that are wrong.
        let mut budgets: Vec<_> = self.budgets.iter().collect();
        budgets.sort_unstable();
        for (device, bytes) in budgets {
            if *bytes == 0 {
                let given = format!("0 for `{device}`");
                let reason = "it has to be over zero";
                return InvalidSnafu { setting: "budget", reason, given }.fail();
            }
            if !ids.contains(device) {
                let known = found.iter().map(|found| format!("`{}`", found.info.id));
                let known = known.collect::<Vec<_>>().join(", ");
                let given = format!("for `{device}`, where there is {known}");
                let reason = "it has to be for a device that is there";
                return InvalidSnafu { setting: "budget", reason, given }.fail();
            }
        }
        Ok(())
    }

    fn look(&self) -> Result<Vec<Found>, SourceError> {
        let limit = self.policy.read_timeout;
        let devices = self.ask(|source| guarded(|| source.devices()));
        let devices = answer_of(&devices, limit)?;
        let began = Instant::now();
        let answers: Vec<_> = devices.into_iter().map(|info| self.ask_memory(info)).collect();
        let found = answers.into_iter().map(|(info, asked, answer)| {
            let left = limit.saturating_sub(began.elapsed());
            Found { info, asked, memory: answer_of(&answer, left) }
        });
        let found: Vec<Found> = found.collect();
        let is_mute = |found: &Found| found.memory == Err(SourceError::TimedOut);
        match !found.is_empty() && found.iter().all(is_mute) {
            true => Err(SourceError::TimedOut),
            false => Ok(found),
        }
    }

    fn ask_memory(&self, info: DeviceInfo) -> (DeviceInfo, Asked, Answer<MemoryReading>) {
        let asked = Asked::default();
        let (id, question) = (info.id.clone(), asked.ask());
        let answer = self.ask(move |source| {
            let memory = memory_of(source, &id);
            drop(question);
            memory
        });
        (info, asked, answer)
    }

    /// Asks the source on a thread for that, unless it never blocks.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn DeviceSource) -> Result<T, SourceError> + Send + 'static,
    ) -> Answer<T> {
        let (source, (sender, answer)) = (Arc::clone(&self.source), mpsc::channel());
        if source.is_immediate() {
            let _ = sender.send(question(&*source));
            return answer;
        }
        let told = sender.clone();
        let asking = thread::Builder::new().name("lyra-gpu-look".into());
        let asking = asking.spawn(move || {
            // Nobody waits any more if it took too long.
            let _ = told.send(question(&*source));
        });
        if let Err(error) = asking {
            let _ = sender.send(Err(SourceError::Failed { reason: error.to_string() }));
        }
        answer
    }
}

type Answer<T> = mpsc::Receiver<Result<T, SourceError>>;

fn answer_of<T>(answer: &Answer<T>, limit: Duration) -> Result<T, SourceError> {
    answer.recv_timeout(limit).unwrap_or(Err(SourceError::TimedOut))
}

impl fmt::Debug for GpuManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuManagerBuilder")
            .field("policy", &self.policy)
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}
