//! How files are written: sizes, numbers, what to do when others are there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use super::disk::{Disk, Os};
use super::error::{FileError, SettingSnafu};

/// When a file is full, and what becomes of old ones.
///
/// By default a file holds at most 10 MiB and 7 old ones are kept beside it as
/// `.1`, the newest, to `.7`; they are not compressed, and the whole has no cap
/// but what follows from that: 16 files of 10 MiB.
///
/// ```
/// use lyra_log::files::Rotation;
///
/// let rotation = Rotation::size_mib(10).keep(7).total_mib(100);
/// # let _ = rotation;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    pub(crate) limit: u64,
    pub(crate) keep: u32,
    pub(crate) total: Option<u64>,
    pub(crate) zstd: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self::size_mib(10)
    }
}

const MIB: u64 = 1024 * 1024;
/// What a person would still look through.
const MOST_KEPT: u32 = 1000;

impl Rotation {
    /// A file is rotated before it would hold more than that many MiB.
    #[must_use]
    pub fn size_mib(mib: u32) -> Self {
        Self::size_bytes(u64::from(mib) * MIB)
    }

    /// A file is rotated before it would hold more than that many bytes. A
    /// single record that is larger gets a file of its own.
    #[must_use]
    pub fn size_bytes(bytes: u64) -> Self {
        Self { limit: bytes, keep: 7, total: None, zstd: false }
    }

    /// How many old files of each kind are kept: 7 by default, 1000 at most.
    /// With 0 a full file is thrown away.
    #[must_use]
    pub fn keep(mut self, files: u32) -> Self {
        self.keep = files;
        self
    }

    /// All files of the log together hold at most that many MiB, see
    /// [`total_bytes`](Self::total_bytes).
    #[must_use]
    pub fn total_mib(self, mib: u32) -> Self {
        self.total_bytes(u64::from(mib) * MIB)
    }

    /// All files of the log together, old and compressed ones and those of
    /// errors too, hold at most that many bytes; the oldest go first. It has to
    /// be at least twice the size of one file. No cap by default.
    #[must_use]
    pub fn total_bytes(mut self, bytes: u64) -> Self {
        self.total = Some(bytes);
        self
    }

    /// Old files are compressed, by a thread of their own. Off by default.
    #[cfg(feature = "zstd")]
    #[cfg_attr(docsrs, doc(cfg(feature = "zstd")))]
    #[must_use]
    pub fn zstd(mut self) -> Self {
        self.zstd = true;
        self
    }
}

/// What to do when another process writes a log of that name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnBusy {
    /// Opening fails with `log.in_use`.
    #[default]
    Fail,
    /// The log gets the next free name: `agent-2`, `agent-3`, to `agent-99`.
    Number,
}

/// When lines reach the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Delivery {
    /// Each at once, with one `write(2)`: whatever ends the process, no line
    /// that was written is lost. A power cut takes what the kernel had not yet
    /// brought to the disk.
    #[default]
    Direct,
    /// Many at once: when `max_bytes` have gathered, with each ERROR, and after
    /// `max_delay` at the latest. **What has gathered dies with the process**
    /// when it is killed or aborts; its end in order and a flush write it.
    Buffered {
        /// At most that many bytes gather. 64 KiB is a good measure.
        max_bytes: usize,
        /// No line waits longer than that.
        max_delay: Duration,
    },
}

/// All that [`LogFiles`](super::LogFiles) has to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    /// Stands under `run` in the records that the files write themselves.
    pub(crate) run: String,
    pub(crate) rotation: Rotation,
    pub(crate) delivery: Delivery,
    pub(crate) on_busy: OnBusy,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Settings {
    pub(crate) fn new(dir: impl Into<PathBuf>, name: &str, run: &str) -> Self {
        Self {
            dir: dir.into(),
            name: name.to_owned(),
            run: run.to_owned(),
            rotation: Rotation::default(),
            delivery: Delivery::default(),
            on_busy: OnBusy::default(),
            disk: Arc::new(Os),
            clock: Arc::new(SystemClock),
        }
    }

    pub(crate) fn check(&self) -> Result<(), FileError> {
        let invalid =
            |setting, reason, given: String| SettingSnafu { setting, reason, given }.fail();
        let Rotation { limit, keep, total, .. } = self.rotation;
        if let Some(reason) = why_no_name(&self.name) {
            return invalid("name", reason, self.name.escape_debug().to_string());
        }
        if self.dir.as_os_str().is_empty() {
            return invalid("dir", "the path of a directory", String::new());
        }
        if limit == 0 {
            return invalid("rotation.size", "at least one byte", limit.to_string());
        }
        if keep > MOST_KEPT {
            return invalid("rotation.keep", "at most 1000", keep.to_string());
        }
        if let Some(total) = total.filter(|&total| total / 2 < limit) {
            return invalid("rotation.total", "at least twice the size", total.to_string());
        }
        if let Delivery::Buffered { max_bytes, max_delay } = self.delivery
            && (max_bytes == 0 || max_delay.is_zero())
        {
            return invalid("delivery", "more than nothing", format!("{:?}", self.delivery));
        }
        Ok(())
    }
}

/// Why a log can't have that name.
pub(crate) fn why_no_name(name: &str) -> Option<&'static str> {
    let is_plain = |c: char| !c.is_control() && c != '/';
    if name.is_empty() || name.len() > 200 {
        Some("1 to 200 bytes")
    } else if name.starts_with('.') || !name.chars().all(is_plain) {
        Some("the beginning of a file name: no slash, no control character, no dot in front")
    } else if name.ends_with("_errors") {
        Some("not the name of another log's file of errors")
    } else {
        None
    }
}
