//! What the file system and the path offer, tried out.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The directory itself, or the nearest one above it that exists: where it
/// would be made.
pub(super) fn nearest(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    absolute
        .ancestors()
        .find(|dir| dir.is_dir())
        .map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}

/// Bytes that are free for this user.
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What was tried in a temporary directory inside `dir`.
#[derive(Debug)]
pub(super) struct Abilities {
    /// A second lock on a file is refused while the first is held.
    pub(super) locks: bool,
    /// Two names can be exchanged in one step.
    pub(super) exchange: bool,
}

pub(super) fn abilities(dir: &Path) -> io::Result<Abilities> {
    let scratch = tempfile::Builder::new().prefix(".lyra-doctor-").tempdir_in(dir)?;
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    std::fs::write(&one, b"1")?;
    std::fs::write(&two, b"2")?;
    let (first, second) = (File::open(&one)?, File::open(&one)?);
    let locks =
        first.try_lock().is_ok() && matches!(second.try_lock(), Err(TryLockError::WouldBlock));
    let exchange = renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE).is_ok()
        && std::fs::read(&one)? == b"2";
    Ok(Abilities { locks, exchange })
}

/// Where on the path a tool is.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_is_found_above_what_does_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&dir.path().join("a/b/c")), dir.path());
        assert_eq!(nearest(dir.path()), dir.path());
    }

    #[test]
    fn trying_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let abilities = abilities(dir.path()).unwrap();
        assert!(abilities.locks, "{abilities:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(free_bytes(dir.path()).unwrap() > 0);
    }
}
