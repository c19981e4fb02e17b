use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use lyra_errors::{Classify, Code};
use rusqlite::Connection;
use snafu::ensure;

use crate::error::{
    AlreadyExistsSnafu, CorruptSnafu, MemoryError, NotFoundSnafu, TransactionAbortedSnafu,
};
use crate::events::{self, Outcome};
use crate::fault::Faults;
use crate::prepare::prepare;
use crate::store::Turn;
use crate::store::rows::{self, EntryNumber, Prepared};
use crate::validate::shown;
use crate::{Collection, Entry, EntryPatch, MemoryStore, Space};

/// Changes of one or more collections that happen together or not at all.
///
/// It sees its own changes; others see them after the commit. Dropped without
/// a commit, it rolls back. When one of its steps fails, the whole
/// transaction is aborted: further steps and the commit are refused, so that
/// a step whose error was overlooked cannot leave half of what was meant.
/// Look with [`get`](Self::get) before a step that may fail.
///
/// It stays on the thread that began it, and while it is open no other thread
/// writes; so texts that an embedder must turn into vectors are best given to
/// [`Collection`](crate::Collection), which does that first.
#[derive(Debug)]
pub struct Transaction<'a> {
    store: &'a MemoryStore,
    turn: Turn<'a>,
    /// After the turn, so that it is told when others may write again.
    ending: Ending<'a>,
    aborted_by: Option<Code>,
    /// The gate knows the thread that holds it, so it may not move.
    _stays: PhantomData<*const ()>,
}

impl<'a> Transaction<'a> {
    /// Another program may hold SQLite's own lock; `left` bounds that wait.
    pub(crate) fn begin(
        store: &'a MemoryStore,
        turn: Turn<'a>,
        waited: Duration,
        left: Duration,
    ) -> Result<Self, MemoryError> {
        turn.busy_timeout(left)
            .and_then(|()| run(&turn, "BEGIN IMMEDIATE"))
            .map_err(|source| store.failed("begin a transaction of", source))?;
        let ending = Ending { store, waited, begun: Instant::now(), outcome: Outcome::RolledBack };
        Ok(Self { store, turn, ending, aborted_by: None, _stays: PhantomData })
    }

    /// Adds entries whose ids must be free, and returns their ids.
    ///
    /// # Errors
    ///
    /// [`Invalid`](MemoryError::Invalid) with all faults,
    /// [`AlreadyExists`](MemoryError::AlreadyExists) with the ids that are
    /// taken, [`CollectionNotFound`](MemoryError::CollectionNotFound), and
    /// what the embedder or the disk report.
    pub fn add(
        &mut self,
        collection: &str,
        entries: impl Into<Vec<Entry>>,
    ) -> Result<Vec<String>, MemoryError> {
        let entries = entries.into();
        self.step(|this| {
            let (number, space) = this.collection(collection)?;
            let prepared = this.prepare(collection, &space, entries)?;
            this.insert(collection, number, &prepared)
        })
    }

    /// Changes entries that must be there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](MemoryError::NotFound) with the ids that are missing,
    /// [`Invalid`](MemoryError::Invalid) when an entry would break the rules
    /// after its change, and as [`add`](Self::add).
    pub fn update(
        &mut self,
        collection: &str,
        patches: impl Into<Vec<EntryPatch>>,
    ) -> Result<(), MemoryError> {
        let patches = patches.into();
        self.step(|this| {
            let (number, space) = this.collection(collection)?;
            this.patch(collection, number, &space, &patches, &HashMap::new())
        })
    }

    /// Adds entries, or writes them whole in place of those with their ids,
    /// and returns their ids.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add), but for ids that are taken.
    pub fn upsert(
        &mut self,
        collection: &str,
        entries: impl Into<Vec<Entry>>,
    ) -> Result<Vec<String>, MemoryError> {
        let entries = entries.into();
        self.step(|this| {
            let (number, space) = this.collection(collection)?;
            let prepared = this.prepare(collection, &space, entries)?;
            this.insert_or_replace(number, &prepared)
        })
    }

