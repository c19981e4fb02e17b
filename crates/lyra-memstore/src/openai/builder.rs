use std::fmt;
use std::time::Duration;

use lyra_errors::{Error, Secret};
use lyra_retry::RetryPolicy;

use super::OpenAiEmbedder;
use super::client::{client, endpoint, headers};
use super::failure::{Quoting, invalid, require};
use super::thread::Thread;
use crate::Space;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What the store takes as a fingerprint.
const MAX_FINGERPRINT_BYTES: usize = 256;

/// Builds an [`OpenAiEmbedder`]; everything is checked once, by
/// [`build`](Self::build), without a request.
///
/// | setting | default |
/// |---|---|
/// | `dimension` | none: it must be given |
/// | `api_key` | none |
/// | `max_batch` | 64 texts a request |
/// | `attempt_timeout` | that of the retry policy, else 30 s |
/// | `deadline` | 120 s for a request with its retries |
/// | `max_answer_bytes` | 1 MiB, and 40 bytes for each number asked for |
/// | `retry_policy` | 3 retries from 200 ms to 10 s, full jitter |
/// | `fingerprint` | `openai:MODEL:DIMENSION` |
/// | `dimensions` in the request | not sent |
/// | proxy | none, whatever the environment says |
#[must_use = "a builder does nothing until `build`"]
pub struct OpenAiEmbedderBuilder {
    base_url: String,
    model: String,
    dimension: u32,
    asks_for_dimension: bool,
    api_key: Option<Secret<String>>,
    max_batch: usize,
    attempt_timeout: Option<Duration>,
    deadline: Duration,
    max_answer_bytes: Option<usize>,
    policy: Option<RetryPolicy>,
    max_retries: Option<u32>,
    fingerprint: Option<String>,
    uses_environment_proxy: bool,
}

impl OpenAiEmbedderBuilder {
    pub(super) fn new(base_url: String, model: String) -> Self {
        Self {
            base_url,
            model,
            dimension: 0,
            asks_for_dimension: false,
            api_key: None,
            max_batch: 64,
            attempt_timeout: None,
            deadline: Duration::from_secs(120),
            max_answer_bytes: None,
            policy: None,
            max_retries: None,
            fingerprint: None,
            uses_environment_proxy: false,
        }
    }

    /// How many numbers each vector has: what the model gives, 1 to 65,536.
    /// An answer of another dimension is refused.
    pub fn with_dimension(mut self, dimension: u32) -> Self {
        self.dimension = dimension;
        self
    }

    /// Asks the endpoint for that dimension, by `dimensions` in each request,
    /// of a model that can shorten its vectors.
    pub fn with_requested_dimension(mut self, dimension: u32) -> Self {
        self.asks_for_dimension = true;
        self.with_dimension(dimension)
    }

    /// Sends `key` as a bearer token. Over plain `http` everybody on the way
    /// can read it.
    pub fn with_api_key(mut self, key: impl Into<Secret<String>>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The most texts of one request.
    pub fn with_max_batch(mut self, max_batch: usize) -> Self {
        self.max_batch = max_batch;
        self
    }

    /// How long one attempt may take, from name resolution to the last byte
    /// of the answer. To connect it has 10 s at most.
    pub fn with_attempt_timeout(mut self, attempt_timeout: Duration) -> Self {
        self.attempt_timeout = Some(attempt_timeout);
        self
    }

    /// How long one request may take with all its retries and the waits
    /// between them.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The most bytes of an answer; no more are read or held.
    pub fn with_max_answer_bytes(mut self, max_answer_bytes: usize) -> Self {
        self.max_answer_bytes = Some(max_answer_bytes);
        self
    }

    /// When to try again, in place of the default. Its deadline is replaced by
    /// that of this builder.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// How many retries may follow the first attempt; with 0 there is none.
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }

