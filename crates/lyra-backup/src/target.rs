//! The directory that a restore replaces, and the names beside it that a restore uses.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatxFlags, accessat, statx};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::durable::make_dirs;
use crate::error::{BadTargetSnafu, DiskFullSnafu, IoAt as _, Result};
use crate::format::entry::NAME_LIMIT;
use crate::lock::LockFile;
use crate::mounts::mount_in;
use crate::store_lock::{Missing, StoreLock};

const LOCK: &str = "restore-lock";
const JOURNAL: &str = "restore-journal";
const JOURNAL_DRAFT: &str = "restore-journal.tmp";
pub(crate) const IS_MOUNT_POINT: &str = "it is a mount point; restore to a directory inside it";

/// An absolute path without links, whose last part may not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    parent: PathBuf,
    name: OsString,
}

/// What tells a directory from others on its file system, also after a reboot.
///
/// The device's number is none of it: the same file system gets another one
/// with the next mount. The time of birth tells a new directory from an old
/// one whose inode it was given; not every file system keeps one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    inode: u64,
    born: Option<(i64, u32)>,
}

/// What a sibling of the target is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sibling {
    /// A tree that is being written, or on its way out.
    Restore,
    /// The tree that a restore replaced.
    Previous,
}

impl Target {
    /// Resolves links in `path` and checks that a directory can stand there.
    pub(crate) fn resolve(path: &Path) -> Result<Self> {
        let bad = |reason| BadTargetSnafu { path, reason }.fail();
        let resolved = match fs::symlink_metadata(path) {
            Ok(_) => match fs::canonicalize(path) {
                Ok(resolved) if resolved.is_dir() => resolved,
                Ok(_) => return bad("it is not a directory"),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return bad("it is a link to nowhere");
                }
                Err(e) => return Err(e).at("open", path),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let Some(name) = path.file_name() else {
                    return bad("it has no name");
                };
                resolve_missing(path.parent().unwrap_or(Path::new("")))?.join(name)
            }
            Err(e) => return Err(e).at("open", path),
        };
        let (Some(parent), Some(name)) = (resolved.parent(), resolved.file_name()) else {
            return bad("it is the root of the file system");
        };
        Ok(Self { parent: parent.to_owned(), name: name.to_owned(), path: resolved })
    }

    pub(crate) fn parent(&self) -> &Path {
        &self.parent
    }

    pub(crate) fn exists(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }

    /// Refuses a target that holds the backups or lies among them, and one
    /// that can't be exchanged by a rename.
    pub(crate) fn check(&self, backup_dir: &Path) -> Result<()> {
        let bad = |reason| BadTargetSnafu { path: &self.path, reason }.fail();
        if self.journal_draft().file_name().is_some_and(|name| name.len() > NAME_LIMIT) {
            return bad("its name leaves no room for the names beside it, which are longer");
        }
        let backups = fs::canonicalize(backup_dir).at("open", backup_dir)?;
        if backups.starts_with(&self.path) {
            return bad("it holds the backup directory, which would be exchanged with it");
        }
        if self.path.starts_with(&backups) {
            return bad("it lies inside the backup directory");
        }
        self.check_mounts()
    }

    /// Refuses a target that is a mount point or holds one: the exchange would carry
    /// the mount away with the old tree, and dropping that tree would reach through it.
    pub(crate) fn check_mounts(&self) -> Result<()> {
        let bad = |reason| BadTargetSnafu { path: &self.path, reason }.fail();
        match mount_in(&self.path) {
            Some(point) if point == self.path => bad(IS_MOUNT_POINT.to_owned()),
            Some(point) => bad(format!("{} in it is a mount point", point.display())),
            None if self.is_mount_point()? => bad(IS_MOUNT_POINT.to_owned()),
            None => Ok(()),
        }
    }

    fn is_mount_point(&self) -> Result<bool> {
        match (fs::metadata(&self.path), fs::metadata(&self.parent)) {
            (Ok(target), Ok(parent)) => Ok(target.dev() != parent.dev()),
            _ => Ok(false),
        }
    }

    /// Whether a restore may write beside the target, or make the way there.
    pub(crate) fn check_access(&self) -> Result<()> {
        let existing = self.nearest_directory();
        let access = Access::WRITE_OK | Access::EXEC_OK;
        match accessat(CWD, existing, access, AtFlags::EACCESS) {
            // Kernels before 5.8 don't know the call; the restore itself will tell.
            Ok(()) | Err(Errno::NOSYS) => Ok(()),
            Err(e) => Err(e).at("write to", existing),
        }
    }

    fn nearest_directory(&self) -> &Path {
        self.parent.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"))
    }

    /// Makes the directory that the target lies in.
    pub(crate) fn make_parent(&self) -> Result<()> {
        make_dirs(&self.parent, 0o777)
    }

    /// Keeps other restores off this target.
    pub(crate) fn lock(&self) -> Result<LockFile> {
        LockFile::try_acquire(&self.sibling_file(LOCK))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.sibling_file(JOURNAL)
    }

    pub(crate) fn journal_draft(&self) -> PathBuf {
        self.sibling_file(JOURNAL_DRAFT)
    }

    pub(crate) fn sibling(&self, kind: Sibling, id: &str) -> PathBuf {
        self.sibling_file(&format!("{}{id}", kind.infix()))
    }

    /// The siblings of a kind that exist.
    pub(crate) fn siblings(&self, kind: Sibling) -> Result<Vec<PathBuf>> {
        let mut prefix = self.hidden();
        prefix.push(kind.infix());
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.parent).at("list", &self.parent)? {
            let entry = entry.at("list", &self.parent)?;
            let name = entry.file_name();
            let id = name.as_bytes().strip_prefix(prefix.as_bytes());
            if id.is_some_and(is_id) && entry.file_type().at("list", &entry.path())?.is_dir() {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// Holds the lock of the store in the target, or says who does.
    pub(crate) fn lock_store(&self, missing: Missing) -> Result<Option<StoreLock>> {
        StoreLock::acquire(&self.path, missing)
    }

    /// Makes sure that nobody has the target open when it is exchanged, nor
    /// opens it before: `held` counts only while it is the lock that everybody sees.
    pub(crate) fn seize(&self, held: Option<StoreLock>) -> Result<Option<StoreLock>> {
        self.check_mounts()?;
        match held {
            Some(lock) if lock.is_in_place(&self.path)? => Ok(Some(lock)),
            _ => self.lock_store(Missing::Create),
        }
    }

    /// Bytes free where the target lies, for an unprivileged process.
    pub(crate) fn free_bytes(&self) -> Result<u64> {
        let existing = self.nearest_directory();
        let stat = rustix::fs::statvfs(existing).at("ask for the free space of", existing)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    pub(crate) fn check_space(&self, needed: u64) -> Result<u64> {
        let free = self.free_bytes()?;
        if free < needed {
            return DiskFullSnafu {
                path: &self.path,
                detail: format!("{needed} bytes are needed beside it, {free} are free"),
            }
            .fail();
        }
        Ok(free)
    }

    fn hidden(&self) -> OsString {
        let mut hidden = OsString::from(".");
        hidden.push(&self.name);
        hidden.push(".");
        hidden
    }

    fn sibling_file(&self, suffix: &str) -> PathBuf {
        let mut name = self.hidden();
        name.push(suffix);
        self.parent.join(name)
    }
}

impl Sibling {
    fn infix(self) -> &'static str {
        match self {
            Self::Restore => "restore-",
            Self::Previous => "previous-",
        }
    }
}

/// The identity of the directory at `path`, if there is one.
pub(crate) fn identity(path: &Path) -> Result<Option<Identity>> {
    match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => Ok(Some(Identity { inode: m.ino(), born: born(path)? })),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).at("open", path),
    }
}

