//! Where finished lines go: what formats them on one side, files, a background
//! thread or a test's memory on the other.

use std::fmt;

use tracing::Level;

/// Takes finished lines, from any thread, and never panics.
pub trait Sink: fmt::Debug + Send + Sync {
    /// A line with its newline at the end, and nothing but one line. What
    /// becomes of it is the sink's business: it counts what it could not keep.
    fn line(&self, level: Level, line: &[u8]);

    /// A line that gets its time and its number when the sink finishes it.
    ///
    /// A sink that several threads write to finishes it where their lines
    /// follow one another, under its lock: then they stand in the order of
    /// their numbers. It finishes every line, also one that it can't keep, so
    /// that the gap in the numbers tells of it.
    fn unfinished(&self, level: Level, line: &mut dyn Unfinished) {
        self.line(level, line.finish());
    }
}

/// A line but for its time and its number.
pub trait Unfinished {
    /// Finishes the line, and gives it with its newline. A second call gives
    /// the same. It runs no code of others, and never panics.
    fn finish(&mut self) -> &[u8];
}

/// One that is finished already.
pub(crate) struct Whole<'a>(pub(crate) &'a [u8]);

impl Unfinished for Whole<'_> {
    fn finish(&mut self) -> &[u8] {
        self.0
    }
}