    /// What collections remember of this embedder, in place of
    /// `openai:MODEL:DIMENSION` (with `:asked` after it, where the endpoint is
    /// asked for the dimension).
    ///
    /// Give one where the name says too little, such as `latest`, or where the
    /// same model has another name elsewhere. 1 to 256 printable bytes.
    pub fn with_fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// Goes through the proxy that the environment names (`HTTP_PROXY`,
    /// `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), as it is now.
    pub fn with_environment_proxy(mut self) -> Self {
        self.uses_environment_proxy = true;
        self
    }

    /// The embedder, with its thread started. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// `memstore.embedder_settings`, with the setting in its context: a URL
    /// that is neither `http` nor, with the feature `openai-tls`, `https`, or
    /// holds a user, a password or a fragment; a model that is empty or holds
    /// control characters; a dimension that is not 1 to 65,536; an API key
    /// that is empty or holds white space or anything but ASCII; a batch, a
    /// time or a size of zero; a fingerprint that is not printable; a system
    /// without certificates or threads to give.
    pub fn build(self) -> Result<OpenAiEmbedder, Error> {
        let url = endpoint(&self.base_url, cfg!(feature = "openai-tls"))?;
        let model_is_fine = !self.model.is_empty() && !self.model.chars().any(char::is_control);
        require(model_is_fine, "model", "a name without control characters")?;
        let in_range = (1..=Space::MAX_DIMENSION).contains(&self.dimension);
        require(in_range, "dimension", "1 to 65536, as the model gives them")?;
        require(self.max_batch > 0, "max_batch", "at least one text")?;
        require(self.max_answer_bytes != Some(0), "max_answer_bytes", "at least one byte")?;
        require(!self.deadline.is_zero(), "deadline", "longer than zero")?;
        let fingerprint = self.fingerprint.clone().unwrap_or_else(|| self.own_fingerprint());
        let printable = (1..=MAX_FINGERPRINT_BYTES).contains(&fingerprint.len())
            && !fingerprint.chars().any(char::is_control);
        require(printable, "fingerprint", "1 to 256 printable bytes")?;

        let policy = self.retry_policy()?;
        let attempt_timeout = policy.attempt_timeout().unwrap_or(self.deadline);
        let headers = headers(self.api_key.as_ref())?;
        let proxied = self.uses_environment_proxy;
        let is_https = url.scheme() == "https";
        let connect_timeout = CONNECT_TIMEOUT.min(attempt_timeout);
        let client = move || client(headers, connect_timeout, proxied, is_https);
        let thread = Thread::start(client).map_err(|reason| invalid("client", &reason))?;
        Ok(OpenAiEmbedder {
            quoting: Quoting::new(&url, self.model.clone(), self.api_key),
            model: self.model,
            dimension: self.dimension,
            asks_for_dimension: self.asks_for_dimension,
            fingerprint,
            max_batch: self.max_batch,
            attempt_timeout,
            deadline: self.deadline,
            max_answer_bytes: self.max_answer_bytes,
            policy,
            url,
            thread,
        })
    }

    /// Not from the URL: a model may move to another machine.
    fn own_fingerprint(&self) -> String {
        let asked = if self.asks_for_dimension { ":asked" } else { "" };
        format!("openai:{}:{}{asked}", self.model, self.dimension)
    }

    fn retry_policy(&self) -> Result<RetryPolicy, Error> {
        let mut builder = match &self.policy {
            Some(policy) => policy.to_builder(),
            None => RetryPolicy::exponential()
                .with_base_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(10)),
        };
        let policys = self.policy.as_ref().and_then(RetryPolicy::attempt_timeout);
        let attempt_timeout = self.attempt_timeout.or(policys).unwrap_or(Duration::from_secs(30));
        if let Some(max_retries) = self.max_retries {
            builder = builder.with_max_retries(max_retries);
        }
        builder
            .with_attempt_timeout(attempt_timeout)
            .with_deadline(self.deadline)
            .build()
            .map_err(|error| invalid("retry_policy", &error.to_string()).with_source(error))
    }
}

/// Without the key, and without the URL, which is not checked yet.
impl fmt::Debug for OpenAiEmbedderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiEmbedderBuilder")
            .field("model", &self.model)
            .field("dimension", &self.dimension)
            .field("api_key", &self.api_key)
            .finish_non_exhaustive()
    }
}
