//! Reads files that may be written to while they are read.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use snafu::IntoError as _;

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

/// Opens `path` and reads it when it is small.
pub(crate) fn read(path: &Path) -> Result<Read> {
    let mut attempt = 1;
    loop {
        let Some(SourceFile { mut file, metadata }) = open(path)? else {
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
        if still || (attempt == TRIES && bytes.len() as u64 <= WHOLE_LIMIT) {
            return Ok(Read::Whole(Whole { bytes, metadata: after, changed: !still }));
        }
        attempt = (attempt + 1).min(TRIES);
        std::thread::sleep(BACK_OFF * attempt);
    }
}

fn open(path: &Path) -> Result<Option<SourceFile>> {
    // A pipe put in the file's place would otherwise block the open for ever.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .and_then(|file| Ok((file.metadata()?, file)));
    match opened {
        Ok((metadata, file)) => Ok(metadata.is_file().then_some(SourceFile { file, metadata })),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        // It became a link since the directory was listed.
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Ok(None),
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
