#![allow(missing_docs, reason = "a variant's `location` is where the error arose, in all alike")]

use std::path::PathBuf;
use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location, Recovery, Severity, Value};
use snafu::Snafu;

use crate::Space;
use crate::codes;
use crate::fault::Faults;
use crate::store::LockOwner;
use crate::validate::shown;

/// Why the memory store did not do what it was asked. What it was asked is
/// then not done at all: nothing of a failed call is ever half-written.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum MemoryError {
    /// Entries, or limits, break the rules; every fault is listed.
    #[non_exhaustive]
    #[snafu(display("not valid: {faults}"))]
    Invalid {
        /// What is wrong, and where.
        faults: Faults,
        #[snafu(implicit)]
        location: Location,
    },

    /// Entries with these ids are there already.
    #[non_exhaustive]
    #[snafu(display("{} in `{collection}` already", named(ids)))]
    AlreadyExists {
        /// The collection.
        collection: String,
        /// The ids.
        ids: Vec<String>,
        #[snafu(implicit)]
        location: Location,
    },

    /// There are no entries with these ids.
    #[non_exhaustive]
    #[snafu(display("{} not in `{collection}`", named(ids)))]
    NotFound {
        /// The collection.
        collection: String,
        /// The ids.
        ids: Vec<String>,
        #[snafu(implicit)]
        location: Location,
    },

    /// There is no collection of that name.
    #[non_exhaustive]
    #[snafu(display("there is no collection {}", shown(name)))]
    CollectionNotFound {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
        #[snafu(implicit)]
        location: Location,
    },

    /// A collection cannot have that name or that dimension.
    #[non_exhaustive]
    #[snafu(display("a collection {} cannot be made: {reason}", shown(name)))]
    InvalidCollection {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
        #[snafu(implicit)]
        location: Location,
    },

    /// The collection was made for other vectors.
    #[non_exhaustive]
    #[snafu(display("collection `{name}` holds vectors {stored}, not {asked}"))]
    SpaceMismatch {
        /// The collection.
        name: String,
        /// What the caller expected.
        asked: Box<Space>,
        /// What the collection remembers.
        stored: Box<Space>,
        #[snafu(implicit)]
        location: Location,
    },

    /// A text needs a vector, and nobody here can make it.
    #[non_exhaustive]
    #[snafu(display("no embedder can turn a text into a vector for `{collection}`"))]
    NoEmbedder {
        /// The collection.
        collection: String,
        /// The embedder that it remembers, if any.
        fingerprint: Option<String>,
        #[snafu(implicit)]
        location: Location,
    },

    /// The embedder failed.
    #[non_exhaustive]
    #[snafu(display("the embedder of `{collection}` failed"))]
    Embedding {
        /// The collection.
        collection: String,
        /// What the embedder reported.
        source: Error,
        #[snafu(implicit)]
        location: Location,
    },

    /// The embedder broke its contract.
    #[non_exhaustive]
    #[snafu(display("the embedder {fingerprint} gave a wrong answer: {reason}"))]
    EmbedderAnswer {
        /// The embedder.
        fingerprint: String,
        /// What is wrong with the answer.
        reason: String,
        #[snafu(implicit)]
        location: Location,
    },

    /// The filter cannot be meant.
    #[non_exhaustive]
    #[snafu(display("the filter is not valid: {reason}"))]
    InvalidFilter {
        /// What is wrong with it.
        reason: &'static str,
        #[snafu(implicit)]
        location: Location,
    },

    /// The query cannot be meant.
    #[non_exhaustive]
    #[snafu(display("the query is not valid: {reason}"))]
    InvalidQuery {
        /// What is wrong with it.
        reason: String,
        #[snafu(implicit)]
        location: Location,
    },

    /// The path is something else than a memory store.
    #[non_exhaustive]
    #[snafu(display("{} is not a memory store: {reason}", path.display()))]
    NotAStore {
        /// The path.
        path: PathBuf,
        /// How that was seen.
        reason: &'static str,
        #[snafu(implicit)]
        location: Location,
    },

    /// There is no store at the path.
    #[non_exhaustive]
    #[snafu(display("there is no memory store at {}", path.display()))]
    NoStore {
        /// The path.
        path: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    /// The store was written by a newer version.
    #[non_exhaustive]
    #[snafu(display(
        "{} has format {found}, this version reads up to {supported}", path.display()
    ))]
    NewerFormat {
        /// The store.
        path: PathBuf,
        /// Its format version.
        found: i64,
        /// The newest format version that is understood here.
        supported: i64,
        #[snafu(implicit)]
        location: Location,
    },

    /// An older version wrote the store, and it is opened for reading only.
    #[snafu(display(
        "{} has format {found}, and is read in format {supported}", path.display()
    ))]
    #[non_exhaustive]
    OlderFormat {
        /// The store.
        path: PathBuf,
        /// Its format version.
        found: i64,
        /// The format version that is read here.
        supported: i64,
        #[snafu(implicit)]
        location: Location,
    },

    /// The store is damaged.
    #[non_exhaustive]
    #[snafu(display("{} is damaged: {detail}", path.display()))]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        detail: String,
        #[snafu(implicit)]
        location: Location,
    },

    /// Another process writes to the store.
    #[non_exhaustive]
    #[snafu(display(
        "{} is in use by {}", path.display(),
        owner.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string)
    ))]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who holds it, where that is told.
        owner: Option<LockOwner>,
        #[snafu(implicit)]
        location: Location,
    },

    /// Another transaction of this process did not end in time.
    #[non_exhaustive]
    #[snafu(display("no turn to write within {waited:?}"))]
    Busy {
        /// How long was waited.
        waited: Duration,
        #[snafu(implicit)]
        location: Location,
    },

    /// This thread has a transaction open already and would wait for itself.
    #[non_exhaustive]
    #[snafu(display("this thread has a transaction open already"))]
    NestedTransaction {
        #[snafu(implicit)]
        location: Location,
    },

    /// An earlier step of the transaction failed, so that none of it counts.
    #[non_exhaustive]
    #[snafu(display("the transaction is aborted: an earlier step failed with {first}"))]
    TransactionAborted {
        /// The code of the step that failed.
        first: Code,
        #[snafu(implicit)]
        location: Location,
    },

    /// The store was opened for reading, or may not be written.
    #[non_exhaustive]
    #[snafu(display("{} is open for reading only", path.display()))]
    ReadOnly {
        /// The store.
        path: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    /// The disk is full.
    #[non_exhaustive]
    #[snafu(display("no space is left for {}", path.display()))]
    DiskFull {
        /// The store.
        path: PathBuf,
        /// What SQLite reported.
        source: Box<dyn std::error::Error + Send + Sync>,
        #[snafu(implicit)]
        location: Location,
    },

    /// The database refused for another reason.
    #[non_exhaustive]
    #[snafu(display("cannot {operation} {}", path.display()))]
    Storage {
        /// The store.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What SQLite reported.
        source: Box<dyn std::error::Error + Send + Sync>,
        #[snafu(implicit)]
        location: Location,
    },

    /// A file or a directory could not be used.
    #[non_exhaustive]
    #[snafu(display("cannot {operation} {}", path.display()))]
    Io {
        /// Which one.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system reported.
        source: std::io::Error,
        #[snafu(implicit)]
        location: Location,
    },

    /// What was exported could not be written.
    #[non_exhaustive]
    #[snafu(display("cannot write the export"))]
    Export {
        /// What the writer reported.
        source: std::io::Error,
        #[snafu(implicit)]
        location: Location,
    },

    /// The store's directory was moved, deleted or exchanged while it was
    /// open.
    #[non_exhaustive]
    #[snafu(display("{} is no longer the store that was opened", path.display()))]
    Moved {
        /// The store.
        path: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    /// A file to import is of no known sort.
    #[non_exhaustive]
    #[snafu(display("{} is no file that can be imported", path.display()))]
    UnsupportedFile {
        /// Which one.
        path: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },
}

impl MemoryError {
    /// What SQLite reported, in terms of what the caller can do about it.
    #[track_caller]
    pub(crate) fn storage(
        path: &std::path::Path,
        operation: &'static str,
        source: rusqlite::Error,
    ) -> Self {
        use rusqlite::{ErrorCode, ffi};
        let location = std::panic::Location::caller();
        let path = path.to_owned();
        // Columns are typed, so a value of another type was not written by us.
        let unreadable = matches!(
            source,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        );
        // What readers and the writer share is a file beside the database, and
        // SQLite has no better word for it when that finds no room.
        let no_room = source.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE);
        match source.sqlite_error_code() {
            // What could not be read may be a whole document.
            _ if unreadable => {
                let detail = shown(&source.to_string());
                Self::Corrupt { path, detail, location }
            }
            _ if no_room => Self::DiskFull { path, source: Box::new(source), location },
            Some(ErrorCode::DiskFull) => {
                Self::DiskFull { path, source: Box::new(source), location }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, detail: source.to_string(), location }
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path, location },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Locked { path, owner: None, location }
            }
            _ => Self::Storage { path, operation, source: Box::new(source), location },
        }
    }
}

