//! The seam to the file system: every call that the files make goes through
//! here, so that a test can let any one of them fail.

use std::fs::{self, DirBuilder, File, FileTimes};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;
use std::{fmt, fs::Metadata};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

/// What the files ask of the operating system. None of it follows a link at
/// the last part of a path.
#[cfg_attr(
    not(feature = "zstd"),
    allow(dead_code, reason = "some of it only what compresses asks for")
)]
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Makes a directory, and what is missing above it, with mode 0700.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens a file to append to and to read, and makes it with mode 0600.
    fn open_append(&self, path: &Path) -> io::Result<File>;
    /// Opens a file to read.
    fn open_read(&self, path: &Path) -> io::Result<File>;
    /// Opens an empty file to write to, whatever was in it.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// One `write(2)`, which may take less than it was given.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// One `read(2)`.
    fn read(&self, file: &File, into: &mut [u8]) -> io::Result<usize>;
    /// The byte at `offset`, which has to be within the file.
    fn byte_at(&self, file: &File, offset: u64) -> io::Result<u8>;
    /// Cuts a file.
    fn truncate(&self, file: &File, len: u64) -> io::Result<()>;
    /// Waits until the content is on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Waits until the names in a directory are on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Sets the time of the last change.
    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()>;
    /// What is known about an open file.
    fn stat_open(&self, file: &File) -> io::Result<Stat>;
    /// What is known about a name; `None` where there is nothing of the name.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;
    /// Renames a file, and fails with [`io::ErrorKind::AlreadyExists`] where
    /// the new name is taken.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; an absent one is fine.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// What the files want to know of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: FileId,
    pub(crate) len: u64,
    pub(crate) modified: SystemTime,
    pub(crate) is_file: bool,
    /// No name is left: the file goes when it is closed.
    pub(crate) is_removed: bool,
}

/// Tells files apart, whatever their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Stat {
    fn from(found: &Metadata) -> Self {
        Self {
            id: FileId { device: found.dev(), inode: found.ino() },
            len: found.len(),
            modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            is_file: found.is_file(),
            is_removed: found.nlink() == 0,
        }
    }
}

/// The operating system's own file system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Os;

impl Disk for Os {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        // A name that is not UTF-8 is none that this crate gives.
        Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn open_append(&self, path: &Path) -> io::Result<File> {
        File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<File> {
        File::options().read(true).custom_flags(no_follow()).open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(path)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn read(&self, mut file: &File, into: &mut [u8]) -> io::Result<usize> {
        file.read(into)
    }

    fn byte_at(&self, file: &File, offset: u64) -> io::Result<u8> {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset)?;
        Ok(byte[0])
    }

    fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        file.set_times(FileTimes::new().set_modified(time))
    }

    fn stat_open(&self, file: &File) -> io::Result<Stat> {
        file.metadata().map(|found| Stat::from(&found))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(Stat::from(&found))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag. The lock keeps other
            // writers away, so that looking first is nearly as good.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match self.stat(to)? {
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                None => fs::rename(from, to),
            },
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

/// A link at the name of a log would let whoever may write to the directory
/// choose which file of ours the lines go to.
pub(crate) fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}
