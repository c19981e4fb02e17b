//! Reads files that may be written to while they are read.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};
use snafu::IntoError as _;

use crate::beneath::is_gone;
use crate::error::{Result, UnreadableSnafu};

/// Files up to this size are read whole before anything of them is written, so
/// that one that moved can be read again.
pub(crate) const WHOLE_LIMIT: u64 = 1 << 20;
const TRIES: u32 = 3;
const BACK_OFF: Duration = Duration::from_millis(10);

/// A regular file, open.
pub(crate) struct SourceFile {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
}

/// A small file, as it was when it stood still, or at the last try.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: Metadata,
    pub(crate) changed: bool,
}

pub(crate) enum Read {
    Whole(Whole),
    /// Too large to hold; to be streamed, exactly `metadata.len()` bytes of it.
    Large(SourceFile),
    /// It is gone, or no longer a regular file.
    Vanished,
}

/// Opens the file `name` in `dir` and reads it when it is small. `path` is for people.
pub(crate) fn read(dir: &OwnedFd, name: &OsStr, path: &Path) -> Result<Read> {
    let mut attempt = 1;
    loop {
        let Some(SourceFile { mut file, metadata }) = open(dir, name, path)? else {
            return Ok(Read::Vanished);
        };
        if metadata.len() > WHOLE_LIMIT {
            return Ok(Read::Large(SourceFile { file, metadata }));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        let after = (&mut file)
            .take(WHOLE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .and_then(|_| file.metadata())
            .map_err(|e| UnreadableSnafu { path }.into_error(e))?;
        let still = stood_still(&metadata, &after) && bytes.len() as u64 == metadata.len();
        if !still && attempt == TRIES && bytes.len() as u64 > WHOLE_LIMIT {
            // It outgrows each try, or holds more than it says. As with a large
            // file, the size that it had when it was opened is what counts.
            bytes.truncate(usize::try_from(metadata.len()).unwrap_or(0));
        }
        if still || attempt == TRIES {
            return Ok(Read::Whole(Whole { bytes, metadata: after, changed: !still }));
        }
        attempt += 1;
        std::thread::sleep(BACK_OFF * attempt);
    }
}

fn open(dir: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<SourceFile>> {
    // A pipe put in the file's place would otherwise block the open for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(dir, name, flags, Mode::empty())
        .map_err(io::Error::from)
        .map(File::from)
        .and_then(|file| Ok((file.metadata()?, file)));
    match opened {
        Ok((metadata, file)) => Ok(metadata.is_file().then_some(SourceFile { file, metadata })),
        // It is gone, or became a link since the directory was listed.
        Err(e) if is_gone(&e) => Ok(None),
        Err(e) => Err(UnreadableSnafu { path }.into_error(e)),
    }
}

/// Whether nothing was written between two looks at one open file.
pub(crate) fn stood_still(before: &Metadata, after: &Metadata) -> bool {
    let key =
        |m: &Metadata| (m.len(), m.ino(), (m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
    key(before) == key(after)
}

/// The modification time in nanoseconds, saturating at the years 1677 and 2262.
pub(crate) fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_hides_behind_an_old_time_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let before = file.metadata().unwrap();
        assert!(stood_still(&before, &file.metadata().unwrap()));
        let started = std::time::Instant::now();
        // The kernel's clock for files moves in steps of some milliseconds.
        while stood_still(&before, &file.metadata().unwrap()) {
            assert!(started.elapsed() < Duration::from_secs(10));
            std::fs::write(&path, "two").unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
        }
        assert_eq!(file.metadata().unwrap().modified().unwrap(), before.modified().unwrap());
    }
}
