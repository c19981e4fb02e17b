//! One file of a log, open and read from its beginning.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;

use super::lines::{LONGEST, Lines};
use super::record::{Broken, Entry, Fault};
use crate::files::disk::{Disk as _, FileId, Os, Stat};

#[derive(Debug)]
pub(crate) struct Source {
    path: Arc<Path>,
    file: File,
    pub(crate) id: FileId,
    modified: SystemTime,
    is_compressed: bool,
    lines: Lines<BufReader<Content>>,
    is_over: bool,
}

/// The bytes of a file, decompressed where they have to be.
#[allow(clippy::large_enum_variant, reason = "there are as many as a log has files")]
enum Content {
    Plain(File),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::read::Decoder<'static, BufReader<File>>),
}

impl Source {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = Os.open_read(path).map_err(named)?;
        let Stat { id, modified, .. } = Os.stat_open(&file)?;
        let is_compressed = path.extension().is_some_and(|extension| extension == "zst");
        let content = Content::of(file.try_clone()?, is_compressed)?;
        let lines = Lines::new(BufReader::with_capacity(64 * 1024, content), LONGEST);
        Ok(Self { path: path.into(), file, id, modified, is_compressed, lines, is_over: false })
    }

    /// Whether both are one file, or `other` is what became of it just now: the
    /// compressed form of a file that is gone, with its time.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        if self.id == other.id || self.is_compressed || !other.is_compressed {
            return self.id == other.id;
        }
        // It may have been written to since it was opened.
        let is_gone = Os
            .stat_open(&self.file)
            .is_ok_and(|found| found.is_removed && found.modified == other.modified);
        // The clock of files ticks so slowly that several may have one time.
        is_gone && self.head().is_some_and(|head| other.head() == Some(head))
    }

    /// Whether it was changed last after `other`, or in the same moment.
    pub(crate) fn is_not_before(&self, other: &Self) -> bool {
        Os.stat_open(&other.file).is_ok_and(|found| self.modified >= found.modified)
    }

    /// How it begins, wherever it was read to.
    fn head(&self) -> Option<Vec<u8>> {
        const HEAD: u64 = 512;
        let mut head = Vec::new();
        let begin = At { file: &self.file, offset: 0 };
        match self.is_compressed {
            false => begin.take(HEAD).read_to_end(&mut head).ok()?,
            #[cfg(feature = "zstd")]
            true => {
                let decoder = zstd::stream::read::Decoder::new(begin).ok()?;
                decoder.take(HEAD).read_to_end(&mut head).ok()?
            }
            #[cfg(not(feature = "zstd"))]
            true => return None,
        };
        Some(head)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line that has an end.
    pub(crate) fn next(&mut self) -> Option<Entry> {
        if self.is_over {
            return None;
        }
        let path = &self.path;
        match self.lines.next() {
            Ok(Some((span, line))) => Some(Entry::new(path, span, line, true)),
            Ok(None) => None,
            Err(error) => {
                self.is_over = true;
                Some(self.damaged(&error))
            }
        }
    }

    /// What stands after the last newline, of a file that nobody writes to.
    pub(crate) fn rest(&mut self) -> Option<Entry> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let (span, line) = self.lines.rest()?;
        Some(Entry::new(&self.path, span, line, false))
    }

    /// Goes back to the beginning of a file that somebody has emptied.
    pub(crate) fn rewind_if_cut(&mut self) -> io::Result<()> {
        let found = Os.stat(&self.path)?;
        if found.is_some_and(|found| found.id == self.id && found.len < self.lines.end()) {
            *self = Self::open(&self.path)?;
        }
        Ok(())
    }

    fn damaged(&self, error: &io::Error) -> Entry {
        let fault = Fault::Damaged(error.to_string());
        Entry::Broken(Broken {
            file: self.path.to_path_buf(),
            offset: self.lines.offset(),
            len: 0,
            fault,
        })
    }
}

/// A file that is read without moving the place where others read it.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Content {
    fn of(file: File, is_compressed: bool) -> io::Result<Self> {
        if !is_compressed {
            return Ok(Self::Plain(file));
        }
        #[cfg(feature = "zstd")]
        return zstd::stream::read::Decoder::new(file).map(Self::Zstd);
        #[cfg(not(feature = "zstd"))]
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it is compressed, and the feature `zstd` is off",
        ))
    }
}

/// "Too many levels of symbolic links" says it to nobody.
fn named(error: io::Error) -> io::Error {
    match error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        true => io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a symbolic link, which could lead anywhere",
        ),
        false => error,
    }
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(into),
            #[cfg(feature = "zstd")]
            Self::Zstd(decoder) => decoder.read(into),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => "Zstd",
        })
    }
}
