//! File system steps that survive a crash: written, synced, renamed, the directory synced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::{IoAt as _, Result};

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).at("sync", dir)
}

/// Replaces `path` by a file with these bytes; a reader sees the old or the new.
/// A crash may leave `temporary`, which has to have a name that a sweep knows.
pub(crate) fn write_atomically(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written.at("write", path)?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// Renames a file and never replaces one.
pub(crate) fn rename_file_no_replace(from: &Path, to: &Path) -> Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            // A hard link refuses to replace on every file system that has links.
            fs::hard_link(from, to).and_then(|()| fs::remove_file(from)).at("publish", to)
        }
        other => other.at("publish", to),
    }
}

/// Renames a directory where nothing of that name may exist.
pub(crate) fn rename_dir_no_replace(from: &Path, to: &Path) -> Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Without the flag a plain rename still refuses anything but an empty directory.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::rename(from, to).at("rename", to)
        }
        other => other.at("rename", to),
    }
}

/// Removes a file; an absent one is fine.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).at("remove", path),
        _ => Ok(()),
    }
}

/// Removes a tree that this crate wrote. Links are removed, never followed;
/// an absent tree is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
        Err(e) => return Err(e).at("remove", path),
    }
    // A restored directory may be read-only; it is ours to open up before it goes.
    make_writable(path).at("remove", path)?;
    fs::remove_dir_all(path).at("remove", path)
}

fn make_writable(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}
