//! Lists a source tree, parents before children, in the order of their bytes.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Dir;
use snafu::IntoError as _;

use crate::beneath::{Beneath, is_gone, look};
use crate::error::{Result, UnreadableSnafu};
use crate::format::RESERVED_DIR;
use crate::report::{SkipReason, Skipped};
use crate::target::is_sibling;

/// The lock file of a live store: the state of a process, not data.
pub(crate) const STORE_LOCK: &str = "lyra.lock";

/// What was found, relative to the root; the root itself is `.`.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) found: Vec<Found>,
    pub(crate) skipped: Vec<Skipped>,
    /// Sizes as they were listed, for progress.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) kind: FoundKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundKind {
    Directory,
    File,
    Symlink,
}

/// Walks `root` without following links and leaves out `backup_dir` and what is not data.
pub(crate) fn walk(root: &Path, backup_dir: &Path) -> Result<Walk> {
    let mut walk = Walk::default();
    walk.found.push(Found { path: PathBuf::from("."), kind: FoundKind::Directory });
    let beneath =
        Beneath::open(root).map_err(|e| UnreadableSnafu { path: root }.into_error(e.into()))?;
    walk_dir(&beneath, root, Path::new(""), backup_dir, &mut walk)?;
    Ok(walk)
}

fn walk_dir(
    beneath: &Beneath,
    root: &Path,
    dir: &Path,
    backup_dir: &Path,
    walk: &mut Walk,
) -> Result<()> {
    let full = root.join(dir);
    let open = match beneath.open_dir(dir).map_err(io::Error::from) {
        Ok(open) => open,
        Err(e) if is_gone(&e) && dir != Path::new("") => {
            walk.skipped.push(Skipped::new(dir, SkipReason::Vanished));
            return Ok(());
        }
        Err(e) => return Err(UnreadableSnafu { path: &full }.into_error(e)),
    };
    let names = names(&open).map_err(|e| UnreadableSnafu { path: &full }.into_error(e.into()))?;
    for name in names {
        let path = dir.join(&name);
        let full = root.join(&path);
        if let Some(reason) = left_out(&path, &full, backup_dir) {
            walk.skipped.push(Skipped::new(&path, reason));
            continue;
        }
        let metadata = match look(&open, &name) {
            Ok(metadata) => metadata,
            Err(e) if is_gone(&e) => {
                walk.skipped.push(Skipped::new(&path, SkipReason::Vanished));
                continue;
            }
            Err(e) => return Err(UnreadableSnafu { path: full }.into_error(e)),
        };
        let kind = metadata.file_type();
        if is_sibling(&name, kind.is_dir()) {
            walk.skipped.push(Skipped::new(&path, SkipReason::RestoreSibling));
        } else if kind.is_dir() {
            walk.push(&path, FoundKind::Directory);
            walk_dir(beneath, root, &path, backup_dir, walk)?;
        } else if kind.is_symlink() {
            walk.push(&path, FoundKind::Symlink);
        } else if kind.is_file() {
            walk.bytes += metadata.len();
            walk.push(&path, FoundKind::File);
        } else {
            let reason = if kind.is_fifo() {
                SkipReason::Fifo
            } else if kind.is_socket() {
                SkipReason::Socket
            } else {
                SkipReason::Device
            };
            walk.skipped.push(Skipped::new(&path, reason));
        }
    }
    Ok(())
}

/// In the order of their bytes.
fn names(dir: &OwnedFd) -> rustix::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn left_out(path: &Path, full: &Path, backup_dir: &Path) -> Option<SkipReason> {
    if full == backup_dir {
        Some(SkipReason::BackupDirectory)
    } else if path == Path::new(RESERVED_DIR) {
        Some(SkipReason::ReservedName)
    } else if path == Path::new(STORE_LOCK) {
        Some(SkipReason::StoreLock)
    } else {
        None
    }
}

impl Walk {
    fn push(&mut self, path: &Path, kind: FoundKind) {
        self.found.push(Found { path: path.to_owned(), kind });
    }
}
