//! An embedder behind HTTP: the request and its retries run from the caller's
//! thread, the waiting for the network on a thread of the embedder's own.

mod answer;
mod builder;
mod call;
mod client;
mod failure;
mod thread;

use std::fmt;
use std::time::Duration;

use lyra_errors::Error;
use lyra_retry::RetryPolicy;
use reqwest::Url;

use crate::Embedder;
use failure::Quoting;
use thread::Thread;

pub use builder::OpenAiEmbedderBuilder;

/// An embedder that asks an endpoint: `POST {base}/embeddings`, in the form
/// that Ollama, vLLM, llama.cpp, TEI and many services share.
///
/// What the endpoint answers is checked before it is believed: the status, the
/// number of vectors, their order by `index`, the dimension and that every
/// number is finite. Calls that may succeed later are retried, by
/// [`lyra_retry`](https://docs.rs/lyra-retry) alone; every wait ends, at the
/// latest with the deadline. Several threads may embed at the same time, and
/// from inside a tokio runtime too, though [`embed`](Embedder::embed) blocks:
/// use `spawn_blocking` there.
///
/// The API key appears in no `Debug`, no error and no event.
///
/// ```no_run
/// use std::sync::Arc;
/// use lyra_memstore::{Entry, MemoryStore, OpenAiEmbedder, Query, Space};
///
/// let embedder = OpenAiEmbedder::builder("http://localhost:11434/v1", "all-minilm")
///     .with_dimension(384)
///     .build()?;
/// let space = Space::cosine(384).with_embedder(&embedder);
/// let store = MemoryStore::builder("memory").with_embedder(Arc::new(embedder)).open()?;
/// let journal = store.collection("journal", space)?;
/// journal.add(Entry::journal("We sat by the river until it was dark.", "An evening"))?;
/// let hits = journal.query(Query::text("dusk at the water").top(3))?;
/// # Ok::<(), lyra_errors::Error>(())
/// ```
pub struct OpenAiEmbedder {
    model: String,
    dimension: u32,
    /// Whether the request names the dimension.
    asks_for_dimension: bool,
    fingerprint: String,
    max_batch: usize,
    attempt_timeout: Duration,
    deadline: Duration,
    /// The most bytes of an answer; by its vectors where it is not set.
    max_answer_bytes: Option<usize>,
    policy: RetryPolicy,
    url: Url,
    quoting: Quoting,
    thread: Thread,
}

impl OpenAiEmbedder {
    /// A builder for the model of that name at that endpoint; it lists its
    /// defaults.
    ///
    /// `base_url` is what stands before `/embeddings`, such as
    /// `http://localhost:11434/v1`. A query in it is kept.
    pub fn builder(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiEmbedderBuilder {
        OpenAiEmbedderBuilder::new(base_url.into(), model.into())
    }

    /// The name of the model.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl Embedder for OpenAiEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dimension(&self) -> u32 {
        self.dimension
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// One vector per text, in their order. No text makes no request; more
    /// than [`max_batch`](Embedder::max_batch) make several, each with retries
    /// and a deadline of its own.
    ///
    /// # Errors
    ///
    /// `memstore.embedder_unreachable`, `_timeout`, `_refused` or `_answer`;
    /// those that were retried until nothing was left say
    /// [`Recovery::Exhausted`](lyra_errors::Recovery::Exhausted). Where a
    /// circuit breaker of the policy lets no call through, its
    /// `retry.circuit_open`.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.max_batch) {
            vectors.append(&mut self.embed_batch(batch)?);
        }
        Ok(vectors)
    }
}

/// Without the key, and without the query of the URL, which may hold one.
impl fmt::Debug for OpenAiEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiEmbedder")
            .field("url", &self.quoting.endpoint())
            .field("model", &self.model)
            .field("dimension", &self.dimension)
            .field("fingerprint", &self.fingerprint)
            .field("max_batch", &self.max_batch)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("deadline", &self.deadline)
            .field("max_retries", &self.policy.max_retries())
            .finish_non_exhaustive()
    }
}
