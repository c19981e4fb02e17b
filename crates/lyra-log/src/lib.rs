#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "background")]
mod background;
mod buffers;
mod builder;
#[cfg(feature = "bunyan")]
mod bunyan;
mod codes;
mod console;
mod directives;
mod error;
mod fields;
pub mod files;
mod format;
mod guard;
mod key;
mod layer;
mod memory;
#[cfg(feature = "metrics")]
mod metrics;
mod operation;
mod panics;
pub mod read;
mod redact;
mod run;
mod settings;
mod sink;
mod spans;
mod stamp;

pub use builder::{Builder, Console, Format, builder};
#[cfg(feature = "bunyan")]
pub use bunyan::bunyan;
pub use codes::CODES;
pub use directives::Directives;
pub use directives::levels::Levels;
pub use error::LogError;
pub use format::human::Colours;
pub use guard::{Guard, Status};
pub use layer::{HumanLayer, JsonLayer};
pub use memory::MemorySink;
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
pub use operation::{Instrument, Operation};
pub use panics::{Backtraces, Panics};
pub use redact::Redaction;
pub use run::Run;
pub use settings::Settings;
pub use sink::{Sink, Unfinished};

#[cfg(feature = "background")]
#[cfg_attr(docsrs, doc(cfg(feature = "background")))]
pub use background::{Queue, QueueCounts};

/// For the code that [`operation!`] becomes.
#[doc(hidden)]
pub use tracing as __tracing;
