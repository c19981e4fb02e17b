use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use snafu::ensure;

use crate::error::{
    CollectionNotFoundSnafu, InvalidCollectionSnafu, MemoryError, MovedSnafu, ReadOnlySnafu,
    SpaceMismatchSnafu,
};
use crate::events;
use crate::prepare::Embedders;
use crate::{Collection, Limits, Metric, Space, Transaction};

pub(crate) mod checksum;
pub(crate) mod codes;
pub(crate) mod derived;
mod file_id;
mod gate;
mod lock;
mod maintain;
mod open;
pub(crate) mod rows;
mod schema;

use codes::Shelf;
use derived::Derived;
use file_id::FileId;
pub(crate) use gate::Turn;
pub use lock::LockOwner;
pub use maintain::CompactReport;
pub use open::MemoryStoreBuilder;

/// What an agent remembers, in one directory.
///
/// One process at a time writes to a store, any number of others read it.
/// Within the process it is shared by cloning, across threads too; a clone is
/// another handle of the same store. Every change is durable when its call
/// returns, and happens whole or not at all, whatever dies in the middle.
///
/// ```
/// use lyra_memstore::{Entry, Filter, MemoryStore, Query, Space};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("memory");
/// let store = MemoryStore::open(&path)?;
/// let journal = store.collection("journal", Space::lexical(384))?;
/// journal.add(
///     Entry::journal("We sat by the river until dark.", "An evening by the river")
///         .with_tags(["river"])
///         .with_metadata("user_id", "123"),
/// )?;
/// let hits = journal.query(Query::text("river").filter(Filter::eq("user_id", "123")))?;
/// assert_eq!(hits[0].entry.summary(), Some("An evening by the river"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    database: PathBuf,
    limits: Limits,
    embedders: Embedders,
    lock_timeout: Duration,
    identity: Option<FileId>,
    codes: Shelf,
    // Declared before the writer, so that its connection closes last: a reader
    // could not move the log into the database.
    idle_readers: Mutex<Vec<Connection>>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    gate: gate::Gate,
    // Declared last: the connection closes before the lock is let go.
    lock: lock::StoreLock,
}

/// What a collection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CollectionInfo {
    /// Its name.
    pub name: String,
    /// Which vectors it holds.
    pub space: Space,
    /// How many entries it has.
    pub entries: u64,
}

