//! What can go wrong, and the code each failure carries.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use lyra_errors::{Classify, Code, Context, ErrorKind, Recovery};
use snafu::{IntoError as _, Location, Snafu};

const NOT_FOUND: Code = Code::new("backup.not_found", "look up the name with `list`");
const SOURCE_NOT_FOUND: Code =
    Code::new("backup.source_not_found", "give an existing directory as the source");
const INVALID_ARGUMENT: Code =
    Code::new("backup.invalid_argument", "correct the argument that the message names");
const EMPTY_POLICY: Code =
    Code::new("backup.empty_policy", "keep at least one day or one last backup");
const CORRUPT: Code =
    Code::new("backup.corrupt", "restore another backup; `list` shows which are verified");
const NEWER_FORMAT: Code =
    Code::new("backup.newer_format", "use the version that wrote it, or a later one");
const UNSAFE_MEMBER: Code = Code::new(
    "backup.unsafe_member",
    "don't restore an archive you don't trust; external links of your own can be allowed",
);
const BAD_TARGET: Code = Code::new(
    "backup.bad_target",
    "choose a directory apart from the backups, on a file system of its parent",
);
const TARGET_IN_USE: Code =
    Code::new("backup.target_in_use", "close the store in the target and try again");
const LOCKED: Code =
    Code::new("backup.locked", "wait for the other operation to end and try again");
const NO_PREVIOUS: Code =
    Code::new("backup.no_previous", "restore a backup instead; no replaced tree is kept");
const JOURNAL: Code = Code::new(
    "backup.journal",
    "compare the trees beside the target by hand, keep the right one, then remove the journal",
);
const DISK_FULL: Code = Code::new("backup.disk_full", "free some space; nothing was left behind");
const UNREADABLE: Code = Code::new(
    "backup.unreadable",
    "make the file readable, end what locks it, or move it out of the source",
);
const IO: Code = Code::new("backup.io", "look at the cause; the operation can be repeated safely");
const CANCELLED: Code = Code::new("backup.cancelled", "run it again; nothing was left behind");

/// Every code that this crate can raise.
pub const CODES: &[Code] = &[
    NOT_FOUND,
    SOURCE_NOT_FOUND,
    INVALID_ARGUMENT,
    EMPTY_POLICY,
    CORRUPT,
    NEWER_FORMAT,
    UNSAFE_MEMBER,
    BAD_TARGET,
    TARGET_IN_USE,
    LOCKED,
    NO_PREVIOUS,
    JOURNAL,
    DISK_FULL,
    UNREADABLE,
    IO,
    CANCELLED,
];

