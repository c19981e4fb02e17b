use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use rusqlite::Connection;
use snafu::{ResultExt, ensure};

use crate::error::{CollectionNotFoundSnafu, ExportSnafu, MemoryError};
use crate::fault::Faults;
use crate::import::{ImportOptions, ImportProgress, ImportReport};
use crate::prepare::prepare;
use crate::store::rows::{self, Prepared, Stored, WITH_VECTOR, WITHOUT_VECTOR};
use crate::{Entry, EntryPatch, Filter, List, MemoryStore, Space, import};

mod search;
#[cfg(test)]
mod tests;

/// A named set of entries whose vectors can be compared.
///
/// It is a handle: cloning it is cheap, and it keeps the store open. Each
/// change is a transaction of its own; for several that belong together use
/// [`MemoryStore::transaction`].
#[derive(Debug, Clone)]
pub struct Collection {
    store: MemoryStore,
    name: String,
    number: i64,
    space: Space,
}

impl Collection {
    pub(crate) fn new(store: MemoryStore, name: String, number: i64, space: Space) -> Self {
        Self { store, name, number, space }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which vectors it holds.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The store that it is part of.
    #[must_use]
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Adds one entry or many, whose ids must be free, and returns their ids.
    ///
    /// # Errors
    ///
    /// As [`Transaction::add`](crate::Transaction::add) and
    /// [`MemoryStore::begin`].
    pub fn add(&self, entries: impl Into<Vec<Entry>>) -> Result<Vec<String>, MemoryError> {
        let prepared = self.prepare(entries.into())?;
        self.store.transaction(|tx| tx.add_prepared(self, &prepared))
    }

    /// Changes one entry or many, which must be there.
    ///
    /// # Errors
    ///
    /// As [`Transaction::update`](crate::Transaction::update) and
    /// [`MemoryStore::begin`].
    pub fn update(&self, patches: impl Into<Vec<EntryPatch>>) -> Result<(), MemoryError> {
        let patches = patches.into();
        let vectors = self.vectors_for(&patches)?;
        self.store.transaction(|tx| tx.update_prepared(self, &patches, &vectors))
    }

    /// Adds entries, or writes them whole in place of those with their ids,
    /// and returns their ids.
    ///
    /// # Errors
    ///
    /// As [`Transaction::upsert`](crate::Transaction::upsert) and
    /// [`MemoryStore::begin`].
    pub fn upsert(&self, entries: impl Into<Vec<Entry>>) -> Result<Vec<String>, MemoryError> {
        let prepared = self.prepare(entries.into())?;
        self.store.transaction(|tx| tx.upsert_prepared(self, &prepared))
    }

    /// Deletes entries, which must be there.
    ///
    /// # Errors
    ///
    /// As [`Transaction::delete`](crate::Transaction::delete) and
    /// [`MemoryStore::begin`].
    pub fn delete(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), MemoryError> {
        self.store.transaction(|tx| tx.delete_from(self, ids))
    }

    /// The entry with that id, with its vector.
    ///
    /// # Errors
    ///
    /// Whatever a read can meet.
    pub fn get(&self, id: &str) -> Result<Option<Entry>, MemoryError> {
        Ok(self.fetch([id])?.pop().flatten())
    }

    /// The entries with those ids in their order, with their vectors; `None`
    /// stands for an id that is not there.
    ///
    /// # Errors
    ///
    /// Whatever a read can meet.
    pub fn fetch(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Vec<Option<Entry>>, MemoryError> {
        self.read("read", |connection| {
            ids.into_iter()
                .map(|id| {
                    let stored = rows::by_id(connection, self.number, id.as_ref())?;
                    Ok(stored.map(|stored| stored.entry))
                })
                .collect()
        })
    }

    /// Entries in the order in which they were added.
    ///
    /// # Errors
    ///
    /// [`InvalidFilter`](MemoryError::InvalidFilter), and whatever a read can
    /// meet.
    pub fn list(&self, list: List) -> Result<Vec<Entry>, MemoryError> {
        let List { filter, limit, offset: mut to_skip, with_embeddings } = list;
        if let Some(filter) = &filter {
            filter.check()?;
        }
        let columns = if with_embeddings { WITH_VECTOR } else { WITHOUT_VECTOR };
        let limit = limit.unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        if limit == 0 {
            return Ok(entries);
        }
        match filter {
            Some(filter) => self.with_matching(&filter, |connection, slots| {
                let mut by_slot = rows::by_slot(connection, self.number, columns)?;
                slots
                    .iter()
                    .skip(to_skip)
                    .take(limit)
                    .map(|slot| Ok(by_slot.of(slot)?.entry))
                    .collect()
            }),
            None => {
                self.scan(columns, |stored| {
                    if to_skip > 0 {
                        to_skip -= 1;
                        return Ok(true);
                    }
                    entries.push(stored.entry);
                    Ok(entries.len() < limit)
                })?;
                Ok(entries)
            }
        }
    }

    /// How many entries there are.
    ///
    /// # Errors
    ///
    /// Whatever a read can meet.
    pub fn count(&self) -> Result<u64, MemoryError> {
        self.read("count", |connection| {
            connection
                .prepare_cached("SELECT count(*) FROM entries WHERE collection = ?")?
                .query_row([self.number], |row| row.get::<_, i64>(0))
                .map(i64::cast_unsigned)
        })
    }

    /// How many entries match.
    ///
    /// # Errors
    ///
    /// [`InvalidFilter`](MemoryError::InvalidFilter), and whatever a read can
    /// meet.
    pub fn count_where(&self, filter: &Filter) -> Result<u64, MemoryError> {
        filter.check()?;
        self.with_matching(filter, |_, slots| Ok(slots.len() as u64))
    }

    /// Calls `visit` with every entry, with its vector, in the order in which
    /// they were added, on a snapshot that no writer changes.
    ///
    /// # Errors
    ///
    /// What `visit` returns, and whatever a read can meet.
    pub fn for_each<E: From<MemoryError>>(
        &self,
        mut visit: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut stopped = None;
        self.scan(WITH_VECTOR, |stored| match visit(stored.entry) {
            Ok(()) => Ok(true),
            Err(error) => {
                stopped = Some(error);
                Ok(false)
            }
        })?;
        stopped.map_or(Ok(()), Err)
    }

    /// Writes every entry as a line of JSON, with its vector, in the order in
    /// which they were added, and returns how many there are.
    ///
    /// What is written can be imported: ids, types, every bit of the numbers,
    /// and who made the vectors come back.
    ///
    /// # Errors
    ///
    /// [`Export`](MemoryError::Export) when `out` fails, and whatever a read can meet.
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, MemoryError> {
        let mut count = 0;
        self.for_each(|entry| {
            let mut line =
                serde_json::to_vec(&entry).expect("text, integers and finite numbers only");
            line.push(b'\n');
            out.write_all(&line).context(ExportSnafu)?;
            count += 1;
            Ok::<_, MemoryError>(())
        })?;
        out.flush().context(ExportSnafu)?;
        Ok(count)
    }

    /// Imports files, or folders of them: JSON lines, JSON arrays, Markdown
    /// and text. See [`ImportOptions`] for what it does with what it finds.
    ///
    /// # Errors
    ///
    /// [`UnsupportedFile`](MemoryError::UnsupportedFile) and
    /// [`Io`](MemoryError::Io) for a path that cannot be imported, and
    /// whatever a write can meet; what was committed before stays. Entries
    /// that are not valid are no error of this call: the report names them.
    pub fn import(
        &self,
        paths: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportReport, MemoryError> {
        import::run(self, paths, options, progress)
    }

    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    pub(crate) fn prepare(&self, entries: Vec<Entry>) -> Result<Vec<Prepared>, MemoryError> {
        let (embedders, limits) = (self.store.embedders(), self.store.limits());
        prepare(embedders, limits, &self.name, &self.space, entries, Faults::default())
    }

    /// Whether the collection of this handle is still there; one of the same
    /// name that was made since is another.
    pub(crate) fn check_there(&self, connection: &Connection) -> Result<(), MemoryError> {
        let there = connection
            .prepare_cached("SELECT 1 FROM collections WHERE collection = ?")
            .and_then(|mut statement| statement.exists([self.number]))
            .map_err(|source| self.store.failed("look into", source))?;
        ensure!(there, CollectionNotFoundSnafu { name: &self.name, known: Vec::new() });
        Ok(())
    }

    /// Vectors for the contents that patches bring to entries whose vectors an
    /// embedder makes, so that no embedder runs while others wait to write.
    pub(crate) fn vectors_for(
        &self,
        patches: &[EntryPatch],
    ) -> Result<HashMap<String, Vec<f32>>, MemoryError> {
        let changing: Vec<(&str, &str)> = patches
            .iter()
            .filter(|patch| patch.embedding.is_none())
            .filter_map(|patch| Some((patch.id.as_str(), patch.content.as_deref()?)))
            .collect();
        if changing.is_empty() || self.space.embedder.is_none() {
            return Ok(HashMap::new());
        }
        let stored = self.fetch(changing.iter().map(|(id, _)| id))?;
        let mut texts: Vec<&str> = changing
            .iter()
            .zip(&stored)
            .filter(|(_, stored)| stored.as_ref().is_some_and(|s| s.embedder.is_some()))
            .map(|((_, content), _)| *content)
            .filter(|content| !content.is_empty())
            .collect();
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() {
            return Ok(HashMap::new());
        }
        let made = self.store.embedders().embed(&self.name, &self.space, &texts)?;
        Ok(texts.into_iter().map(str::to_owned).zip(made).collect())
    }

    /// Calls `visit` with the entries in their order while it returns true.
    pub(crate) fn scan(
        &self,
        columns: &str,
        mut visit: impl FnMut(Stored) -> Result<bool, MemoryError>,
    ) -> Result<(), MemoryError> {
        self.store.read(|connection| {
            self.check_there(connection)?;
            let failed = |source| self.store.failed("read", source);
            let sql = format!("{columns} WHERE e.collection = ? ORDER BY e.entry");
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            let mut found = statement.query([self.number]).map_err(failed)?;
            while let Some(row) = found.next().map_err(failed)? {
                if !visit(rows::read(row).map_err(failed)?)? {
                    break;
                }
            }
            Ok(())
        })
    }

    fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, MemoryError> {
        self.store.read(|connection| {
            self.check_there(connection)?;
            work(connection).map_err(|source| self.store.failed(operation, source))
        })
    }
}
