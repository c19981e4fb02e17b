//! Writes the members of an archive into a fresh directory beside the target.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, futimens, mkdirat, openat, symlinkat,
    utimensat,
};

use crate::archive::MemberSink;
use crate::beneath::Beneath;
use crate::durable::{remove_tree, sync_dir};
use crate::error::{CorruptSnafu, IoAt as _, Result};
use crate::format::entry::{Consistency, Entry, EntryKind};
use crate::report::DatabaseNote;
use crate::sqlite::{Check, quick_check};

/// Finished files wait here to be synced, so that the kernel can write them
/// together while the next ones are decoded.
const SYNC_BATCH: usize = 64;

/// A tree that is being written. Dropped before [`Stage::finish`], it is removed.
pub(crate) struct Stage {
    path: PathBuf,
    archive: PathBuf,
    root: Beneath,
    /// The directory that the last member went into.
    parent: (PathBuf, OwnedFd),
    file: Option<File>,
    unsynced: Vec<(PathBuf, File)>,
    links: Vec<Entry>,
    directories: Vec<Entry>,
    databases: Vec<PathBuf>,
    finished: bool,
}

/// What came of the databases of a finished tree.
#[derive(Debug, Default)]
pub(crate) struct Databases {
    pub(crate) checked: usize,
    pub(crate) unchecked: Vec<DatabaseNote>,
}

impl Stage {
    pub(crate) fn create(path: &Path, archive: &Path) -> Result<Self> {
        fs::DirBuilder::new().mode(0o700).create(path).at("create", path)?;
        let root = Beneath::open(path).at("open", path)?;
        Ok(Self {
            path: path.to_owned(),
            archive: archive.to_owned(),
            parent: (PathBuf::new(), root.open_dir(Path::new("")).at("open", path)?),
            root,
            file: None,
            unsynced: Vec::new(),
            links: Vec::new(),
            directories: Vec::new(),
            databases: Vec::new(),
            finished: false,
        })
    }

    /// Makes the links, checks the databases, sets the directories' modes and
    /// times, and makes all of it durable.
    pub(crate) fn finish(mut self) -> Result<Databases> {
        self.sync_files()?;
        // Links come last: while files were written, no name in the tree led anywhere else.
        for link in std::mem::take(&mut self.links) {
            self.make_link(&link)?;
        }
        let databases = self.check_databases()?;
        // Deepest first: a read-only directory is closed after what lies in it,
        // and nothing is made in a directory whose time is set.
        for directory in self.directories.iter().rev() {
            let at = |r: rustix::io::Result<()>, what| r.at(what, &self.path.join(&directory.path));
            let dir = self.root.open_dir(&directory.path);
            let dir = dir.at("open", &self.path.join(&directory.path))?;
            at(
                rustix::fs::fchmod(&dir, Mode::from_raw_mode(directory.restored_mode())),
                "set the mode of",
            )?;
            at(futimens(&dir, &times(directory.mtime_ns)), "set the time of")?;
            at(rustix::fs::fsync(&dir), "sync")?;
        }
        sync_dir(self.path.parent().unwrap_or(Path::new("/")))?;
        self.finished = true;
        Ok(databases)
    }

    fn check_databases(&self) -> Result<Databases> {
        let mut found = Databases::default();
        for database in &self.databases {
            match quick_check(&self.path.join(database)) {
                Check::Sound => found.checked += 1,
                // Its digest was right, so it is the copy that the backup made.
                Check::Unchecked(reason) => {
                    found.unchecked.push(DatabaseNote::new(database, reason));
                }
                Check::Damaged(problem) => {
                    return CorruptSnafu {
                        archive: &self.archive,
                        detail: format!("{}: quick_check: {problem}", database.display()),
                    }
                    .fail();
                }
            }
        }
        Ok(found)
    }

    fn enter_parent(&mut self, entry: &Entry) -> Result<()> {
        let parent = entry.path.parent().unwrap_or(Path::new(""));
        if self.parent.0 != parent {
            let opened = self.root.open_dir(parent);
            self.parent = (parent.to_owned(), opened.at("open", &self.path.join(parent))?);
        }
        Ok(())
    }

    fn make_link(&mut self, link: &Entry) -> Result<()> {
        let EntryKind::Symlink { target } = &link.kind else {
            return Ok(());
        };
        self.enter_parent(link)?;
        let full = self.path.join(&link.path);
        let dir = self.parent.1.as_fd();
        symlinkat(target.as_slice(), dir, file_name(link)).at("create", &full)?;
        let times = times(link.mtime_ns);
        utimensat(dir, file_name(link), &times, AtFlags::SYMLINK_NOFOLLOW)
            .at("set the time of", &full)
    }

    fn sync_files(&mut self) -> Result<()> {
        for (path, file) in self.unsynced.drain(..) {
            file.sync_all().at("sync", &path)?;
        }
        Ok(())
    }
}

impl MemberSink for Stage {
    fn begin(&mut self, entry: &Entry) -> Result<()> {
        let full = self.path.join(&entry.path);
        match &entry.kind {
            EntryKind::Directory if entry.path == Path::new(".") => {
                self.directories.push(entry.clone());
            }
            EntryKind::Directory => {
                self.enter_parent(entry)?;
                mkdirat(&self.parent.1, file_name(entry), Mode::RWXU).at("create", &full)?;
                self.directories.push(entry.clone());
            }
            EntryKind::Symlink { .. } => self.links.push(entry.clone()),
            EntryKind::File { consistency, .. } => {
                self.enter_parent(entry)?;
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let private = Mode::RUSR | Mode::WUSR;
                let file = openat(&self.parent.1, file_name(entry), flags, private);
                self.file = Some(File::from(file.at("create", &full)?));
                if matches!(consistency, Consistency::SqliteSnapshot | Consistency::SqliteUnchecked)
                {
                    self.databases.push(entry.path.clone());
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).at("write", &self.path),
            None => Ok(()),
        }
    }

    fn end(&mut self, entry: &Entry) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let full = self.path.join(&entry.path);
        let permissions = fs::Permissions::from_mode(entry.restored_mode());
        file.set_permissions(permissions).at("set the mode of", &full)?;
        futimens(&file, &times(entry.mtime_ns)).at("set the time of", &full)?;
        self.unsynced.push((full, file));
        if self.unsynced.len() >= SYNC_BATCH {
            self.sync_files()?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.finished {
            // What can't be removed now is swept by the next restore.
            let _ = remove_tree(&self.path);
        }
    }
}

fn file_name(entry: &Entry) -> &OsStr {
    entry.path.file_name().unwrap_or(OsStr::new("."))
}

fn times(mtime_ns: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(1_000_000_000),
            tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
        },
    }
}
