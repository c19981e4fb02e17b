//! `lyra.lock`: one process at a time writes to a store, and says who it is.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use snafu::{ResultExt, ensure};

use super::file_id::FileId;
use crate::error::{IoSnafu, LockedSnafu, MemoryError, NotAStoreSnafu, ReadOnlySnafu};

/// The name of the lock file in the store's directory.
pub(crate) const FILE_NAME: &str = "lyra.lock";

/// Who writes to a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LockOwner {
    /// The number of its process.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// When it opened the store, in seconds since 1970.
    pub since_unix_seconds: u64,
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.program, self.pid)
    }
}

/// The lock, held until it is dropped. The system lets go of it also when the
/// process is killed, so there is no stale lock.
#[derive(Debug)]
pub(super) struct StoreLock {
    file: File,
    path: PathBuf,
}

impl StoreLock {
    pub(super) fn acquire(directory: &Path) -> Result<Self, MemoryError> {
        let path = directory.join(FILE_NAME);
        // A restore exchanges the whole directory. Had it done so between our
        // open and our lock, we would hold the lock of the tree that is gone.
        // Once is enough to mend that; more would be somebody's busy loop.
        for _ in 0..3 {
            let lock = Self::acquire_once(directory, &path)?;
            if lock.is_in_place() {
                return Ok(lock);
            }
        }
        LockedSnafu { path: directory, owner: None }.fail()
    }

    fn acquire_once(directory: &Path, path: &Path) -> Result<Self, MemoryError> {
        // Through a link, who holds the lock would be written into whatever
        // file it leads to.
        let link = path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file());
        ensure!(!link, NotAStoreSnafu { path: directory, reason: "its lock is no plain file" });
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .or_else(|source| match source.kind() {
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                    ReadOnlySnafu { path: directory }.fail()
                }
                _ => Err(source).context(IoSnafu { path, operation: "open the lock" }),
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return LockedSnafu { path: directory, owner: read_owner(&mut file) }.fail();
            }
            Err(TryLockError::Error(source)) => {
                return Err(source).context(IoSnafu { path, operation: "lock" });
            }
        }
        // Who it is helps a person; the lock itself does not depend on it.
        let _ = write_owner(&mut file);
        Ok(Self { file, path: path.to_owned() })
    }

    /// Whether the file that is locked is the one that has its path now.
    pub(super) fn is_in_place(&self) -> bool {
        let held = self.file.metadata().ok().map(|metadata| FileId::from(&metadata));
        held.is_some() && held == FileId::of(&self.path)
    }
}

impl Drop for StoreLock {
    /// A closed file is not enough: a child process that is just being
    /// started has a copy of it for a moment, and would hold the lock on.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn read_owner(file: &mut File) -> Option<LockOwner> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_owner(file: &mut File) -> std::io::Result<()> {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let owner = LockOwner { pid: std::process::id(), program, since_unix_seconds: since };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(&owner).unwrap_or_default().as_bytes())
}
