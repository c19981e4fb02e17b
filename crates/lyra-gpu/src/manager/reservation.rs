use std::fmt;
use std::mem;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::GpuManager;
use super::handle::ModelHandle;
use super::shared::{Resident, Shared};
use crate::error::GpuError;
use crate::load::{Grant, Loaded};
use crate::model::{Candidate, ModelSpec};
use crate::scheduler::{Key, NotReserved, Refusal};

/// Memory that is reserved for a model that the host loads by itself.
/// Dropped, it is free again: what was loaded under it has to be gone by then.
#[must_use = "dropped, the memory is free again"]
pub struct Reservation {
    shared: Arc<Shared>,
    key: Key,
    /// Looked up when somebody asks.
    grant: OnceLock<Grant>,
    is_open: bool,
}

impl GpuManager {
    /// Reserves memory for a model now, by the best candidate that fits as it
    /// is. Nothing is evicted for it, and nobody who waits is passed.
    ///
    /// ```
    /// use lyra_gpu::{Candidate, GIB, GpuManager, Loaded, ModelSpec, SimSource};
    ///
    /// let sim = SimSource::new().with_gpu("sim-0", 24 * GIB);
    /// let gpu = GpuManager::builder(sim.clone()).build()?;
    /// let spec = ModelSpec::new("chat").with_candidate(Candidate::gpu("q4", 8 * GIB));
    /// let reservation = gpu.try_reserve(&spec)?;
    /// let memory = sim.take("sim-0", 8 * GIB)?; // the host loads it
    /// let chat = reservation.commit(Loaded::value(memory).with_observed(8 * GIB));
    /// assert_eq!(chat.name(), "chat");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoRoom`](GpuError::NoRoom), if it could fit later;
    /// [`TooLarge`](GpuError::TooLarge) or [`NoDevice`](GpuError::NoDevice), if
    /// never; [`AlreadyRegistered`](GpuError::AlreadyRegistered), if the model
    /// is there; [`Invalid`](GpuError::Invalid) and
    /// [`Closed`](GpuError::Closed).
    #[track_caller]
    pub fn try_reserve(&self, spec: &ModelSpec) -> Result<Reservation, GpuError> {
        spec.check()?;
        let location = Location::caller();
        // One look at the clock and one lock for both: it is done on a hot path.
        let reserved = self.0.drive(|state, now| {
            if state.has_old_readings(now) {
                state.scheduler.tick(now);
            }
            state.scheduler.reserve(now, spec)
        });
        let key = reserved.map_err(|reason| not_reserved(spec, reason, location))?;
        let (shared, grant) = (Arc::clone(&self.0), OnceLock::new());
        Ok(Reservation { shared, key, grant, is_open: true })
    }
}

impl Reservation {
    /// What may be loaded, and where.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.grant.get_or_init(|| self.shared.lock().scheduler.grant_of(self.key))
    }

    /// The model is loaded; it is in use as long as the handle is there.
    pub fn commit(mut self, loaded: Loaded) -> ModelHandle {
        let (key, observed) = (self.key, loaded.observed);
        let resident = Resident::of(loaded);
        self.is_open = false;
        self.shared.drive(|state, now| {
            state.residents.insert(key, resident);
            // Held before anybody else may evict it.
            state.scheduler.hold(now, key);
            let observed = state.believable(key, observed);
            state.scheduler.loaded(now, key, observed);
        });
        ModelHandle::new(&self.shared, key)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if mem::take(&mut self.is_open) {
            self.shared.drive(|state, now| state.scheduler.withdraw(now, self.key));
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("grant", self.grant()).finish_non_exhaustive()
    }
}

pub(super) fn not_reserved(
    spec: &ModelSpec,
    reason: NotReserved,
    location: lyra_errors::Location,
) -> GpuError {
    let model = Arc::clone(&spec.name);
    match reason {
        NotReserved::NoRoom => GpuError::NoRoom { model, location },
        NotReserved::NameTaken => GpuError::AlreadyRegistered { model, location },
        NotReserved::Refused(refusal) => refused(spec, refusal, location),
    }
}

pub(super) fn refused(
    spec: &ModelSpec,
    refusal: Refusal,
    location: lyra_errors::Location,
) -> GpuError {
    match refusal {
        Refusal::TooLarge { bytes, largest } => {
            GpuError::TooLarge { model: Arc::clone(&spec.name), bytes, largest, location }
        }
        Refusal::NoDevice { reason: there_is } => {
            let mut wanted: Vec<String> = spec.candidates.iter().map(Candidate::wanted).collect();
            wanted.dedup();
            let (name, wanted) = (&spec.name, wanted.join(" or "));
            let reason = format!("`{name}` asks for {wanted}, and there are {there_is}");
            GpuError::NoDevice { reason, location }
        }
        Refusal::Closed => GpuError::Closed { location },
    }
}
