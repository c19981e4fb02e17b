//! The process-wide store and limits; nothing in this crate uses them itself.

use std::sync::OnceLock;

use lyra_errors::AlreadySet;

use crate::{Limits, MemoryStore};

static STORE: OnceLock<MemoryStore> = OnceLock::new();
static LIMITS: OnceLock<Limits> = OnceLock::new();

/// The process-wide store, once [`set_global`] was called.
#[must_use]
pub fn try_global() -> Option<&'static MemoryStore> {
    STORE.get()
}

/// Makes `store` the process-wide one; the first one stays.
///
/// # Errors
///
/// Hands `store` back when there is one already.
pub fn set_global(store: MemoryStore) -> Result<(), AlreadySet<MemoryStore>> {
    STORE.set(store).map_err(AlreadySet)
}

/// The process-wide limits: the defaults, unless [`set_global_limits`] was
/// called before they were first used.
pub fn global_limits() -> &'static Limits {
    LIMITS.get_or_init(Limits::default)
}

/// Makes `limits` the process-wide ones; the first ones stay.
///
/// # Errors
///
/// Hands `limits` back when there are some already.
pub fn set_global_limits(limits: Limits) -> Result<(), AlreadySet<Limits>> {
    LIMITS.set(limits).map_err(AlreadySet)
}
