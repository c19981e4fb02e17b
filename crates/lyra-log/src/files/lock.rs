//! `<name>.log.lock`: whoever writes a log holds it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::disk::{Disk as _, Os, no_follow};
use super::error::{FileError, InUseSnafu, IoAt as _};

/// Held until dropped; the file is removed then. The kernel releases it when
/// the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct LogLock {
    path: PathBuf,
    file: File,
}

impl LogLock {
    /// Takes the lock of the log, or says at once who has it.
    pub(crate) fn acquire(dir: &Path, name: &str) -> Result<Self, FileError> {
        let path = dir.join(format!("{name}.log.lock"));
        loop {
            let file = open(&path).at("open", &path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return InUseSnafu { path, holder: holder(&file) }.fail();
                }
                Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
            }
            // Its last holder may have removed it between open and lock; then
            // this lock is on a file that no one else will ever see.
            if is_at(&file, &path).at("look at", &path)? {
                tell_holder(&file);
                return Ok(Self { path, file });
            }
        }
    }
}

impl Drop for LogLock {
    fn drop(&mut self) {
        // A person may have put the name to another file.
        if is_at(&self.file, &self.path).unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
        // Closing is not enough: a child process that is just being started
        // has a copy of the file for a moment, and would hold the lock on.
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(path)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = Os.stat_open(file)?;
    Ok(Os.stat(path)?.is_some_and(|named| named.id == open.id))
}

/// Only people and messages read it; a full disk must not stop the log here.
fn tell_holder(mut file: &File) {
    let _ = file.set_len(0);
    let _ = file.write_all(format!("{}\n", std::process::id()).as_bytes());
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_until_it_is_dropped_and_tells_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = LogLock::acquire(dir.path(), "agent").unwrap();
        let refused = LogLock::acquire(dir.path(), "agent").unwrap_err();
        let FileError::InUse { holder, .. } = refused else { panic!("{refused}") };
        assert_eq!(holder, Some(std::process::id()));
        LogLock::acquire(dir.path(), "other").unwrap();
        drop(held);
        assert!(!dir.path().join("agent.log.lock").exists());
        LogLock::acquire(dir.path(), "agent").unwrap();
    }
}
