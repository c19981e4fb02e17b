#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "tokio")]
mod asynchronous;
mod check;
mod codes;
mod collection;
mod embedder;
mod entry;
mod error;
mod events;
mod fault;
mod filter;
mod global;
mod import;
mod json;
mod lexical;
mod limits;
mod matching;
mod metadata;
#[cfg(feature = "metrics")]
mod metrics;
mod nearest;
#[cfg(feature = "openai")]
mod openai;
mod prepare;
mod query;
mod scan;
mod space;
mod store;
mod transaction;
mod validate;
mod vector;

#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncCollection, AsyncMemoryStore};
pub use check::{CheckReport, StoreStats};
pub use codes::CODES;
pub use collection::Collection;
pub use embedder::Embedder;
pub use entry::{Entry, EntryKind, EntryPatch};
pub use error::MemoryError;
pub use fault::{Fault, Faults};
pub use filter::Filter;
pub use global::{global_limits, set_global, set_global_limits, try_global};
pub use import::{
    FileSort, ImportConflict, ImportFault, ImportOptions, ImportProgress, ImportReport, OnInvalid,
};
pub use lexical::LexicalEmbedder;
pub use limits::Limits;
pub use metadata::{Metadata, MetadataValue};
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
#[cfg(feature = "openai")]
pub use openai::{OpenAiEmbedder, OpenAiEmbedderBuilder};
pub use query::{Hit, List, Query};
pub use space::{Metric, Space};
pub use store::{CollectionInfo, CompactReport, LockOwner, MemoryStore, MemoryStoreBuilder};
pub use transaction::Transaction;
