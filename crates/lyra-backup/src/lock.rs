//! A lock file that a live process holds and a dead one doesn't.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{IoAt as _, LockedSnafu, Result};

/// Held until dropped; the file is removed then. The kernel releases it when
/// the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    file: File,
}

impl LockFile {
    /// Takes the lock, or says at once who has it.
    pub(crate) fn try_acquire(path: &Path) -> Result<Self> {
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)
                .at("open", path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return LockedSnafu { path }.fail(),
                Err(TryLockError::Error(e)) => return Err(e).at("lock", path),
            }
            // The last holder may have removed the file between open and lock;
            // then this lock is on a file that no one else will ever see.
            if same_file(&file, path).at("lock", path)? {
                let content = format!(
                    "{{\"pid\":{},\"since\":\"{}\"}}\n",
                    std::process::id(),
                    jiff::Timestamp::now()
                );
                // Only people read this; a full disk must not stop a restore here.
                let _ = file.set_len(0).and_then(|()| file.write_all(content.as_bytes()));
                return Ok(Self { path: path.to_owned(), file });
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // Closing is not enough: a child process that is just being started
        // has a copy of the file for a moment, and would hold the lock on.
        let _ = self.file.unlock();
    }
}

/// Whether `path` still names the open `file`.
pub(crate) fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(named.dev() == open.dev() && named.ino() == open.ino()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = LockFile::try_acquire(&path).unwrap();
        assert!(LockFile::try_acquire(&path).is_err());
        drop(held);
        assert!(!path.exists());
        LockFile::try_acquire(&path).unwrap();
    }
}