impl MemoryStore {
    /// Opens the store in `directory` for reading and writing with the
    /// default settings, and creates it where there is nothing yet.
    ///
    /// # Errors
    ///
    /// As [`MemoryStoreBuilder::open`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, MemoryError> {
        Self::builder(directory).open()
    }

    /// The settings of the store in `directory`.
    pub fn builder(directory: impl Into<PathBuf>) -> MemoryStoreBuilder {
        MemoryStoreBuilder {
            directory: directory.into(),
            limits: Limits::default(),
            embedders: Embedders::default(),
            lock_timeout: Duration::from_secs(30),
            memory_budget: usize::MAX,
        }
    }

    /// The collection of that name, created where it is not there yet.
    ///
    /// # Errors
    ///
    /// [`SpaceMismatch`](MemoryError::SpaceMismatch) when it is there and
    /// holds other vectors, [`InvalidCollection`](MemoryError::InvalidCollection)
    /// when it cannot have that name or dimension, and whatever a write can
    /// meet.
    pub fn collection(&self, name: &str, space: Space) -> Result<Collection, MemoryError> {
        check_name(name)?;
        let dimension = (1..=Space::MAX_DIMENSION).contains(&space.dimension);
        ensure!(
            dimension,
            InvalidCollectionSnafu { name, reason: "its dimension must be within 1 to 65536" }
        );
        let printable =
            |text: &str| (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
        ensure!(
            space.embedder().is_none_or(printable),
            InvalidCollectionSnafu {
                name,
                reason: "the fingerprint of its embedder must be 1 to 256 printable bytes"
            }
        );
        let find = |connection: &Connection| self.find_collection(connection, name);
        let found = match self.read(find)? {
            Some(found) => Some(found),
            None => {
                let transaction = self.begin()?;
                // Another thread may have been faster.
                let found = find(transaction.connection())?;
                if found.is_none() {
                    self.create_collection(transaction.connection(), name, &space)?;
                    transaction.commit()?;
                }
                found
            }
        };
        if let Some((_, stored)) = found {
            ensure!(
                stored == space,
                SpaceMismatchSnafu { name, asked: Box::new(space), stored: Box::new(stored) }
            );
        }
        self.open_collection(name)
    }

    /// The collection of that name, as it was made.
    ///
    /// # Errors
    ///
    /// [`CollectionNotFound`](MemoryError::CollectionNotFound) when there is
    /// none, and whatever a read can meet.
    pub fn open_collection(&self, name: &str) -> Result<Collection, MemoryError> {
        let (number, space) = self.read(|connection| self.known_collection(connection, name))?;
        Ok(Collection::new(self.clone(), name.to_owned(), number, space))
    }

    /// All collections by name, each with its number of entries.
    ///
    /// # Errors
    ///
    /// Whatever a read can meet.
    pub fn collections(&self) -> Result<Vec<CollectionInfo>, MemoryError> {
        self.read(|connection| {
            let list = || -> rusqlite::Result<Vec<CollectionInfo>> {
                connection
                    .prepare_cached(
                        "SELECT dimension, metric, embedder, name,
                             (SELECT count(*) FROM entries e WHERE e.collection = c.collection)
                         FROM collections c ORDER BY name",
                    )?
                    .query_map([], |row| {
                        Ok(CollectionInfo {
                            space: read_space(row)?,
                            name: row.get(3)?,
                            entries: row.get::<_, i64>(4)?.cast_unsigned(),
                        })
                    })?
                    .collect()
            };
            list().map_err(|source| self.failed("list the collections of", source))
        })
    }

    /// Deletes a collection with all its entries.
    ///
    /// # Errors
    ///
    /// [`CollectionNotFound`](MemoryError::CollectionNotFound) when there is
    /// none, and whatever a write can meet.
    pub fn drop_collection(&self, name: &str) -> Result<(), MemoryError> {
        let transaction = self.begin()?;
        let (number, _) = self.known_collection(transaction.connection(), name)?;
        let connection = transaction.connection();
        rows::drop(connection, number)
            .map_err(|source| self.failed("drop a collection of", source))?;
        transaction.commit()?;
        self.0.codes.forget(number);
        Ok(())
    }

    /// Runs `work` in a transaction, and commits when it succeeds.
    ///
    /// When it fails or panics, nothing of it was done.
    ///
    /// ```
    /// # use lyra_memstore::{Entry, MemoryError, MemoryStore, Space};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = MemoryStore::open(dir.path().join("memory"))?;
    /// # let journal = store.collection("journal", Space::lexical(384))?;
    /// let failed = store.transaction(|tx| {
    ///     tx.add("journal", Entry::journal("It will be rolled back.", "gone"))?;
    ///     tx.delete("journal", ["no such id"])?;
    ///     Ok::<_, MemoryError>(())
    /// });
    /// assert!(failed.is_err());
    /// assert_eq!(journal.count()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` returns, or whatever [`begin`](Self::begin) and
    /// [`commit`](Transaction::commit) can meet.
    pub fn transaction<T, E: From<MemoryError>>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut transaction = self.begin()?;
        let done = work(&mut transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Begins a transaction; dropped without a commit, it rolls back.
    ///
    /// Others that want to write wait until it ends, readers do not.
    ///
    /// # Errors
    ///
    /// [`Busy`](MemoryError::Busy) when another thread's transaction does not
    /// end within the lock timeout,
    /// [`NestedTransaction`](MemoryError::NestedTransaction) when this
    /// thread's is open, [`ReadOnly`](MemoryError::ReadOnly).
    pub fn begin(&self) -> Result<Transaction<'_>, MemoryError> {
        self.begin_within(self.0.lock_timeout)
    }

    /// As [`begin`](Self::begin), with a timeout of its own.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub fn begin_within(&self, timeout: Duration) -> Result<Transaction<'_>, MemoryError> {
        let started = Instant::now();
        let turn = self.turn(timeout)?;
        let waited = started.elapsed();
        Transaction::begin(self, turn, waited, timeout.saturating_sub(waited))
    }

    /// The turn to write, which others wait for meanwhile.
    fn turn(&self, timeout: Duration) -> Result<Turn<'_>, MemoryError> {
        let Some(writer) = &self.0.writer else {
            return ReadOnlySnafu { path: &self.0.directory }.fail();
        };
        let started = Instant::now();
        let turn = writer.gate.acquire(timeout).inspect_err(|error| {
            events::not_begun(&self.0.directory, error, started.elapsed());
        })?;
        self.check_in_place()?;
        ensure!(writer.lock.is_in_place(), MovedSnafu { path: &self.0.directory });
        Ok(turn)
    }

    /// The directory of the store.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The limits that entries must keep.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn embedders(&self) -> &Embedders {
        &self.0.embedders
    }

    pub(crate) fn codes(&self) -> &Shelf {
        &self.0.codes
    }

    pub(crate) fn database(&self) -> &Path {
        &self.0.database
    }

    pub(crate) fn format(&self) -> i64 {
        schema::FORMAT
    }

    #[track_caller]
    pub(crate) fn failed(&self, operation: &'static str, source: rusqlite::Error) -> MemoryError {
        MemoryError::storage(&self.0.directory, operation, source)
    }

    /// Runs `work` on a snapshot that no writer changes.
    ///
    /// There is always a connection: readers wait for nobody.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, MemoryError>,
    ) -> Result<T, MemoryError> {
        self.check_in_place()?;
        // More than a few idle connections would only hold memory.
        const MAX_IDLE: usize = 4;
        let idle = || self.0.idle_readers.lock().unwrap_or_else(PoisonError::into_inner);
        // In a statement of its own, so that the list is free while it opens.
        let reused = idle().pop();
        let connection = match reused {
            Some(connection) => connection,
            None => schema::open_reader(&self.0.database)?,
        };
        let result = self.on_snapshot(&connection, work);
        let mut idle = idle();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
        result
    }

    /// As [`read`](Self::read), on a connection that has read nothing yet.
    pub(crate) fn read_afresh<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, MemoryError>,
    ) -> Result<T, MemoryError> {
        self.check_in_place()?;
        self.on_snapshot(&schema::open_reader(&self.0.database)?, work)
    }

    fn on_snapshot<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Connection) -> Result<T, MemoryError>,
    ) -> Result<T, MemoryError> {
        let snapshot =
            connection.unchecked_transaction().map_err(|source| self.failed("read", source))?;
        work(&snapshot)
    }

    /// Whether the database that is open is the one at its path: it may have
    /// been deleted, or exchanged by a restore, and then what is written goes
    /// nowhere, and what is read is of the past.
    fn check_in_place(&self) -> Result<(), MemoryError> {
        let there = FileId::of(&self.0.database);
        ensure!(there == self.0.identity, MovedSnafu { path: &self.0.directory });
        Ok(())
    }

    /// The number and the space of a collection that must be there.
    pub(crate) fn known_collection(
        &self,
        connection: &Connection,
        name: &str,
    ) -> Result<(i64, Space), MemoryError> {
        if let Some(found) = self.find_collection(connection, name)? {
            return Ok(found);
        }
        let names = || -> rusqlite::Result<Vec<String>> {
            connection
                .prepare_cached("SELECT name FROM collections ORDER BY name LIMIT 20")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        CollectionNotFoundSnafu { name, known: names().unwrap_or_default() }.fail()
    }

    fn find_collection(
        &self,
        connection: &Connection,
        name: &str,
    ) -> Result<Option<(i64, Space)>, MemoryError> {
        let find = || {
            connection
                .prepare_cached(
                    "SELECT dimension, metric, embedder, collection FROM collections
                     WHERE name = ?",
                )?
                .query_row([name], |row| Ok((row.get(3)?, read_space(row)?)))
                .optional()
        };
        find().map_err(|source| self.failed("find a collection of", source))
    }

    fn create_collection(
        &self,
        connection: &Connection,
        name: &str,
        space: &Space,
    ) -> Result<(), MemoryError> {
        connection
            .execute(
                "INSERT INTO collections (name, dimension, metric, embedder) VALUES (?, ?, ?, ?)",
                params![name, space.dimension, space.metric.name(), space.embedder],
            )
            .and_then(|_| Derived::create(connection, connection.last_insert_rowid()))
            .map_err(|source| self.failed("create a collection of", source))?;
        Ok(())
    }
}

/// The names that a ChromaDB server takes as well, up to 64 characters.
fn check_name(name: &str) -> Result<(), MemoryError> {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let good = (3..=64).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
        && edge(bytes.first())
        && edge(bytes.last());
    ensure!(
        good,
        InvalidCollectionSnafu { name, reason: "its name is not 3 to 64 of a-z A-Z 0-9 . _ -" }
    );
    Ok(())
}

/// The first three columns of a row as a space.
pub(crate) fn read_space(row: &rusqlite::Row<'_>) -> rusqlite::Result<Space> {
    let metric = row.get_ref(1)?.as_str()?;
    let metric = Metric::from_name(metric).ok_or_else(|| {
        rusqlite::Error::InvalidColumnType(1, metric.to_owned(), rusqlite::types::Type::Text)
    })?;
    Ok(Space { dimension: row.get(0)?, metric, embedder: row.get(2)? })
}