    /// Deletes entries that must be there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](MemoryError::NotFound) with the ids that are missing,
    /// and whatever a write can meet.
    pub fn delete(
        &mut self,
        collection: &str,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), MemoryError> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        self.step(|this| {
            let (number, space) = this.collection(collection)?;
            let numbers = this.numbers_of(collection, number, &ids)?;
            let delete = || {
                numbers.iter().try_for_each(|&entry| {
                    rows::delete(&this.turn, number, space.dimension(), entry)
                })
            };
            delete().map_err(|source| this.store.failed("delete from", source))
        })
    }

    /// The entry with that id, as this transaction sees it.
    ///
    /// # Errors
    ///
    /// [`CollectionNotFound`](MemoryError::CollectionNotFound), and whatever
    /// a read can meet. A failed look does not abort the transaction.
    pub fn get(&self, collection: &str, id: &str) -> Result<Option<Entry>, MemoryError> {
        let (number, _) = self.collection(collection)?;
        let stored = rows::by_id(&self.turn, number, id)
            .map_err(|source| self.store.failed("read", source))?;
        Ok(stored.map(|stored| stored.entry))
    }

    /// How many entries the collection has, as this transaction sees it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn count(&self, collection: &str) -> Result<u64, MemoryError> {
        let (number, _) = self.collection(collection)?;
        self.turn
            .prepare_cached("SELECT count(*) FROM entries WHERE collection = ?")
            .and_then(|mut statement| statement.query_row([number], |row| row.get::<_, i64>(0)))
            .map(i64::cast_unsigned)
            .map_err(|source| self.store.failed("count", source))
    }

    /// Makes all changes durable and visible at once.
    ///
    /// # Errors
    ///
    /// [`TransactionAborted`](MemoryError::TransactionAborted) when a step
    /// had failed, [`DiskFull`](MemoryError::DiskFull) and whatever a write
    /// can meet. Nothing was done then.
    pub fn commit(mut self) -> Result<(), MemoryError> {
        self.check_alive()?;
        // When it fails, the drop that follows rolls back.
        let done = run(&self.turn, "COMMIT");
        let done = done.map_err(|source| self.store.failed("commit to", source));
        self.ending.outcome = match &done {
            Ok(()) => Outcome::Committed,
            Err(error) => Outcome::CommitFailed(error.code()),
        };
        done
    }

    /// Does a part that is undone alone when it fails, and aborts nothing then.
    ///
    /// The outer error is that of a part that says it succeeded and has
    /// overlooked that a step of its failed.
    #[cfg(feature = "tokio")]
    pub(crate) fn part<T, E>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, MemoryError> {
        self.check_alive()?;
        let run = |sql| {
            self.turn.execute_batch(sql).map_err(|source| self.store.failed("write to", source))
        };
        run("SAVEPOINT part")?;
        let done = work(self);
        let aborted = self.aborted_by.take();
        let stays = done.is_ok() && aborted.is_none();
        let end = if stays { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" };
        if let Err(source) = self.turn.execute_batch(end) {
            // Where the disk fails SQLite may have rolled back all of it.
            let error = self.store.failed("write to", source);
            self.aborted_by = Some(error.code());
            return Err(error);
        }
        match aborted {
            Some(first) if done.is_ok() => TransactionAbortedSnafu { first }.fail(),
            _ => Ok(done),
        }
    }

    /// Undoes all changes, as a drop does.
    pub fn roll_back(self) {}

    /// A step of [`Collection`], prepared before the turn.
    pub(crate) fn add_prepared(
        &mut self,
        collection: &Collection,
        prepared: &[Prepared],
    ) -> Result<Vec<String>, MemoryError> {
        self.step(|this| {
            collection.check_there(&this.turn)?;
            this.insert(collection.name(), collection.number(), prepared)
        })
    }

    /// A step of [`Collection`], prepared before the turn.
    pub(crate) fn upsert_prepared(
        &mut self,
        collection: &Collection,
        prepared: &[Prepared],
    ) -> Result<Vec<String>, MemoryError> {
        self.step(|this| {
            collection.check_there(&this.turn)?;
            this.insert_or_replace(collection.number(), prepared)
        })
    }

    /// A step of [`Collection`], with vectors that were made before the turn
    /// for contents that change.
    pub(crate) fn update_prepared(
        &mut self,
        collection: &Collection,
        patches: &[EntryPatch],
        vectors: &HashMap<String, Vec<f32>>,
    ) -> Result<(), MemoryError> {
        self.step(|this| {
            collection.check_there(&this.turn)?;
            let (name, number) = (collection.name(), collection.number());
            this.patch(name, number, collection.space(), patches, vectors)
        })
    }

    /// A step of [`Collection`].
    pub(crate) fn delete_from(
        &mut self,
        collection: &Collection,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), MemoryError> {
        collection.check_there(&self.turn)?;
        self.delete(collection.name(), ids)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.turn
    }

    /// Runs a step, after which a failure aborts the transaction.
    fn step<T>(
        &mut self,
        work: impl FnOnce(&Self) -> Result<T, MemoryError>,
    ) -> Result<T, MemoryError> {
        self.check_alive()?;
        let result = work(self);
        if let Err(error) = &result {
            self.aborted_by = Some(error.code());
        }
        result
    }

    fn check_alive(&self) -> Result<(), MemoryError> {
        match self.aborted_by {
            Some(first) => TransactionAbortedSnafu { first }.fail(),
            None => Ok(()),
        }
    }

    fn collection(&self, name: &str) -> Result<(i64, Space), MemoryError> {
        self.store.known_collection(&self.turn, name)
    }

    fn prepare(
        &self,
        collection: &str,
        space: &Space,
        entries: Vec<Entry>,
    ) -> Result<Vec<Prepared>, MemoryError> {
        let (embedders, limits) = (self.store.embedders(), self.store.limits());
        prepare(embedders, limits, collection, space, entries, Faults::default())
    }

    fn insert(
        &self,
        collection: &str,
        number: i64,
        batch: &[Prepared],
    ) -> Result<Vec<String>, MemoryError> {
        let taken = rows::insert(&self.turn, number, batch)
            .map_err(|source| self.store.failed("add to", source))?;
        ensure!(taken.is_empty(), AlreadyExistsSnafu { collection, ids: taken });
        Ok(batch.iter().map(|prepared| prepared.id.clone()).collect())
    }

    fn insert_or_replace(
        &self,
        number: i64,
        batch: &[Prepared],
    ) -> Result<Vec<String>, MemoryError> {
        let write = || -> rusqlite::Result<()> {
            for prepared in batch {
                match rows::number_of(&self.turn, number, &prepared.id)? {
                    Some(entry) => rows::replace(&self.turn, number, entry, prepared)?,
                    None => {
                        rows::insert(&self.turn, number, std::slice::from_ref(prepared))
                            .map(drop)?;
                    }
                }
            }
            Ok(())
        };
        write().map_err(|source| self.store.failed("write to", source))?;
        Ok(batch.iter().map(|prepared| prepared.id.clone()).collect())
    }

    fn patch(
        &self,
        collection: &str,
        number: i64,
        space: &Space,
        patches: &[EntryPatch],
        vectors: &HashMap<String, Vec<f32>>,
    ) -> Result<(), MemoryError> {
        let ids: Vec<String> = patches.iter().map(|patch| patch.id.clone()).collect();
        self.numbers_of(collection, number, &ids)?;
        let mut faults = Faults::default();
        let mut numbers = Vec::with_capacity(patches.len());
        let mut patched = Vec::with_capacity(patches.len());
        for (i, patch) in patches.iter().enumerate() {
            let Some(stored) = rows::by_id(&self.turn, number, &patch.id)
                .map_err(|source| self.store.failed("read", source))?
            else {
                let detail = format!("entry {} has no vector", shown(&patch.id));
                return CorruptSnafu { path: self.store.directory(), detail }.fail();
            };
            let mut entry = patch.applied_to(&stored.entry);
            let changes = entry.content != stored.entry.content;
            if entry.embedding.is_none() && changes && stored.entry.embedder.is_none() {
                let message = "the content changes, and the vector that the caller had brought \
                               would be stale: bring a new one";
                faults.push(format!("entries[{i}].embedding"), "no_embedding", message.to_owned());
            }
            if entry.embedding.is_none() {
                if !changes || stored.entry.embedder.is_none() {
                    entry.embedding = stored.entry.embedding;
                    entry.embedder = stored.entry.embedder;
                } else if let Some(vector) = vectors.get(&entry.content) {
                    entry.embedding = Some(vector.clone());
                    entry.embedder.clone_from(&space.embedder);
                }
            }
            numbers.push(stored.number);
            patched.push(entry);
        }
        let (embedders, limits) = (self.store.embedders(), self.store.limits());
        let prepared = prepare(embedders, limits, collection, space, patched, faults)?;
        let write = || {
            numbers.iter().zip(&prepared).try_for_each(|(&entry, prepared)| {
                rows::replace(&self.turn, number, entry, prepared)
            })
        };
        write().map_err(|source| self.store.failed("update", source))
    }

    /// The numbers of entries that must all be there, each asked for once.
    fn numbers_of(
        &self,
        collection: &str,
        number: i64,
        ids: &[String],
    ) -> Result<Vec<EntryNumber>, MemoryError> {
        let mut numbers = Vec::with_capacity(ids.len());
        let mut missing = Vec::new();
        let mut seen = HashSet::with_capacity(ids.len());
        for id in ids.iter().filter(|id| seen.insert(*id)) {
            let found = rows::number_of(&self.turn, number, id)
                .map_err(|source| self.store.failed("look into", source))?;
            match found {
                Some(entry) => numbers.push(entry),
                None => missing.push(id.clone()),
            }
        }
        ensure!(missing.is_empty(), NotFoundSnafu { collection, ids: missing });
        Ok(numbers)
    }
}

/// Runs a statement that is parsed the first time alone.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Tells of the end of a transaction when it is dropped.
#[derive(Debug)]
struct Ending<'a> {
    store: &'a MemoryStore,
    /// For its turn.
    waited: Duration,
    begun: Instant,
    outcome: Outcome,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        events::ended(self.store.directory(), self.outcome, self.waited, self.begun.elapsed());
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.turn.is_autocommit() {
            // SQLite itself rolls back where the statement cannot: when the
            // connection closes, or at the next open.
            let _ = self.turn.execute_batch("ROLLBACK");
        }
    }
}
