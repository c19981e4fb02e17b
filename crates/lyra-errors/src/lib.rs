#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod already_set;
mod chain;
mod classify;
mod code;
mod context;
mod error;
mod ext;
mod kind;
#[cfg(feature = "metrics")]
mod label_set;
#[cfg(feature = "metrics")]
mod metric;
mod record;
mod recovery;
mod secret;
mod severity;
mod text;
mod value;

pub use already_set::AlreadySet;
pub use chain::Chain;
pub use classify::Classify;
pub use code::{CODES, Code, host};
pub use context::Context;
pub use error::Error;
pub use ext::ResultExt;
pub use kind::ErrorKind;
#[cfg(feature = "metrics")]
pub use label_set::LabelSet;
#[cfg(feature = "metrics")]
pub use metric::{Metric, MetricKind, MetricUnit};
pub use record::{CauseRecord, ErrorRecord, RecordError};
pub use recovery::Recovery;
pub use secret::Secret;
pub use severity::Severity;
pub use value::Value;

/// Where in the source an error arose; the type that `snafu` fills in for a
/// field with `#[snafu(implicit)]`.
pub type Location = &'static std::panic::Location<'static>;

/// The result of an operation that fails with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
