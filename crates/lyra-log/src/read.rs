//! Reading a log back: its records, those that fit a question, those that come,
//! and whether anything is missing.
//!
//! Old files are read with the current one, compressed or not, also while a
//! process writes and rotates them. Nothing here takes a lock or changes a file.
//!
//! ```
//! use lyra_log::read::{Log, Query};
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! # std::fs::write(dir.join("agent.log"), concat!(
//! #     r#"{"time":"2026-11-23T02:30:00.123456789Z","level":"WARN","seq":1,"run":"a","target":"gpu","msg":"hot"}"#, "\n"))?;
//!
//! let log = Log::open(dir, "agent")?;
//! let warnings = Query::new().level(tracing::Level::WARN).target("gpu").last(10);
//! let found = log.query(warnings)?;
//! assert_eq!(found[0].message(), Some("hot"));
//! assert!(log.verify()?.is_whole());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod follow;
mod lines;
mod log;
mod losses;
mod query;
mod ranges;
mod record;
mod source;
#[cfg(test)]
mod tests;
mod verify;

pub use follow::Follow;
pub use log::{Log, Records};
pub use query::Query;
pub use record::{Broken, Entry, Fault, Record};
pub use verify::{FileReport, Report, RunReport};
