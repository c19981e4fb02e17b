use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::SystemTime;

use tokio::time::Instant;

use super::GpuManager;
use super::callbacks::Callbacks;
use super::sample::{self, unix_time};
use super::shared::Shared;
use crate::error::{GpuError, NoDeviceSnafu};
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

type Found = Result<Vec<(DeviceInfo, Result<MemoryReading, SourceError>)>, SourceError>;

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
    /// cannot tell its memory, this is what it has.
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
    /// on a thread of its own and for no longer than the policy's read timeout.
    ///
    /// # Errors
    ///
    /// [`Invalid`](GpuError::Invalid), with the setting;
    /// [`NoDevice`](GpuError::NoDevice) if there is none at all, or the source
    /// does not answer in time.
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
        let budget = |info: &DeviceInfo| self.budgets.get(&info.id).copied();
        let devices = found.iter().map(|(info, _)| (info.clone(), budget(info)));
        let mut scheduler = Scheduler::new(self.policy, devices);
        let unix = unix_time(SystemTime::now());
        for (index, (_, memory)) in found.into_iter().enumerate() {
            let now = started.elapsed();
            scheduler.read(now, index, Read { began: now, unix, memory, own: None });
        }
        let shared = Shared::new(self.source, scheduler, started, self.callbacks);
        Ok(GpuManager(Arc::new(shared)))
    }

    fn look(&self) -> Found {
        let source = Arc::clone(&self.source);
        let look = move || -> Found {
            let devices = source.devices()?;
            let read = |info: DeviceInfo| {
                let memory = sample::guarded(|| source.memory(&info.id));
                (info, memory)
            };
            Ok(devices.into_iter().map(read).collect())
        };
        if self.source.is_immediate() {
            return look();
        }
        let (answer, answered) = mpsc::channel();
        let looking = thread::Builder::new().name("lyra-gpu-look".into());
        let looking = looking.spawn(move || {
            // Nobody waits any more if it took too long.
            let _ = answer.send(look());
        });
        if let Err(error) = looking {
            return Err(SourceError::Failed { reason: error.to_string() });
        }
        answered.recv_timeout(self.policy.read_timeout).unwrap_or(Err(SourceError::TimedOut))
    }
}

impl fmt::Debug for GpuManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuManagerBuilder")
            .field("policy", &self.policy)
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}
