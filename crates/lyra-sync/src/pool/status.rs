use std::fmt;
use std::time::Duration;

use crate::holder::Holder;
use crate::name::Name;

/// How a pool stands: a value, whose parts make up its size. It is exact while
/// nobody is in the middle of a call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The pool's name.
    pub name: Name,
    /// How many resources it has at most.
    pub max_size: usize,
    /// How many it has: idle, in use, being checked and being created.
    pub size: usize,
    /// How many are there to be taken.
    pub idle: usize,
    /// How many were acquired, or handed to someone who waits.
    pub in_use: usize,
    /// How many are being checked in the background.
    pub checking: usize,
    /// How many are being created.
    pub creating: usize,
    /// How many callers stand in line.
    pub waiting: usize,
    /// Whether it was closed.
    pub is_closed: bool,
    /// How many creations failed in a row, up to now. Those that began
    /// together count as one.
    pub failures_in_a_row: u32,
    /// What the last failed creation said.
    pub last_failure: Option<String>,
    /// What it has counted since it was built.
    pub counts: PoolCounts,
    /// Who holds what, the longest first.
    pub held: Vec<HeldResource>,
}

/// What a pool has counted since it was built.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounts {
    /// Resources that were handed out, including those whose check failed
    /// then.
    pub acquired: u64,
    /// Resources that were created.
    pub created: u64,
    /// Creations that failed: with an error, a panic, or by their timeout.
    pub create_failed: u64,
    /// Resources that were destroyed, for whatever reason.
    pub destroyed: u64,
    /// Resources that were detached.
    pub detached: u64,
    /// Resources that did not pass their check, and were destroyed.
    pub unsound: u64,
    /// Resources that were destroyed because their time was over: idle for
    /// long, or at the end of their lifetime.
    pub expired: u64,
    /// Acquires that ended by their timeout.
    pub timed_out: u64,
    /// Panics in the manager and in hooks.
    pub panics: u64,
}

/// A resource that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldResource {
    /// The resource's place in the pool, from zero.
    pub slot: usize,
    /// Who acquired it, and where. Not known without
    /// [tracking](crate::ResourcePoolBuilder::without_tracking).
    pub holder: Option<Holder>,
    /// For how long, if the pool has a
    /// [leak threshold](crate::ResourcePoolBuilder::with_leak_threshold). For
    /// a waiter that was handed it and has not looked yet, since the first
    /// status or maintenance thereafter.
    pub held_for: Option<Duration>,
}

impl fmt::Display for HeldResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource {}", self.slot)?;
        match &self.holder {
            Some(holder) => write!(f, ", held by {holder}")?,
            None => write!(f, ", held by somebody")?,
        }
        match self.held_for {
            Some(held_for) => write!(f, ", for {held_for:?}"),
            None => Ok(()),
        }
    }
}
