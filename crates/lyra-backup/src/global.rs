//! One process-wide manager, for programs that want one. Nothing in this crate reads it.

use std::sync::OnceLock;

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

/// A process-wide value had been set before; this is the one that came too late.
#[derive(Debug)]
pub struct AlreadySet<T>(pub T);

impl<T> std::fmt::Display for AlreadySet<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a process-wide value was already set")
    }
}

impl<T: std::fmt::Debug> std::error::Error for AlreadySet<T> {}
