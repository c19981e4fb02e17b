//! Which file a path leads to, so that an exchange behind our back is seen.

use std::path::Path;

/// A file's identity on this machine, as long as it is open somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileId {
    /// The identity of the file at `path`; none where there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&std::fs::Metadata> for FileId {
    #[cfg(unix)]
    fn from(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    /// Elsewhere a file that is open cannot be replaced.
    #[cfg(not(unix))]
    fn from(_: &std::fs::Metadata) -> Self {
        Self {}
    }
}