/// Why a backup, a listing, a validation, a restore or a prune did not happen.
///
/// Whenever one of these is returned by a restore, the target is what it was
/// before; whenever one is returned by a create, no new backup is listed.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum BackupError {
    /// No archive of that name lies in the backup directory.
    #[non_exhaustive]
    #[snafu(display("no backup named {} in {}", shown(name), shown(dir.display())))]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The backup directory that was searched.
        dir: PathBuf,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The directory to back up does not exist or is not a directory.
    #[non_exhaustive]
    #[snafu(display("the source {} {}", shown(path.display()), shown(reason)))]
    Source {
        /// The source as it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// An argument can't be used; nothing was touched.
    #[non_exhaustive]
    #[snafu(display("{} {}", shown(what), shown(reason)))]
    InvalidArgument {
        /// The argument.
        what: String,
        /// Why it was refused.
        reason: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The retention policy would keep nothing.
    #[non_exhaustive]
    #[snafu(display("the retention policy keeps nothing: zero days and zero last backups"))]
    EmptyPolicy {
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The archive is not, to the last byte, what was written.
    #[non_exhaustive]
    #[snafu(display("{} is damaged: {}", shown(archive.display()), shown(detail)))]
    Corrupt {
        /// The archive.
        archive: PathBuf,
        /// What differs, and where as far as it is known.
        detail: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The archive was written by a later version in a way this one can't read.
    #[non_exhaustive]
    #[snafu(display(
        "{} needs a newer version of this program: {}",
        shown(archive.display()),
        shown(needs)
    ))]
    NewerFormat {
        /// The archive.
        archive: PathBuf,
        /// The format number or the features that are not known here.
        needs: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// A member would reach outside the target, or is of a kind that is never restored.
    #[non_exhaustive]
    #[snafu(display(
        "{} holds an unsafe member {}: {}",
        shown(archive.display()),
        shown(member),
        shown(reason)
    ))]
    UnsafeMember {
        /// The archive.
        archive: PathBuf,
        /// The member's path, escaped.
        member: String,
        /// Which rule it breaks.
        reason: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The target can't be exchanged: it is a file, a mount point, or overlaps the backups.
    #[non_exhaustive]
    #[snafu(display("can't restore to {}: {}", shown(path.display()), shown(reason)))]
    BadTarget {
        /// The target.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// A live process holds the store in the target open.
    #[non_exhaustive]
    #[snafu(display("{} is open in {}", shown(path.display()), shown(holder)))]
    TargetInUse {
        /// The target.
        path: PathBuf,
        /// The process, as far as its lock file tells.
        holder: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// Another operation of this crate is under way on the same directory.
    #[non_exhaustive]
    #[snafu(display("another operation holds {}", shown(path.display())))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// There is no previous tree to go back to or to discard.
    #[non_exhaustive]
    #[snafu(display("no previous tree is kept beside {}", shown(target.display())))]
    NoPrevious {
        /// The target of the earlier restore.
        target: PathBuf,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The journal of an interrupted restore can't be read, so nothing is touched.
    #[non_exhaustive]
    #[snafu(display(
        "the restore journal {} can't be understood: {}",
        shown(path.display()),
        shown(detail)
    ))]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The file system has no room.
    #[non_exhaustive]
    #[snafu(display("no space left for {}: {}", shown(path.display()), shown(detail)))]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// How much is needed, where that is known.
        detail: String,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// A file of the source can't be read. A backup with a silent hole would be worse.
    #[non_exhaustive]
    #[snafu(display("can't read {}", shown(path.display())))]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The operating system refused an operation.
    #[non_exhaustive]
    #[snafu(display("can't {operation} {}", shown(path.display())))]
    Io {
        /// A verb: `open`, `rename`, `sync`.
        operation: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },

    /// The progress callback asked to stop.
    #[non_exhaustive]
    #[snafu(display("stopped on request"))]
    Cancelled {
        /// Where it was raised.
        #[snafu(implicit)]
        location: Location,
    },
}

