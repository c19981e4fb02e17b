//! One instance for the whole process, for those who want it.

use std::sync::OnceLock;

use lyra_errors::AlreadySet;

use crate::detect::detect;
use crate::error::GpuError;
use crate::manager::GpuManager;

static MANAGER: OnceLock<GpuManager> = OnceLock::new();

/// The process-wide manager: the one that was [set](set_global), or one with
/// the default policy over what this machine [has](detect). It is not started.
///
/// # Errors
///
/// [`NoDevice`](GpuError::NoDevice) if there is nothing to measure; then the
/// next call looks again.
pub fn global() -> Result<&'static GpuManager, GpuError> {
    if let Some(manager) = MANAGER.get() {
        return Ok(manager);
    }
    let manager = GpuManager::builder(detect().source).build()?;
    Ok(MANAGER.get_or_init(|| manager))
}

/// Sets the process-wide manager, once and before it is used.
///
/// # Errors
///
/// [`AlreadySet`], with the manager that came too late.
pub fn set_global(manager: GpuManager) -> Result<(), AlreadySet<GpuManager>> {
    MANAGER.set(manager).map_err(AlreadySet)
}
