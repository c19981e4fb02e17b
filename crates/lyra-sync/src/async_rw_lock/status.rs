use crate::holder::Holder;

/// How an [`AsyncRwLock`](crate::AsyncRwLock) stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsyncRwLockStatus {
    /// How many read now, an upgradable reader included.
    pub readers: usize,
    /// Whether somebody writes now.
    pub is_writing: bool,
    /// How many wait to read.
    pub waiting_readers: usize,
    /// How many wait to write, to read upgradably, or to upgrade.
    pub waiting_writers: usize,
    /// Who writes, or who of the readers came last, if it reads still.
    pub holder: Option<Holder>,
    /// Whether somebody panicked while writing; see
    /// [`had_panic`](crate::AsyncRwLock::had_panic).
    pub had_panic: bool,
}
