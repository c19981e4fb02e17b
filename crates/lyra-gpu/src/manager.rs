mod acquire;
mod builder;
mod callbacks;
mod contain;
mod handle;
mod models;
mod reservation;
mod run;
mod sample;
mod shared;
mod unload;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::event::Event;
use crate::model::{Candidate, ModelSpec};
use crate::scheduler::Place;
use crate::snapshot::Snapshot;
use crate::source::DeviceId;
use crate::status::Status;
use crate::verdict::LoadVerdict;
use shared::Shared;

pub use builder::GpuManagerBuilder;
pub use handle::ModelHandle;
pub use reservation::Reservation;
pub use run::Monitor;

/// Keeps the memory of the devices under their limits: watches them, admits
/// loads by reservation, evicts what was used longest ago, and takes lesser
/// candidates where the best one does not fit.
///
/// Clones are the same manager. It does nothing by itself until it is
/// [started](Self::start) in a tokio runtime.
///
/// ```
/// use std::time::Duration;
/// use lyra_gpu::{Candidate, GIB, GpuManager, Loaded, ModelSpec, SimSource};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = SimSource::new().with_gpu("sim-0", 24 * GIB);
/// let gpu = GpuManager::builder(sim.clone()).build()?;
/// let monitor = gpu.start()?;
///
/// let spec = ModelSpec::new("chat")
///     .with_candidate(Candidate::gpu("q8", 30 * GIB)) // never fits
///     .with_candidate(Candidate::gpu("q4", 14 * GIB));
/// let card = sim.clone();
/// let chat = gpu
///     .acquire(&spec, Duration::from_secs(30), move |grant| {
///         let card = card.clone();
///         async move {
///             let (device, bytes) = grant.shares[0].clone();
///             Ok(Loaded::value(card.take(device, bytes).map_err(lyra_gpu::LoadError::out_of_memory)?))
///         }
///     })
///     .await?;
/// assert_eq!(chat.variant(), "q4");
/// # drop(chat);
/// monitor.shutdown(Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GpuManager(Arc<Shared>);

impl GpuManager {
    /// A manager of these devices.
    pub fn builder(source: impl crate::source::DeviceSource) -> GpuManagerBuilder {
        GpuManagerBuilder::new(Arc::new(source))
    }

    /// How everything stands: a value, read at one moment.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.look_at_the_clock();
        let state = self.0.lock();
        Status::of(&state.scheduler, self.0.now())
    }

    /// Whether a model of so many bytes could be loaded on a GPU now.
    ///
    /// This is advice: by the time that it is read, another load may have been
    /// admitted. What is to be loaded is [reserved](Self::try_reserve) or
    /// [acquired](Self::acquire).
    #[must_use]
    pub fn can_load_model(&self, bytes: u64) -> LoadVerdict {
        self.can_load(&Candidate::gpu("", bytes.max(1)))
    }

    /// Whether this candidate could be loaded now, of a model of no special
    /// importance; advice as well.
    #[must_use]
    pub fn can_load(&self, candidate: &Candidate) -> LoadVerdict {
        if candidate.peaks.is_empty() {
            return LoadVerdict::NoGpu;
        }
        self.0.look_at_the_clock();
        let spec = ModelSpec::new("").with_candidate(candidate.clone());
        let state = self.0.lock();
        let scheduler = &state.scheduler;
        let claims = vec![0; scheduler.devices.len()];
        let id = |index: usize| scheduler.devices[index].info.id.clone();
        match scheduler.place(self.0.now(), &spec, candidate, &claims) {
            Place::Fits(shares) => LoadVerdict::Fits { device: id(shares[0].0) },
            Place::Coming(shares) => LoadVerdict::FitsSoon { device: id(shares[0].0) },
            Place::Evict(shares, victims) => {
                let names = victims.iter().filter_map(|key| scheduler.entries.get(key));
                let models = names.map(|entry| entry.name()).collect();
                LoadVerdict::FitsAfterEviction { device: id(shares[0].0), models }
            }
            Place::Busy(_) => LoadVerdict::WaitsForUse,
            Place::TooLarge { largest } => LoadVerdict::TooLarge { largest },
            Place::NoDevice => LoadVerdict::NoGpu,
        }
    }

    /// The last hundred readings of a device, the oldest first; none, if there
    /// is no such device.
    #[must_use]
    pub fn history(&self, device: &DeviceId) -> Vec<Snapshot> {
        let state = self.0.lock();
        let mut devices = state.scheduler.devices.iter();
        let device = devices.find(|known| known.info.id == *device);
        device.map(|device| device.history.iter().copied().collect()).unwrap_or_default()
    }

    /// What happens from now on. A listener that is more than 256 events behind
    /// is told how many it missed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        let receiver = self.0.events.subscribe();
        self.0.lock().scheduler.is_heard = true;
        receiver
    }

    /// Reads all devices once and does what is due, for programs that have a
    /// schedule of their own. Unloads are begun by a [monitor](Self::start)
    /// alone.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, devices that were not read yet are not.
    pub async fn check(&self) {
        self.0.sample_all().await;
    }

    /// How long the manager exists.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.now()
    }
}

impl fmt::Debug for GpuManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GpuManager").field(&self.status()).finish()
    }
}