#[cfg(feature = "tokio")]
impl MemoryError {
    /// The same once more, for another whose change was in the same commit.
    pub(crate) fn again(&self) -> Self {
        let location = std::panic::Location::caller();
        match self {
            Self::DiskFull { path, source, .. } => {
                let source = Box::new(again(&**source));
                Self::DiskFull { path: path.clone(), source, location }
            }
            Self::Storage { path, operation, source, .. } => {
                let source = Box::new(again(&**source));
                Self::Storage { path: path.clone(), operation, source, location }
            }
            Self::Corrupt { path, detail, .. } => {
                Self::Corrupt { path: path.clone(), detail: detail.clone(), location }
            }
            Self::ReadOnly { path, .. } => Self::ReadOnly { path: path.clone(), location },
            Self::Locked { path, .. } => Self::Locked { path: path.clone(), owner: None, location },
            other => Self::TransactionAborted { first: other.code(), location },
        }
    }
}

/// An error of SQLite's is a number and a text.
#[cfg(feature = "tokio")]
fn again(error: &(dyn std::error::Error + Send + Sync + 'static)) -> rusqlite::Error {
    match error.downcast_ref() {
        Some(rusqlite::Error::SqliteFailure(failure, text)) => {
            rusqlite::Error::SqliteFailure(*failure, text.clone())
        }
        _ => {
            let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR);
            rusqlite::Error::SqliteFailure(failure, Some(error.to_string()))
        }
    }
}

