//! Where finished lines go: what formats them on one side, files, a background
//! thread or a test's memory on the other.

use std::fmt;

use tracing::Level;

/// Takes finished lines, from any thread, and never panics.
pub trait Sink: fmt::Debug + Send + Sync {
    /// A line with its newline at the end, and nothing but one line. What
    /// becomes of it is the sink's business: it counts what it could not keep.
    fn line(&self, level: Level, line: &[u8]);
}
