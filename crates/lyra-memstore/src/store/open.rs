//! What is at a path is recognised before anything is written to it.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use snafu::{ResultExt, ensure};

use super::codes::Shelf;
use super::file_id::FileId;
use super::{Inner, MemoryStore, Writer, gate, lock, schema};
use crate::error::{
    CorruptSnafu, InvalidSnafu, IoSnafu, MemoryError, NoStoreSnafu, NotAStoreSnafu,
};
use crate::events;
use crate::prepare::Embedders;
use crate::{Embedder, Limits};

/// The settings of a store.
///
/// | setting | default |
/// |---|---|
/// | limits | [`Limits::default`] |
/// | embedders | the built-in [`LexicalEmbedder`](crate::LexicalEmbedder) in any dimension |
/// | lock timeout | 30 s |
/// | memory budget | none |
#[derive(Debug)]
#[must_use]
pub struct MemoryStoreBuilder {
    pub(super) directory: PathBuf,
    pub(super) limits: Limits,
    pub(super) embedders: Embedders,
    pub(super) lock_timeout: Duration,
    pub(super) memory_budget: usize,
}

impl MemoryStoreBuilder {
    /// Other limits than the defaults.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// An embedder for the collections that remember its fingerprint. Several
    /// may be given.
    pub fn with_embedder(mut self, embedder: Arc<dyn Embedder>) -> Self {
        self.embedders.insert(embedder);
        self
    }

    /// How long a write waits for the transactions of other threads.
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// The most bytes that the codes of one collection may take in memory, to
    /// which queries hold them: about one for each dimension of each entry.
    /// A collection that would take more is read from the disk at each query,
    /// which takes some six times as long. None by default.
    pub fn with_memory_budget(mut self, bytes: usize) -> Self {
        self.memory_budget = bytes;
        self
    }

    /// Opens the store for reading and writing, and creates it where there is
    /// nothing yet.
    ///
    /// # Errors
    ///
    /// [`Locked`](MemoryError::Locked) when another process writes to it,
    /// [`NotAStore`](MemoryError::NotAStore) when the path holds something
    /// else, [`NewerFormat`](MemoryError::NewerFormat),
    /// [`Corrupt`](MemoryError::Corrupt), [`Invalid`](MemoryError::Invalid)
    /// when the limits make no sense, and whatever the system reports.
    pub fn open(mut self) -> Result<MemoryStore, MemoryError> {
        let begun = Instant::now();
        self.check_limits()?;
        create_directory(&self.directory)?;
        let database = self.resolve()?;
        recognise(&self.directory, &database)?;
        let lock = lock::StoreLock::acquire(&self.directory)?;
        let connection = schema::open_writer(&database)?;
        sync_directory(&self.directory)?;
        let writer = Writer { gate: gate::Gate::new(connection), lock };
        let store = self.into_store(database, Some(writer));
        events::opened(store.directory(), false, begun.elapsed());
        Ok(store)
    }

    /// Opens a store that exists for reading and writing.
    ///
    /// # Errors
    ///
    /// [`NoStore`](MemoryError::NoStore) when there is none, and as
    /// [`open`](Self::open).
    pub fn open_existing(self) -> Result<MemoryStore, MemoryError> {
        self.check_there()?;
        self.open()
    }

    /// Opens a store that exists for reading, beside whoever writes to it.
    ///
    /// # Errors
    ///
    /// [`NoStore`](MemoryError::NoStore) when there is none,
    /// [`NotAStore`](MemoryError::NotAStore),
    /// [`NewerFormat`](MemoryError::NewerFormat),
    /// [`Corrupt`](MemoryError::Corrupt), and whatever the system reports.
    pub fn open_read_only(mut self) -> Result<MemoryStore, MemoryError> {
        let begun = Instant::now();
        self.check_limits()?;
        self.check_there()?;
        let database = self.resolve()?;
        let reader = schema::open_reader(&database)?;
        let store = self.into_store(database, None);
        store.0.idle_readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        events::opened(store.directory(), true, begun.elapsed());
        Ok(store)
    }

