//! Models that the host loads by itself.

use std::panic::Location;
use std::sync::Arc;

use super::GpuManager;
use super::handle::ModelHandle;
use super::reservation::not_reserved;
use super::shared::Resident;
use crate::error::GpuError;
use crate::event::UnloadReason;
use crate::load::Loaded;
use crate::model::ModelSpec;
use crate::scheduler::Unregistered;

impl Resident {
    pub(super) fn of(loaded: Loaded) -> Self {
        // The host's code: not under the lock.
        let pids = loaded.unloader.pids();
        Self { unloader: loaded.unloader, value: loaded.value, pids }
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
        let resident = Resident::of(loaded);
        let registered = self.0.drive(|state, now| {
            let key = state.scheduler.register(now, spec.clone(), observed)?;
            state.residents.insert(key, resident);
            Ok(())
        });
        registered.map_err(|reason| not_reserved(spec, reason, location))
    }

    /// Forgets a model that the host has unloaded by itself.
    ///
    /// # Errors
    ///
    /// [`UnknownModel`](GpuError::UnknownModel); [`InUse`](GpuError::InUse) as
    /// long as there are handles.
    #[track_caller]
    pub fn unregister(&self, name: &str) -> Result<(), GpuError> {
        let location = Location::caller();
        let done = self.0.drive(|state, now| state.scheduler.unregister(now, name));
        done.map_err(|reason| not_unregistered(name, &reason, location))
    }

    /// Asks for a model to be unloaded, and to be verified as always. It goes
    /// as soon as the monitor comes to it.
    ///
    /// # Errors
    ///
    /// As [`unregister`](Self::unregister).
    #[track_caller]
    pub fn unload(&self, name: &str) -> Result<(), GpuError> {
        let location = Location::caller();
        let done = self.0.drive(|state, now| {
            let key = state.scheduler.unused(name)?;
            state.scheduler.begin_unload(now, key, UnloadReason::Asked);
            Ok(())
        });
        done.map_err(|reason| not_unregistered(name, &reason, location))
    }

    /// A handle on a model that is loaded; none if it is not. It counts as a
    /// use.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<ModelHandle> {
        let key = self.0.drive(|state, now| state.scheduler.use_if_ready(now, name))?;
        Some(ModelHandle::new(&self.0, key))
    }
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
