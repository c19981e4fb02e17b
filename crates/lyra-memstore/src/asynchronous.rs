//! The store for async code: its calls wait without holding a thread of the
//! runtime.

mod collection;
mod writer;

use std::panic::resume_unwind;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

pub use collection::AsyncCollection;
use writer::Writer;

use crate::error::MemoryError;
use crate::{CollectionInfo, MemoryStore, Space, StoreStats, Transaction};

/// A [`MemoryStore`] for async code.
///
/// All writing is done by one thread. Transactions that wait for it at the
/// same time are made durable together, by one `fsync`, and still happen each
/// whole or not at all, apart from the others: so many small ones at once cost
/// little more than one. Reading is done by the runtime's blocking threads.
///
/// A handle is cloned as one likes. When the last one goes, the thread ends.
///
/// # Cancel safety
///
/// Every future can be dropped at any time. A change whose future is dropped
/// before its turn has come is never begun, and one that has begun is done to
/// its end; a dropped future says no more which.
///
/// ```
/// use lyra_memstore::{AsyncMemoryStore, Entry, MemoryError, Query, Space};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("memory");
/// let store = AsyncMemoryStore::open(&path).await?;
/// let facts = store.collection("facts", Space::lexical(384)).await?;
/// facts.add(Entry::fact("The river is called Elbe.")).await?;
/// store
///     .transaction(|tx| {
///         tx.add("facts", Entry::fact("It is wide."))?;
///         Ok::<_, MemoryError>(())
///     })
///     .await?;
/// assert_eq!(facts.query(Query::text("the river").top(1)).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub struct AsyncMemoryStore {
    store: MemoryStore,
    writer: Writer,
}

impl AsyncMemoryStore {
    /// Opens the store in `directory` with the default settings, and creates
    /// it where there is nothing yet.
    ///
    /// # Errors
    ///
    /// As [`MemoryStore::open`].
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self, MemoryError> {
        let directory = directory.into();
        let store = blocking(move || MemoryStore::open(directory)).await?;
        Self::new(store)
    }

    /// Of a store that is open. Who writes to it by another handle takes
    /// turns with this one.
    ///
    /// # Errors
    ///
    /// [`Io`](MemoryError::Io) when the system has no thread left.
    pub fn new(store: MemoryStore) -> Result<Self, MemoryError> {
        let writer = Writer::start(store.clone())?;
        Ok(Self { store, writer })
    }

    /// The store itself, for code that may block.
    #[must_use]
    pub fn blocking(&self) -> &MemoryStore {
        &self.store
    }

    /// As [`MemoryStore::collection`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn collection(
        &self,
        name: &str,
        space: Space,
    ) -> Result<AsyncCollection, MemoryError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        let collection = blocking(move || store.collection(&name, space)).await?;
        Ok(AsyncCollection::new(collection, self.writer.clone()))
    }

    /// As [`MemoryStore::open_collection`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn open_collection(&self, name: &str) -> Result<AsyncCollection, MemoryError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        let collection = blocking(move || store.open_collection(&name)).await?;
        Ok(AsyncCollection::new(collection, self.writer.clone()))
    }

    /// As [`MemoryStore::collections`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn collections(&self) -> Result<Vec<CollectionInfo>, MemoryError> {
        let store = self.store.clone();
        blocking(move || store.collections()).await
    }

    /// As [`MemoryStore::drop_collection`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn drop_collection(&self, name: &str) -> Result<(), MemoryError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        blocking(move || store.drop_collection(&name)).await
    }

    /// As [`MemoryStore::stats`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn stats(&self) -> Result<StoreStats, MemoryError> {
        let store = self.store.clone();
        blocking(move || store.stats()).await
    }

    /// Runs `work` in a transaction on the writing thread, and gives what it
    /// returns when that is durable.
    ///
    /// When `work` fails or panics, nothing of it was done; a panic goes on
    /// here. A text that has to become a vector holds up other writers while
    /// the embedder runs: give it to [`AsyncCollection`], which does that
    /// first.
    ///
    /// # Errors
    ///
    /// As [`MemoryStore::transaction`]. Where `work` succeeded and the commit
    /// fails, the error of the commit.
    pub async fn transaction<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<MemoryError> + Send + 'static,
    {
        self.writer.run(work).await
    }
}

/// Runs what blocks where that may be. A panic in it goes on here.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<MemoryError> + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and with it whoever waits.
            Err(_) => std::future::pending().await,
        },
    }
}