impl Classify for BackupError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TargetInUse { .. } | Self::Locked { .. } | Self::Cancelled { .. } => {
                ErrorKind::Concurrency
            }
            Self::Journal { .. }
            | Self::DiskFull { .. }
            | Self::Unreadable { .. }
            | Self::Io { .. } => ErrorKind::Memory,
            Self::NotFound { .. }
            | Self::Source { .. }
            | Self::InvalidArgument { .. }
            | Self::EmptyPolicy { .. }
            | Self::Corrupt { .. }
            | Self::NewerFormat { .. }
            | Self::UnsafeMember { .. }
            | Self::BadTarget { .. }
            | Self::NoPrevious { .. } => ErrorKind::Validation,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => NOT_FOUND,
            Self::Source { .. } => SOURCE_NOT_FOUND,
            Self::InvalidArgument { .. } => INVALID_ARGUMENT,
            Self::EmptyPolicy { .. } => EMPTY_POLICY,
            Self::Corrupt { .. } => CORRUPT,
            Self::NewerFormat { .. } => NEWER_FORMAT,
            Self::UnsafeMember { .. } => UNSAFE_MEMBER,
            Self::BadTarget { .. } => BAD_TARGET,
            Self::TargetInUse { .. } => TARGET_IN_USE,
            Self::Locked { .. } => LOCKED,
            Self::NoPrevious { .. } => NO_PREVIOUS,
            Self::Journal { .. } => JOURNAL,
            Self::DiskFull { .. } => DISK_FULL,
            Self::Unreadable { .. } => UNREADABLE,
            Self::Io { .. } => IO,
            Self::Cancelled { .. } => CANCELLED,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            // Others hold these for as long as one operation takes.
            Self::Locked { .. } => Recovery::RETRY,
            _ => Recovery::Permanent,
        }
    }

    fn context(&self) -> Context {
        let path = |path: &Path| Context::new().with("path", shown(path.display()).to_string());
        match self {
            Self::NotFound { name, dir, .. } => path(dir).with("name", name.clone()),
            Self::Source { path: p, .. }
            | Self::BadTarget { path: p, .. }
            | Self::Locked { path: p, .. }
            | Self::DiskFull { path: p, .. }
            | Self::Unreadable { path: p, .. }
            | Self::Journal { path: p, .. }
            | Self::NoPrevious { target: p, .. } => path(p),
            Self::TargetInUse { path: p, holder, .. } => path(p).with("holder", holder.clone()),
            Self::Io { operation, path: p, .. } => path(p).with("operation", *operation),
            Self::Corrupt { archive, detail, .. } => path(archive).with("detail", detail.clone()),
            Self::NewerFormat { archive, needs, .. } => path(archive).with("needs", needs.clone()),
            Self::UnsafeMember { archive, member, .. } => {
                path(archive).with("member", member.clone())
            }
            Self::InvalidArgument { what, .. } => Context::new().with("argument", what.clone()),
            Self::EmptyPolicy { .. } | Self::Cancelled { .. } => Context::new(),
        }
    }

    fn location(&self) -> Option<Location> {
        let (Self::NotFound { location, .. }
        | Self::Source { location, .. }
        | Self::InvalidArgument { location, .. }
        | Self::EmptyPolicy { location }
        | Self::Corrupt { location, .. }
        | Self::NewerFormat { location, .. }
        | Self::UnsafeMember { location, .. }
        | Self::BadTarget { location, .. }
        | Self::TargetInUse { location, .. }
        | Self::Locked { location, .. }
        | Self::NoPrevious { location, .. }
        | Self::Journal { location, .. }
        | Self::DiskFull { location, .. }
        | Self::Unreadable { location, .. }
        | Self::Io { location, .. }
        | Self::Cancelled { location }) = self;
        Some(*location)
    }
}

impl From<BackupError> for lyra_errors::Error {
    #[track_caller]
    fn from(error: BackupError) -> Self {
        Self::from_classified(error)
    }
}

pub(crate) type Result<T, E = BackupError> = std::result::Result<T, E>;

/// Names the operation and the path on an I/O result, and tells a full disk apart.
pub(crate) trait IoAt<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoAt<T> for Result<T, E> {
    #[track_caller]
    fn at(self, operation: &'static str, path: &Path) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(io_error(error.into(), operation, path)),
        }
    }
}

#[track_caller]
pub(crate) fn io_error(source: io::Error, operation: &'static str, path: &Path) -> BackupError {
    let full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if full {
        DiskFullSnafu { path, detail: source.to_string() }.build()
    } else {
        IoSnafu { operation, path }.into_error(source)
    }
}

/// Text from file names and archives, with control characters escaped: a name
/// may neither move the cursor of whoever reads the message nor begin a line of its own.
pub(crate) fn shown(text: impl fmt::Display) -> impl fmt::Display {
    Shown(text)
}

struct Shown<T>(T);

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_drive_the_terminal() {
        let dir = Path::new("a\u{1b}[2Jb\nc \u{9b}\u{e9}");
        let error = NotFoundSnafu { name: "x\r", dir }.build();
        let text = "no backup named x\\r in a\\u{1b}[2Jb\\nc \\u{9b}\u{e9}";
        assert_eq!(error.to_string(), text);
        let told = error.context().value("path").map(ToString::to_string);
        assert!(!told.unwrap().contains('\u{1b}'));
    }
}
