use std::path::{Path, PathBuf};

use lyra::errors::Result;
use snafu::ResultExt as _;
use tempfile::TempDir;

use crate::error::{UnusablePathSnafu, UsageSnafu};
use crate::interrupt::Interrupt;

/// Where the tour works: in a directory of its own, never in the checkout.
pub(super) struct Stage {
    dir: PathBuf,
    /// Held because dropping it removes the directory.
    temporary: Option<TempDir>,
}

impl Stage {
    /// In `keep`, which stays, or in a temporary directory.
    pub(super) fn set(keep: Option<PathBuf>, interrupt: &Interrupt) -> Result<Self> {
        let Some(dir) = keep else {
            let temporary = tempfile::Builder::new()
                .prefix("lyra-tour-")
                .tempdir()
                .context(UnusablePathSnafu { path: std::env::temp_dir() })?;
            let dir = temporary.path().to_path_buf();
            interrupt.removes(dir.clone());
            return Ok(Self { dir, temporary: Some(temporary) });
        };
        std::fs::create_dir_all(&dir).context(UnusablePathSnafu { path: &dir })?;
        let mut content = dir.read_dir().context(UnusablePathSnafu { path: &dir })?;
        if content.next().is_some() {
            let message =
                format!("--keep takes an empty or a new directory, not {}", dir.display());
            return Err(UsageSnafu { message }.build().into());
        }
        Ok(Self { dir, temporary: None })
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("memory")
    }

    pub(super) fn backups(&self) -> PathBuf {
        self.dir.join("backups")
    }

    pub(super) fn restored(&self) -> PathBuf {
        self.dir.join("restored")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// For texts that have no place of their own.
    pub(super) fn texts(&self) -> PathBuf {
        self.dir.join("texts")
    }

    /// The directory, where it stays.
    pub(super) fn kept(&self) -> Option<&Path> {
        self.temporary.is_none().then_some(&self.dir)
    }
}
