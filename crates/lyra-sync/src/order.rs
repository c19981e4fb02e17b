//! The order in which locks are taken, as the feature `lock-order` watches it.
//! Without the feature, nothing of it is compiled in.

#[cfg(feature = "lock-order")]
mod graph;
#[cfg(not(feature = "lock-order"))]
mod off;
#[cfg(feature = "lock-order")]
mod on;
#[cfg(feature = "lock-order")]
mod owner;
#[cfg(feature = "lock-order")]
mod report;

/// How one waits for itself: for a lock that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// To read behind a writer, which waits for it.
    Read,
    /// For its own guard to be dropped.
    Itself,
}

#[cfg(not(feature = "lock-order"))]
pub(crate) use off::{HeldMark, OrderMark};
#[cfg(feature = "lock-order")]
pub(crate) use on::{HeldMark, OrderMark};
#[cfg(feature = "lock-order")]
pub use report::{LockOrderEdge, LockOrderReport, lock_order_reports, on_lock_order_report};
