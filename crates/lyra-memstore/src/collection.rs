use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use rusqlite::{Connection, params};
use snafu::{ResultExt, ensure};

use crate::error::{CollectionNotFoundSnafu, ExportSnafu, InvalidQuerySnafu, MemoryError};
use crate::fault::Faults;
use crate::import::{ImportOptions, ImportProgress, ImportReport};
use crate::nearest::{Near, Nearest};
use crate::prepare::prepare;
use crate::query::Target;
use crate::store::rows::{self, EntryNumber, Prepared, Stored, WITH_VECTOR, WITHOUT_VECTOR};
use crate::{Entry, EntryPatch, Filter, Hit, List, MemoryStore, Query, Space, import, vector};

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
        self.scan(columns, |stored| {
            if filter.as_ref().is_some_and(|filter| !filter.matches(&stored.entry)) {
                return Ok(true);
            }
            if to_skip > 0 {
                to_skip -= 1;
                return Ok(true);
            }
            entries.push(stored.entry);
            Ok(entries.len() < limit)
        })?;
        Ok(entries)
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
        let mut count = 0;
        self.scan(WITHOUT_VECTOR, |stored| {
            count += u64::from(filter.matches(&stored.entry));
            Ok(true)
        })?;
        Ok(count)
    }

    /// The entries that are nearest to a text or a vector, nearest first, and
    /// of those that are equally near the oldest first. It is exact: every
    /// vector is looked at.
    ///
    /// # Errors
    ///
    /// [`InvalidQuery`](MemoryError::InvalidQuery),
    /// [`InvalidFilter`](MemoryError::InvalidFilter),
    /// [`NoEmbedder`](MemoryError::NoEmbedder) for a text in a collection of
    /// the caller's vectors, what the embedder reports, and whatever a read
    /// can meet.
    pub fn query(&self, query: Query) -> Result<Vec<Hit>, MemoryError> {
        let Query { target, top, filter, with_embeddings } = query;
        ensure!(top > 0, InvalidQuerySnafu { reason: "it asks for no hits" });
        if let Some(filter) = &filter {
            filter.check()?;
        }
        let target = self.target_vector(target)?;
        let columns = if with_embeddings { WITH_VECTOR } else { WITHOUT_VECTOR };
        self.read("search", |connection| {
            let nearest = match &filter {
                Some(filter) => self.nearest_matching(connection, &target, top, filter)?,
                None => self.nearest(connection, &target, top)?,
            };
            nearest
                .into_iter()
                .map(|near| {
                    let stored = rows::by_number(connection, columns, near.number)?;
                    Ok(Hit { entry: stored.entry, distance: near.distance })
                })
                .collect()
        })
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
    fn vectors_for(
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

    fn target_vector(&self, target: Target) -> Result<Vec<f32>, MemoryError> {
        match target {
            Target::Text(text) => {
                ensure!(!text.is_empty(), InvalidQuerySnafu { reason: "its text is empty" });
                let made = self.store.embedders().embed(&self.name, &self.space, &[&text])?;
                Ok(made.into_iter().next().expect("the number of answers was checked"))
            }
            Target::Embedding(given) => {
                let mut faults = Faults::default();
                vector::check(&given, Some(&self.space), "embedding", &mut faults);
                if let Err(faults) = faults.into_result() {
                    return InvalidQuerySnafu { reason: faults.to_string() }.fail();
                }
                Ok(vector::settle(given, self.space.metric))
            }
        }
    }

    fn nearest(
        &self,
        connection: &Connection,
        target: &[f32],
        top: usize,
    ) -> rusqlite::Result<Vec<Near>> {
        let mut nearest = Nearest::new(top);
        let mut statement = connection.prepare_cached(
            "SELECT e.entry, v.vector FROM entries e JOIN embeddings v USING (entry)
             WHERE e.collection = ? ORDER BY e.entry",
        )?;
        let mut found = statement.query(params![self.number])?;
        let mut stored = Vec::with_capacity(target.len());
        while let Some(row) = found.next()? {
            self.consider(
                row.get(0)?,
                row.get_ref(1)?.as_blob()?,
                target,
                &mut stored,
                &mut nearest,
            )?;
        }
        Ok(nearest.into_sorted())
    }

    /// The vectors of entries that do not match are never read.
    fn nearest_matching(
        &self,
        connection: &Connection,
        target: &[f32],
        top: usize,
        filter: &Filter,
    ) -> rusqlite::Result<Vec<Near>> {
        let mut nearest = Nearest::new(top);
        let sql = format!("{WITHOUT_VECTOR} WHERE e.collection = ? ORDER BY e.entry");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut vectors =
            connection.prepare_cached("SELECT vector FROM embeddings WHERE entry = ?")?;
        let mut found = statement.query(params![self.number])?;
        let mut stored = Vec::with_capacity(target.len());
        while let Some(row) = found.next()? {
            let candidate = rows::read(row)?;
            if filter.matches(&candidate.entry) {
                vectors.query_row([candidate.number], |row| {
                    let blob = row.get_ref(0)?.as_blob()?;
                    self.consider(candidate.number, blob, target, &mut stored, &mut nearest)
                })?;
            }
        }
        Ok(nearest.into_sorted())
    }

    fn consider(
        &self,
        number: EntryNumber,
        blob: &[u8],
        target: &[f32],
        stored: &mut Vec<f32>,
        nearest: &mut Nearest,
    ) -> rusqlite::Result<()> {
        if !vector::read_blob(blob, stored) || stored.len() != target.len() {
            let detail = format!("the vector of entry {number} has another dimension");
            return Err(rusqlite::Error::FromSqlConversionFailure(
                1,
                rusqlite::types::Type::Blob,
                detail.into(),
            ));
        }
        let distance = vector::distance(self.space.metric, target, stored);
        nearest.offer(Near { distance, number });
        Ok(())
    }
}
