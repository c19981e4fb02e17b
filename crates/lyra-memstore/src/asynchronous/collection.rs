use super::blocking;
use super::writer::Writer;
use crate::error::MemoryError;
use crate::{Collection, Entry, EntryPatch, Filter, Hit, List, Query, Space};

/// A [`Collection`] for async code; see
/// [`AsyncMemoryStore`](crate::AsyncMemoryStore) for what threads do the work,
/// and for its cancel safety.
#[derive(Debug, Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub struct AsyncCollection {
    collection: Collection,
    writer: Writer,
}

impl AsyncCollection {
    pub(super) fn new(collection: Collection, writer: Writer) -> Self {
        Self { collection, writer }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.collection.name()
    }

    /// Which vectors it holds.
    #[must_use]
    pub fn space(&self) -> &Space {
        self.collection.space()
    }

    /// The collection itself, for code that may block.
    #[must_use]
    pub fn blocking(&self) -> &Collection {
        &self.collection
    }

    /// As [`Collection::add`]. Vectors are made before other writers wait.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn add(&self, entries: impl Into<Vec<Entry>>) -> Result<Vec<String>, MemoryError> {
        let (collection, entries) = (self.collection.clone(), entries.into());
        let prepared = blocking(move || collection.prepare(entries)).await?;
        let collection = self.collection.clone();
        self.writer.run(move |tx| tx.add_prepared(&collection, &prepared)).await
    }

    /// As [`Collection::upsert`]. Vectors are made before other writers wait.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn upsert(&self, entries: impl Into<Vec<Entry>>) -> Result<Vec<String>, MemoryError> {
        let (collection, entries) = (self.collection.clone(), entries.into());
        let prepared = blocking(move || collection.prepare(entries)).await?;
        let collection = self.collection.clone();
        self.writer.run(move |tx| tx.upsert_prepared(&collection, &prepared)).await
    }

    /// As [`Collection::update`]. Vectors are made before other writers wait.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn update(&self, patches: impl Into<Vec<EntryPatch>>) -> Result<(), MemoryError> {
        let (collection, patches): (_, Vec<EntryPatch>) = (self.collection.clone(), patches.into());
        let (patches, vectors) = blocking(move || {
            let vectors = collection.vectors_for(&patches)?;
            Ok::<_, MemoryError>((patches, vectors))
        })
        .await?;
        let collection = self.collection.clone();
        self.writer.run(move |tx| tx.update_prepared(&collection, &patches, &vectors)).await
    }

    /// As [`Collection::delete`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn delete(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), MemoryError> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        let collection = self.collection.clone();
        self.writer.run(move |tx| tx.delete_from(&collection, ids)).await
    }

    /// As [`Collection::get`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get(&self, id: &str) -> Result<Option<Entry>, MemoryError> {
        let (collection, id) = (self.collection.clone(), id.to_owned());
        blocking(move || collection.get(&id)).await
    }

    /// As [`Collection::fetch`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn fetch(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Vec<Option<Entry>>, MemoryError> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        let collection = self.collection.clone();
        blocking(move || collection.fetch(ids)).await
    }

    /// As [`Collection::list`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn list(&self, list: List) -> Result<Vec<Entry>, MemoryError> {
        let collection = self.collection.clone();
        blocking(move || collection.list(list)).await
    }

    /// As [`Collection::count`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn count(&self) -> Result<u64, MemoryError> {
        let collection = self.collection.clone();
        blocking(move || collection.count()).await
    }

    /// As [`Collection::count_where`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn count_where(&self, filter: Filter) -> Result<u64, MemoryError> {
        let collection = self.collection.clone();
        blocking(move || collection.count_where(&filter)).await
    }

    /// As [`Collection::query`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn query(&self, query: Query) -> Result<Vec<Hit>, MemoryError> {
        let collection = self.collection.clone();
        blocking(move || collection.query(query)).await
    }
}
