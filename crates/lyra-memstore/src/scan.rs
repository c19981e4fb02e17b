//! The search over codes: exact, because what it leaves out cannot be among
//! the nearest for certain. No database in here.

mod code;
mod kernel;
mod query;
mod search;
mod segment;
mod slots;
#[cfg(test)]
mod tests;

pub(crate) use kernel::Kernel;
pub(crate) use query::CodedQuery;
pub(crate) use search::Search;
pub(crate) use segment::{Layout, Record, Segment};
pub(crate) use slots::Slots;