/// A few ids, and how many more there are.
fn named(ids: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut list = ids.iter().take(SHOWN).map(|id| shown(id)).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN {
        list.push_str(&format!(" and {} more", ids.len() - SHOWN));
    }
    let verb = if ids.len() == 1 { "is" } else { "are" };
    format!("{list} {verb}")
}

impl Classify for MemoryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. }
            | Self::InvalidCollection { .. }
            | Self::SpaceMismatch { .. }
            | Self::InvalidFilter { .. }
            | Self::InvalidQuery { .. }
            | Self::UnsupportedFile { .. } => ErrorKind::Validation,
            Self::Locked { .. } | Self::Busy { .. } | Self::NestedTransaction { .. } => {
                ErrorKind::Concurrency
            }
            Self::Embedding { source, .. } => source.kind(),
            _ => ErrorKind::Memory,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid { faults, .. } if faults.iter().all(|f| f.code == "dimension") => {
                codes::DIMENSION_MISMATCH
            }
            Self::Invalid { .. } => codes::INVALID_ENTRY,
            Self::AlreadyExists { .. } => codes::ALREADY_EXISTS,
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::CollectionNotFound { .. } => codes::COLLECTION_NOT_FOUND,
            Self::InvalidCollection { .. } => codes::INVALID_COLLECTION,
            Self::SpaceMismatch { .. } => codes::SPACE_MISMATCH,
            Self::NoEmbedder { .. } => codes::NO_EMBEDDER,
            Self::Embedding { .. } => codes::EMBEDDING_FAILED,
            Self::EmbedderAnswer { .. } => codes::EMBEDDER_ANSWER,
            Self::InvalidFilter { .. } => codes::INVALID_FILTER,
            Self::InvalidQuery { .. } => codes::INVALID_QUERY,
            Self::NotAStore { .. } => codes::NOT_A_STORE,
            Self::NoStore { .. } => codes::NO_STORE,
            Self::NewerFormat { .. } => codes::NEWER_FORMAT,
            Self::OlderFormat { .. } => codes::OLDER_FORMAT,
            Self::Corrupt { .. } => codes::CORRUPT,
            Self::Locked { .. } => codes::LOCKED,
            Self::Busy { .. } => codes::BUSY,
            Self::NestedTransaction { .. } => codes::NESTED_TRANSACTION,
            Self::TransactionAborted { .. } => codes::TRANSACTION_ABORTED,
            Self::ReadOnly { .. } => codes::READ_ONLY,
            Self::DiskFull { .. } => codes::DISK_FULL,
            Self::Storage { .. } => codes::STORAGE,
            Self::Io { .. } | Self::Export { .. } => codes::IO,
            Self::Moved { .. } => codes::MOVED,
            Self::UnsupportedFile { .. } => codes::UNSUPPORTED_FILE,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            Self::Locked { .. } | Self::Busy { .. } => Recovery::RETRY,
            Self::Embedding { source, .. } => source.recovery(),
            _ => Recovery::Permanent,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::Corrupt { .. } | Self::DiskFull { .. } | Self::Moved { .. } => Severity::Critical,
            _ => Severity::Error,
        }
    }

    fn context(&self) -> Context {
        let context = Context::new();
        match self {
            Self::Invalid { faults, .. } => {
                let list: Vec<Value> = faults.iter().map(|f| f.to_string().into()).collect();
                context.with("faults", faults.count()).with("first_faults", list)
            }
            Self::AlreadyExists { collection, ids, .. }
            | Self::NotFound { collection, ids, .. } => {
                context.with("collection", collection).with("ids", ids.clone())
            }
            Self::CollectionNotFound { name, known, .. } => {
                context.with("collection", name).with("known", known.clone())
            }
            Self::InvalidCollection { name, .. } => context.with("collection", name),
            Self::SpaceMismatch { name, asked, stored, .. } => context
                .with("collection", name)
                .with("asked", asked.to_string())
                .with("stored", stored.to_string()),
            Self::NoEmbedder { collection, fingerprint, .. } => {
                context.with("collection", collection).with("embedder", fingerprint.clone())
            }
            Self::Embedding { collection, .. } => context.with("collection", collection),
            Self::EmbedderAnswer { fingerprint, .. } => context.with("embedder", fingerprint),
            Self::NewerFormat { path, found, supported, .. }
            | Self::OlderFormat { path, found, supported, .. } => {
                context.with("path", path).with("found", *found).with("supported", *supported)
            }
            Self::Locked { path, owner, .. } => {
                context.with("path", path).with("pid", owner.as_ref().map(|owner| owner.pid))
            }
            Self::Busy { waited, .. } => context.with("waited_seconds", waited.as_secs_f64()),
            Self::TransactionAborted { first, .. } => context.with("first", first.id()),
            Self::NotAStore { path, .. }
            | Self::NoStore { path, .. }
            | Self::Corrupt { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::DiskFull { path, .. }
            | Self::Moved { path, .. }
            | Self::UnsupportedFile { path, .. } => context.with("path", path),
            Self::Storage { path, operation, .. } | Self::Io { path, operation, .. } => {
                context.with("path", path).with("operation", *operation)
            }
            Self::InvalidFilter { .. }
            | Self::InvalidQuery { .. }
            | Self::Export { .. }
            | Self::NestedTransaction { .. } => context,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Invalid { location, .. }
            | Self::AlreadyExists { location, .. }
            | Self::NotFound { location, .. }
            | Self::CollectionNotFound { location, .. }
            | Self::InvalidCollection { location, .. }
            | Self::SpaceMismatch { location, .. }
            | Self::NoEmbedder { location, .. }
            | Self::Embedding { location, .. }
            | Self::EmbedderAnswer { location, .. }
            | Self::InvalidFilter { location, .. }
            | Self::InvalidQuery { location, .. }
            | Self::NotAStore { location, .. }
            | Self::NoStore { location, .. }
            | Self::NewerFormat { location, .. }
            | Self::OlderFormat { location, .. }
            | Self::Corrupt { location, .. }
            | Self::Locked { location, .. }
            | Self::Busy { location, .. }
            | Self::NestedTransaction { location }
            | Self::TransactionAborted { location, .. }
            | Self::ReadOnly { location, .. }
            | Self::DiskFull { location, .. }
            | Self::Storage { location, .. }
            | Self::Io { location, .. }
            | Self::Export { location, .. }
            | Self::Moved { location, .. }
            | Self::UnsupportedFile { location, .. } => Some(location),
        }
    }
}

impl From<MemoryError> for Error {
    #[track_caller]
    fn from(error: MemoryError) -> Self {
        Self::from_classified(error)
    }
}
