//! The file that is written to: whole lines, or nothing of them.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use super::disk::{Disk, FileId};

/// An open file that only we append to.
#[derive(Debug)]
pub(crate) struct Current {
    file: File,
    id: FileId,
    len: u64,
    /// The last line has no end: a process died in it, or the disk failed.
    is_torn: bool,
    /// A call has failed, so that the length has to be asked for again.
    is_unsure: bool,
}

/// How many lines were not written, and why.
#[derive(Debug)]
pub(crate) struct Unwritten {
    pub(crate) lines: u64,
    pub(crate) cause: io::Error,
}

impl Current {
    /// Opens a file, or makes it.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open_append(path)?;
        let found = disk.stat_open(&file)?;
        if !found.is_file {
            let text = "it is no regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut current =
            Self { file, id: found.id, len: found.len, is_torn: false, is_unsure: true };
        current.settle(disk)?;
        Ok(current)
    }

    /// Its length in bytes, as far as it was written by us.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Appends whole lines with one call, or with more where the system takes
    /// less at once. Where it fails, what is whole stays and what is torn goes.
    pub(crate) fn append(&mut self, disk: &dyn Disk, lines: &[u8]) -> Result<(), Unwritten> {
        if self.is_unsure
            && let Err(cause) = self.settle(disk)
        {
            return Err(Unwritten { lines: count(lines), cause });
        }
        // The torn line stays as it is, and ends here.
        let block = match self.is_torn {
            true => Cow::from([b"\n", lines].concat()),
            false => Cow::from(lines),
        };
        match write_all(disk, &self.file, &block) {
            Ok(()) => {
                self.len += block.len() as u64;
                self.is_torn = false;
                Ok(())
            }
            Err((written, cause)) => Err(self.make_good(disk, &block[..written], lines, cause)),
        }
    }

    /// Takes back what was written of a torn line.
    fn make_good(
        &mut self,
        disk: &dyn Disk,
        written: &[u8],
        lines: &[u8],
        cause: io::Error,
    ) -> Unwritten {
        let whole = written.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut kept = count(&written[..whole]);
        if self.is_torn && whole > 0 {
            kept -= 1;
            self.is_torn = false;
        }
        self.len += whole as u64;
        self.is_unsure = true;
        if whole < written.len() {
            // Where this fails too, `settle` finds the torn line later.
            let _ = disk.truncate(&self.file, self.len);
        }
        Unwritten { lines: count(lines) - kept, cause }
    }

    /// Looks where the file ends, and whether a line does.
    fn settle(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.len = disk.stat_open(&self.file)?.len;
        self.is_torn = self.len > 0 && disk.byte_at(&self.file, self.len - 1)? != b'\n';
        self.is_unsure = false;
        Ok(())
    }

    /// Where the file is, seen from its name.
    pub(crate) fn look(&self, disk: &dyn Disk, path: &Path) -> io::Result<Whereabouts> {
        if disk.stat(path)?.is_some_and(|found| found.id == self.id) {
            return Ok(Whereabouts::InPlace);
        }
        match disk.stat_open(&self.file)?.is_removed {
            true => Ok(Whereabouts::Removed),
            false => Ok(Whereabouts::Renamed),
        }
    }
}

/// What has become of a file that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    InPlace,
    Renamed,
    Removed,
}

/// How many lines end in a block.
pub(crate) fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn write_all(disk: &dyn Disk, file: &File, block: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < block.len() {
        match disk.write(file, &block[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(taken) => written += taken,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err((written, e)),
        }
    }
    Ok(())
}
