//! The search over codes: exact, because what it leaves out cannot be among
//! the nearest for certain. No database in here.

mod code;
mod kernel;
mod layout;
mod planes;
mod query;
mod search;
mod segment;
mod slots;
#[cfg(test)]
mod tests;

pub(crate) use kernel::Kernel;
pub(crate) use layout::{Layout, Record};
pub(crate) use query::CodedQuery;
pub(crate) use search::{Candidate, Search};
pub(crate) use segment::Segment;
pub(crate) use slots::Slots;
