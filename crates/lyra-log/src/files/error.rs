//! What can go wrong with the files of a log, and the code of each failure.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lyra_errors::{Classify, Code, Context, ErrorKind, Location, Recovery};
use snafu::{IntoError as _, Snafu};

use crate::codes;

/// Why a log could not be opened, read or brought to the disk.
///
/// Writing a line raises none of these: what could not be kept is counted, and
/// told in the file itself as soon as that can be written again.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum FileError {
    /// The directory can't be made or written to.
    #[non_exhaustive]
    #[snafu(display("can't keep a log in {}", dir.display()))]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// Another process writes the log, or another part of this one.
    #[non_exhaustive]
    #[snafu(display("{} is in use by {}", path.display(), by(*holder)))]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as far as the lock file tells.
        holder: Option<u32>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// A setting cannot be meant.
    #[non_exhaustive]
    #[snafu(display("`{setting}` is not valid: it has to be {reason}, and it is {given}"))]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it has to be.
        reason: &'static str,
        /// What was given.
        given: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The operating system refused an operation.
    #[non_exhaustive]
    #[snafu(display("can't {operation} {}", path.display()))]
    Io {
        /// A verb: `open`, `lock`, `list`.
        operation: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// There is no log of that name.
    #[non_exhaustive]
    #[snafu(display("no log named {name} in {}", dir.display()))]
    NotFound {
        /// The directory that was searched.
        dir: PathBuf,
        /// The name that was asked for.
        name: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// Lines wait in memory still, after the time that was given.
    #[non_exhaustive]
    #[snafu(display("{lines} lines are not written after {waited:?}"))]
    Unwritten {
        /// How many of those that were accepted before the call.
        lines: u64,
        /// How long the call has waited.
        waited: Duration,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

impl Classify for FileError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } => ErrorKind::Concurrency,
            Self::Dir { .. } | Self::Setting { .. } | Self::NotFound { .. } => {
                ErrorKind::Validation
            }
            Self::Io { .. } | Self::Unwritten { .. } => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Dir { .. } => codes::DIR,
            Self::InUse { .. } => codes::IN_USE,
            Self::Setting { .. } => codes::SETTING,
            Self::Io { .. } => codes::IO,
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::Unwritten { .. } => codes::UNWRITTEN,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            Self::InUse { .. } | Self::Unwritten { .. } => Recovery::RETRY,
            _ => Recovery::Permanent,
        }
    }

    fn context(&self) -> Context {
        let path = |path: &Path| Context::new().with("path", path.display().to_string());
        match self {
            Self::Dir { dir, .. } => path(dir),
            Self::InUse { path: p, holder: None, .. } => path(p),
            Self::InUse { path: p, holder: Some(pid), .. } => {
                path(p).with("holder_pid", u64::from(*pid))
            }
            Self::Setting { setting, given, .. } => {
                Context::new().with("setting", *setting).with("given", given)
            }
            Self::Io { operation, path: p, .. } => path(p).with("operation", *operation),
            Self::NotFound { dir, name, .. } => path(dir).with("name", name),
            Self::Unwritten { lines, waited, .. } => {
                Context::new().with("lines", *lines).with("waited_seconds", waited.as_secs_f64())
            }
        }
    }

    fn location(&self) -> Option<Location> {
        let (Self::Dir { location, .. }
        | Self::InUse { location, .. }
        | Self::Setting { location, .. }
        | Self::Io { location, .. }
        | Self::NotFound { location, .. }
        | Self::Unwritten { location, .. }) = self;
        Some(*location)
    }
}

impl From<FileError> for lyra_errors::Error {
    #[track_caller]
    fn from(error: FileError) -> Self {
        Self::from_classified(error)
    }
}

/// Names the operation and the path on the result of a system call.
pub(crate) trait IoAt<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> IoAt<T> for io::Result<T> {
    #[track_caller]
    fn at(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(io_error(error, operation, path)),
        }
    }
}

#[track_caller]
pub(crate) fn io_error(source: io::Error, operation: &'static str, path: &Path) -> FileError {
    IoSnafu { operation, path }.into_error(source)
}

fn by(holder: Option<u32>) -> String {
    match holder {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
