use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::contain::let_go;
use super::shared::Shared;
use crate::load::Grant;
use crate::scheduler::Key;

/// A model in use: as long as one of these is there, it is never evicted.
///
/// Dropped, it is one use less; it never blocks, and needs no runtime.
#[must_use = "dropped, the model may be evicted"]
pub struct ModelHandle {
    shared: Arc<Shared>,
    key: Key,
    /// Looked up when somebody asks.
    grant: OnceLock<Grant>,
    value: Option<Arc<dyn Any + Send + Sync>>,
}

impl ModelHandle {
    /// For one that is counted as in use already.
    pub(super) fn new(shared: &Arc<Shared>, key: Key) -> Self {
        let value = {
            let state = shared.lock();
            state.residents.get(&key).and_then(|resident| resident.value.clone())
        };
        Self { shared: Arc::clone(shared), key, grant: OnceLock::new(), value }
    }

    /// The model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.grant().model
    }

    /// The name of the candidate that is loaded.
    #[must_use]
    pub fn variant(&self) -> &str {
        &self.grant().variant
    }

    /// Where it is, how much was reserved, and whether it is the best
    /// candidate.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.grant.get_or_init(|| self.shared.lock().scheduler.grant_of(self.key))
    }

    /// What the loader gave, if it is of this type. Who keeps it beyond the
    /// handle keeps the model's memory, too.
    #[must_use]
    pub fn value<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.value.as_deref()?.downcast_ref()
    }
}

impl Drop for ModelHandle {
    fn drop(&mut self) {
        // The handle's own share of the value goes first, so that whoever
        // unloads the model has the last one.
        let_go(self.value.take());
        self.shared.drive(|state, now| state.scheduler.release(now, self.key));
    }
}

impl fmt::Debug for ModelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelHandle").field("grant", self.grant()).finish_non_exhaustive()
    }
}
