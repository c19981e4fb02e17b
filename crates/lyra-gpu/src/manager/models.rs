//! Models that the host loads by itself.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::GpuManager;
use super::contain::contained;
use super::handle::ModelHandle;
use super::reservation::not_reserved;
use super::shared::{Resident, State, believable};
use crate::error::GpuError;
use crate::event::UnloadReason;
use crate::load::Loaded;
use crate::model::ModelSpec;
use crate::scheduler::State::Loading;
use crate::scheduler::{Key, Unregistered};

impl Resident {
    pub(super) fn of(loaded: Loaded) -> Self {
        // The host's code: not under the lock. One that panics tells of none.
        let pids = contained(|| loaded.unloader.pids()).unwrap_or_default();
        Self { unloader: Some(loaded.unloader), value: loaded.value, pids }
    }
}

impl GpuManager {
    /// Takes care of a model that is loaded already: by its first candidate,
    /// on the device that this names or on the first of its kind. From then on
    /// it is evicted like others when nobody [uses](Self::model) it.
    ///
    /// ```
    /// use lyra_gpu::{Candidate, GIB, GpuManager, Loaded, ModelSpec, SimSource};
    ///
    /// let sim = SimSource::new().with_gpu("sim-0", 24 * GIB);
    /// let gpu = GpuManager::builder(sim.clone()).build()?;
    /// let weights = sim.take("sim-0", 6 * GIB)?;
    /// let spec = ModelSpec::new("embedder").with_candidate(Candidate::gpu("f16", 6 * GIB));
    /// gpu.register(&spec, Loaded::value(weights))?;
    /// assert!(gpu.model("embedder").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AlreadyRegistered`](GpuError::AlreadyRegistered),
    /// [`NoDevice`](GpuError::NoDevice), [`Invalid`](GpuError::Invalid) and
    /// [`Closed`](GpuError::Closed).
    #[track_caller]
    pub fn register(&self, spec: &ModelSpec, loaded: Loaded) -> Result<(), GpuError> {
        spec.check()?;
        let location = Location::caller();
        let observed = loaded.observed;
        // What is refused is dropped when the lock is free: it is the host's.
        let mut resident = Some(Resident::of(loaded));
        let registered = self.0.drive(|state, now| {
            let kind = spec.candidates[0].kind;
            let devices = state.scheduler.devices.iter();
            let observed = believable(devices.filter(|one| one.info.kind == kind), observed);
            let key = state.scheduler.register(now, spec.clone(), observed)?;
            state.residents.extend(resident.take().map(|resident| (key, resident)));
            Ok(())
        });
        registered.map_err(|reason| not_reserved(spec, reason, location))
    }

    /// Forgets a model that the host has unloaded by itself.
    ///
    /// # Errors
    ///
    /// [`UnknownModel`](GpuError::UnknownModel); [`InUse`](GpuError::InUse) as
    /// long as there are handles, and [`Loading`](GpuError::Loading) as long as
    /// it is being loaded.
    #[track_caller]
    pub fn unregister(&self, name: &str) -> Result<(), GpuError> {
        let location = Location::caller();
        self.0.drive(|state, now| {
            unused(state, name, location)?;
            let done = state.scheduler.unregister(now, name);
            done.map_err(|reason| not_unregistered(name, &reason, location))
        })
    }

    /// Asks for a model to be unloaded, and to be verified as always. It goes
    /// as soon as the monitor comes to it.
    ///
    /// # Errors
    ///
    /// As [`unregister`](Self::unregister); [`Closed`](GpuError::Closed) after
    /// a shutdown, and [`NotRunning`](GpuError::NotRunning) once the monitor's
    /// runtime has ended: nobody would do it.
    #[track_caller]
    pub fn unload(&self, name: &str) -> Result<(), GpuError> {
        let location = Location::caller();
        // Before its start a monitor may still come to it.
        if self.0.was_started.load(Ordering::Acquire) {
            self.0.is_at_work(location)?;
        }
        self.0.drive(|state, now| {
            if state.scheduler.is_closed() {
                return Err(GpuError::Closed { location });
            }
            let key = unused(state, name, location)?;
            state.scheduler.begin_unload(now, key, UnloadReason::Asked);
            Ok(())
        })
    }

    /// A handle on a model that is loaded; none if it is not. It counts as a
    /// use.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<ModelHandle> {
        let key = self.0.drive(|state, now| state.scheduler.use_if_ready(now, name))?;
        Some(ModelHandle::new(&self.0, key))
    }
}

/// A model that is loaded, and nobody uses.
fn unused(state: &State, name: &str, location: lyra_errors::Location) -> Result<Key, GpuError> {
    let entry = state.scheduler.named(name).map(|(_, entry)| entry.state);
    if matches!(entry, Some(Loading { .. })) {
        return Err(GpuError::Loading { model: Arc::from(name), location });
    }
    let unused = state.scheduler.unused(name);
    unused.map_err(|reason| not_unregistered(name, &reason, location))
}

fn not_unregistered(
    name: &str,
    reason: &Unregistered,
    location: lyra_errors::Location,
) -> GpuError {
    let model = Arc::from(name);
    match reason {
        Unregistered::Unknown => GpuError::UnknownModel { model, location },
        Unregistered::InUse(refs) => GpuError::InUse { model, refs: *refs, location },
    }
}