/// Whether `name` is one of those that a restore uses beside a target: a kept or
/// unfinished tree, or one of its files.
pub(crate) fn is_sibling(name: &OsStr, is_dir: bool) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(b".") else {
        return false;
    };
    let ends = |suffix: &str| {
        rest.strip_suffix(suffix.as_bytes()).is_some_and(|target| target.ends_with(b"."))
    };
    if !is_dir {
        return [LOCK, JOURNAL, JOURNAL_DRAFT].into_iter().any(ends);
    }
    let Some((target, id)) = rest.split_last_chunk::<6>() else {
        return false;
    };
    let kinds = [Sibling::Restore, Sibling::Previous];
    is_id(id) && kinds.iter().any(|k| target.ends_with(format!(".{}", k.infix()).as_bytes()))
}

fn born(path: &Path) -> Result<Option<(i64, u32)>> {
    match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME) {
        Ok(found) if found.stx_mask & StatxFlags::BTIME.bits() != 0 => {
            Ok(Some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)))
        }
        // Kernels before 4.11, and sandboxes that don't know the call.
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => Ok(None),
        Err(e) => Err(e).at("open", path),
    }
}

fn is_id(id: &[u8]) -> bool {
    id.len() == 6 && id.iter().all(u8::is_ascii_alphanumeric)
}

/// Resolves what exists of `path` and appends the rest.
fn resolve_missing(path: &Path) -> Result<PathBuf> {
    let start = if path == Path::new("") { Path::new(".") } else { path };
    let mut rest: Vec<&OsStr> = Vec::new();
    let mut existing = start;
    loop {
        match fs::canonicalize(existing) {
            Ok(mut resolved) => {
                resolved.extend(rest.iter().rev());
                return Ok(resolved);
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).at("open", existing),
        }
        let (Some(name), Some(parent)) = (existing.file_name(), existing.parent()) else {
            return BadTargetSnafu { path, reason: "its path can't be resolved" }.fail();
        };
        rest.push(name);
        existing = if parent == Path::new("") { Path::new(".") } else { parent };
    }
}
