//! File system steps that survive a crash: written, synced, renamed, the directory synced.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags, chmod,
    fchmod, openat, openat2, renameat_with, statx, unlinkat,
};
use rustix::io::Errno;

use crate::error::{IoAt as _, Result, shown};
use crate::mounts::mount_in;

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).at("sync", dir)
}

/// Makes `dir` and what is missing above it, each with `mode` and each durable:
/// what lies in a directory is no safer than the directory's own name.
pub(crate) fn make_dirs(dir: &Path, mode: u32) -> Result<()> {
    match DirBuilder::new().mode(mode).create(dir) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let Some(above) = dir.parent().filter(|above| *above != Path::new("")) else {
                return Err(e).at("create", dir);
            };
            make_dirs(above, mode)?;
            match DirBuilder::new().mode(mode).create(dir) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(e).at("create", dir);
                }
                _ => {}
            }
        }
        Err(_) if dir.is_dir() => return Ok(()),
        Err(e) => return Err(e).at("create", dir),
    }
    let above = dir.parent().filter(|above| *above != Path::new(""));
    sync_dir(above.unwrap_or(Path::new(".")))
}

/// Replaces `path` by a file with these bytes; a reader sees the old or the new.
/// A crash may leave `temporary`, which has to have a name that a sweep knows.
pub(crate) fn write_atomically(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
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

/// Removes a tree. Links are removed, never followed; an absent tree is fine.
///
/// A tree that something is mounted in stays as it is: what lies behind a
/// mount point is not part of the tree. A mount that comes while the tree goes
/// stops the removal there.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    check_removable(path)?;
    let dir = match open_on_same_mount(CWD, path.as_os_str(), Entering::Whatever) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e).at("remove", path),
    };
    match empty(&dir) {
        Ok(()) => fs::remove_dir(path).at("remove", path),
        Err(Errno::XDEV) => Err(mounted(path)).at("remove", path),
        Err(e) => Err(e).at("remove", path),
    }
}

/// Refuses a tree that something is mounted in.
pub(crate) fn check_removable(path: &Path) -> Result<()> {
    match mount_in(path) {
        Some(point) => Err(mounted(&point)).at("remove", path),
        None => Ok(()),
    }
}

fn mounted(point: &Path) -> io::Error {
    let text = format!("something is mounted at {}; unmount it first", shown(point.display()));
    io::Error::new(io::ErrorKind::ResourceBusy, text)
}

fn empty(dir: &OwnedFd) -> rustix::io::Result<()> {
    let entries = Dir::read_from(dir)?.collect::<rustix::io::Result<Vec<_>>>()?;
    for entry in entries {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        match open_on_same_mount(dir, name, Entering::Directory(entry.file_type())) {
            Ok(below) => {
                empty(&below)?;
                unlink(dir, name, AtFlags::REMOVEDIR)?;
            }
            Err(Errno::NOTDIR | Errno::LOOP) => unlink(dir, name, AtFlags::empty())?,
            Err(Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A restored directory may be read-only; it is ours to open up before it goes.
fn unlink(dir: &OwnedFd, name: &OsStr, flags: AtFlags) -> rustix::io::Result<()> {
    match unlinkat(dir, name, flags) {
        Err(Errno::ACCESS) => {
            fchmod(dir, Mode::RWXU)?;
            unlinkat(dir, name, flags)
        }
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// What is known about a name before it is opened.
#[derive(Debug, Clone, Copy)]
enum Entering {
    /// The root of the tree, where a mount was looked for.
    Whatever,
    Directory(FileType),
}

/// Opens the directory `name`, and fails with `XDEV` where it is on another mount than `parent`.
fn open_on_same_mount(
    parent: impl AsFd,
    name: &OsStr,
    entering: Entering,
) -> rustix::io::Result<OwnedFd> {
    let listable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| match entering {
        Entering::Whatever => openat(&parent, name, flags, Mode::empty()),
        Entering::Directory(kind) if !matches!(kind, FileType::Directory | FileType::Unknown) => {
            Err(Errno::NOTDIR)
        }
        Entering::Directory(_) => open_beside(parent.as_fd(), name, flags),
    };
    match open(listable) {
        // Not even its owner may list it; through `O_PATH` it is still this directory and no other.
        Err(Errno::ACCESS) => {
            let path = open(OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
            chmod(format!("/proc/self/fd/{}", path.as_raw_fd()), Mode::RWXU)?;
            open(listable)
        }
        other => other,
    }
}

fn open_beside(parent: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match openat2(parent, name, flags, Mode::empty(), inside) {
        // Kernels before 5.6, and sandboxes that don't know the call.
        Err(Errno::NOSYS | Errno::PERM) => {
            let dir = openat(parent, name, flags, Mode::empty())?;
            if mount_of(parent)? == mount_of(dir.as_fd())? { Ok(dir) } else { Err(Errno::XDEV) }
        }
        other => other,
    }
}

fn mount_of(dir: BorrowedFd<'_>) -> rustix::io::Result<(u32, u32, u64)> {
    let found = statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    Ok((found.stx_dev_major, found.stx_dev_minor, found.stx_mnt_id))
}
