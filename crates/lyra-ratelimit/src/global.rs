//! One instance for the whole process, for those who want it.

use std::sync::OnceLock;

use lyra_errors::AlreadySet;

use crate::services::ServiceLimits;

static SERVICES: OnceLock<ServiceLimits> = OnceLock::new();

/// The process-wide service limits: those that were [set](set_global), or the
/// [presets](ServiceLimits::with_presets).
pub fn global() -> &'static ServiceLimits {
    SERVICES.get_or_init(ServiceLimits::with_presets)
}

/// Sets the process-wide service limits, once and before they are used.
///
/// # Errors
///
/// [`AlreadySet`], with the services that came too late.
pub fn set_global(services: ServiceLimits) -> Result<(), AlreadySet<ServiceLimits>> {
    SERVICES.set(services).map_err(AlreadySet)
}
