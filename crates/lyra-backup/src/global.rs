//! One process-wide manager, for programs that want one. Nothing in this crate reads it.

use std::sync::OnceLock;

use lyra_errors::AlreadySet;

use crate::BackupManager;

static GLOBAL: OnceLock<BackupManager> = OnceLock::new();

/// The manager that [`set_global`] stored, if one was.
#[must_use]
pub fn try_global() -> Option<&'static BackupManager> {
    GLOBAL.get()
}

/// Stores the process-wide manager. The first one wins.
///
/// # Errors
/// [`AlreadySet`] hands `manager` back when one was stored before.
pub fn set_global(manager: BackupManager) -> Result<(), AlreadySet<BackupManager>> {
    GLOBAL.set(manager).map_err(AlreadySet)
}