    /// A directory without a database, but with nothing foreign either, is
    /// what a creation leaves that was killed early.
    fn check_there(&self) -> Result<(), MemoryError> {
        let path = &self.directory;
        // What may not be looked at is not absent.
        let there = path.try_exists().context(IoSnafu { path, operation: "look at" })?;
        ensure!(there, NoStoreSnafu { path });
        let database = path.join(DATABASE_NAME);
        recognise(path, &database)?;
        ensure!(database.exists(), NoStoreSnafu { path });
        Ok(())
    }

    /// Makes the directory's path absolute and free of links, so that it means
    /// the same wherever the process goes, and gives the database's path.
    fn resolve(&mut self) -> Result<PathBuf, MemoryError> {
        let path = &self.directory;
        self.directory = fs::canonicalize(path).context(IoSnafu { path, operation: "find" })?;
        Ok(self.directory.join(DATABASE_NAME))
    }

    fn check_limits(&self) -> Result<(), MemoryError> {
        self.limits.check().or_else(|faults| InvalidSnafu { faults }.fail())
    }

    fn into_store(self, database: PathBuf, writer: Option<Writer>) -> MemoryStore {
        MemoryStore(Arc::new(Inner {
            directory: self.directory,
            identity: FileId::of(&database),
            database,
            limits: self.limits,
            embedders: self.embedders,
            lock_timeout: self.lock_timeout,
            codes: Shelf::new(self.memory_budget),
            idle_readers: Mutex::default(),
            writer,
        }))
    }
}

/// The database in the store's directory.
const DATABASE_NAME: &str = "memory.sqlite3";

fn create_directory(path: &Path) -> Result<(), MemoryError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Err(source) = fs::create_dir_all(path) {
        let is_file = matches!(source.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory);
        ensure!(!is_file, NotAStoreSnafu { path, reason: "it is no directory" });
        return Err(source).context(IoSnafu { path, operation: "create" });
    }
    match path.canonicalize().ok().as_deref().and_then(Path::parent) {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// A name in a directory is durable only when the directory is.
fn sync_directory(path: &Path) -> Result<(), MemoryError> {
    if cfg!(unix) {
        fs::File::open(path)
            .and_then(|directory| directory.sync_all())
            .context(IoSnafu { path, operation: "make durable" })?;
    }
    Ok(())
}

/// Refuses to put a store into a directory of something else.
fn recognise(directory: &Path, database: &Path) -> Result<(), MemoryError> {
    let path = directory;
    ensure!(path.is_dir(), NotAStoreSnafu { path, reason: "it is no directory" });
    if database.exists() {
        return check_length(path, database);
    }
    // Another process may be creating the store at this moment.
    let ours = |name: &OsStr| {
        name == lock::FILE_NAME || name.as_encoded_bytes().starts_with(DATABASE_NAME.as_bytes())
    };
    let foreign = fs::read_dir(path)
        .context(IoSnafu { path, operation: "read" })?
        .filter_map(Result::ok)
        .any(|item| !ours(&item.file_name()));
    ensure!(!foreign, NotAStoreSnafu { path, reason: "it holds other files, and no database" });
    Ok(())
}

/// SQLite takes a file that is shorter than its first page for an empty
/// database, and would write a new one over what is left of the old. Only a
/// file of no length is what a killed creation leaves.
///
/// The file is not opened for this: closing it would let go of the locks that
/// SQLite holds on it elsewhere in this process, as POSIX has it.
fn check_length(path: &Path, database: &Path) -> Result<(), MemoryError> {
    const SMALLEST_PAGE: u64 = 512;
    let metadata = fs::metadata(database).context(IoSnafu { path: database, operation: "read" })?;
    ensure!(metadata.is_file(), NotAStoreSnafu { path, reason: "its database is no file" });
    let good = metadata.len() == 0 || metadata.len() >= SMALLEST_PAGE;
    ensure!(good, CorruptSnafu { path, detail: "its database was cut short" });
    Ok(())
}
