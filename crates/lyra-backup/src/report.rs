//! What `create` tells when it is done.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

/// A finished backup, and everything about it that is not as plain as it could be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateReport {
    /// The backup's name, as `list`, `validate` and `restore` take it.
    pub name: String,
    /// The archive.
    pub path: PathBuf,
    /// When it was made, by the manager's clock.
    pub created: Timestamp,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// Size of the files' content in bytes.
    pub content_bytes: u64,
    /// Regular files in it.
    pub files: u64,
    /// Directories in it, the root included.
    pub directories: u64,
    /// Symbolic links in it.
    pub symlinks: u64,
    /// Whether every byte was read back and checked before the backup got its name.
    pub verified: bool,
    /// How long it took.
    pub took: Duration,
    /// SQLite databases that were snapshotted and passed `quick_check`.
    pub sqlite_snapshots: Vec<PathBuf>,
    /// SQLite databases that were snapshotted and that `quick_check` has no
    /// verdict on: they need a collation or a function of their application's, say.
    pub sqlite_unchecked: Vec<DatabaseNote>,
    /// SQLite databases that were copied as plain files, so that they may be of
    /// more than one instant.
    pub sqlite_unsnapshotted: Vec<DatabaseNote>,
    /// Files that were written to while they were read. Each holds bytes of
    /// more than one instant.
    pub changed: Vec<PathBuf>,
    /// What of the source is not in the backup.
    pub skipped: Vec<Skipped>,
    /// Links whose target may lie outside the tree. A restore refuses them
    /// unless it is told to allow them.
    pub external_symlinks: Vec<PathBuf>,
}

impl CreateReport {
    /// Whether everything of the source is in the backup as it was at one instant.
    ///
    /// What is left out by design (the backup directory, what restores
    /// keep beside their target, the files beside a SQLite database, the lock of a live store) doesn't count against it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.changed.is_empty()
            && self.sqlite_unsnapshotted.is_empty()
            && self.skipped.iter().all(|s| s.reason.is_by_design())
    }
}

/// A SQLite database that is not all that a snapshot should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseNote {
    /// Relative to the root of the tree.
    pub path: PathBuf,
    /// What SQLite said about it.
    pub reason: String,
}

impl DatabaseNote {
    pub(crate) fn new(path: &Path, reason: String) -> Self {
        Self { path: path.to_owned(), reason }
    }
}

/// Something of the source that is not in the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Relative to the source.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

impl Skipped {
    pub(crate) fn new(path: &Path, reason: SkipReason) -> Self {
        Self { path: path.to_owned(), reason }
    }
}

/// Why something of the source is not in the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It was there when the directory was listed and gone when it was read.
    Vanished,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
    /// The directory of the backups lies inside the source.
    BackupDirectory,
    /// `.lyra-backup` in the root is what archives call their own directory.
    ReservedName,
    /// `lyra.lock` in the root: the state of a live store's process, not data.
    StoreLock,
    /// `.{name}.previous-{id}` and the like: what restores keep beside their
    /// target, when that lies in the source.
    RestoreSibling,
    /// `-wal`, `-shm` or `-journal` of a SQLite database; the snapshot holds its content.
    SqliteCompanion,
}

impl SkipReason {
    /// Whether a backup is whole without it: what other files hold already, or
    /// what is no data of the source.
    #[must_use]
    pub fn is_by_design(self) -> bool {
        matches!(
            self,
            Self::BackupDirectory | Self::StoreLock | Self::RestoreSibling | Self::SqliteCompanion
        )
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vanished => "vanished while the source was read",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::BackupDirectory => "the backup directory itself",
            Self::ReservedName => "a name that archives reserve",
            Self::StoreLock => "the lock of a live store",
            Self::RestoreSibling => "what a restore keeps beside its target",
            Self::SqliteCompanion => "its content is in the database's snapshot",
        })
    }
}
