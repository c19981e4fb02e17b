//! `lyra.lock` of the store in a target: whoever has the store open holds it.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, futimens, openat, statat,
    unlinkat,
};
use rustix::io::Errno;

use crate::error::{IoAt as _, LockedSnafu, Result, TargetInUseSnafu};
use crate::lock::same_file;
use crate::walk::STORE_LOCK;

/// What to do about a lock file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing holds the store open, and that is all there is to know.
    Fine,
    /// It is made, so that nothing can open the store from now on.
    Create,
}

/// The lock of the store in a directory. Whoever opens the store meanwhile is
/// refused. A file that was made for it is gone when it is dropped, also when
/// the directory has another name by then.
#[derive(Debug)]
pub(crate) struct StoreLock {
    file: File,
    dir: OwnedFd,
    /// The directory's time before the file was made, and right after it.
    made: Option<(Time, Time)>,
}

type Time = (i64, i64);

/// Each try can only be lost to a store that is opened or closed at that moment.
const TRIES: u32 = 100;

impl StoreLock {
    pub(crate) fn acquire(directory: &Path, missing: Missing) -> Result<Option<Self>> {
        let path = directory.join(STORE_LOCK);
        for _ in 0..TRIES {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = match openat(CWD, directory, flags, Mode::empty()) {
                Ok(dir) => dir,
                // There is no store where there is no directory.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(e) => return Err(e).at("open", directory),
            };
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let (file, made) = match openat(&dir, STORE_LOCK, flags, Mode::empty()) {
                Ok(file) => (File::from(file), None),
                // A link is no lock of ours, and following it is not our business.
                Err(Errno::LOOP) => return Ok(None),
                Err(Errno::NOENT) if missing == Missing::Fine => return Ok(None),
                Err(Errno::NOENT) => match make(&dir) {
                    Ok((file, times)) => (file, Some(times)),
                    Err(Errno::EXIST) => continue,
                    // Where no file can be made, no store can be opened either.
                    Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => return Ok(None),
                    Err(e) => return Err(e).at("create", &path),
                },
                Err(e) => return Err(e).at("open", &path),
            };
            let lock = Self { file, dir, made };
            match lock.file.try_lock() {
                Ok(()) if lock.is_in_place(directory)? => return Ok(Some(lock)),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&lock.file);
                    lock.leave();
                    return TargetInUseSnafu { path: directory, holder }.fail();
                }
                Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
            }
        }
        LockedSnafu { path }.fail()
    }

    /// Whether this is the lock that whoever opens the store now would meet.
    pub(crate) fn is_in_place(&self, directory: &Path) -> Result<bool> {
        let path = directory.join(STORE_LOCK);
        same_file(&self.file, &path).at("open", &path)
    }

    /// Somebody else holds the file, so it is theirs, whoever made it.
    fn leave(mut self) {
        self.made = None;
    }

    fn remove(&self, (before, after): (Time, Time)) -> io::Result<()> {
        let named = statat(&self.dir, STORE_LOCK, AtFlags::SYMLINK_NOFOLLOW)?;
        if self.file.metadata()?.ino() != named.st_ino {
            return Ok(());
        }
        let untouched = modified(&self.dir)? == after;
        unlinkat(&self.dir, STORE_LOCK, AtFlags::empty())?;
        if untouched {
            let (tv_sec, tv_nsec) = before;
            let times = Timestamps {
                last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
                last_modification: Timespec { tv_sec, tv_nsec },
            };
            futimens(&self.dir, &times)?;
        }
        Ok(())
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        if let Some(times) = self.made {
            // An empty lock file does no harm where it can't be removed.
            let _ = self.remove(times);
        }
        // As in `LockFile`: a child that is being started has a copy for a moment.
        let _ = self.file.unlock();
    }
}

fn make(dir: &OwnedFd) -> rustix::io::Result<(File, (Time, Time))> {
    let before = modified(dir)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, STORE_LOCK, flags, Mode::RUSR | Mode::WUSR)?;
    Ok((File::from(file), (before, modified(dir)?)))
}

fn modified(dir: &OwnedFd) -> rustix::io::Result<Time> {
    let stat = rustix::fs::fstat(dir.as_fd())?;
    Ok((stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)))
}

/// What the lock file says about its holder: JSON with `pid`, as a rule.
fn holder(file: &File) -> String {
    let mut text = Vec::new();
    let _ = file.take(4096).read_to_end(&mut text);
    let pid = serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|value| value.get("pid")?.as_u64());
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
