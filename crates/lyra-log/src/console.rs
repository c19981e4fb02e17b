//! The standard error of the process, as a place for lines.

use std::io::Write as _;

use tracing::Level;

use crate::Sink;

/// Each line by itself. What the terminal or the pipe does not take is gone:
/// nobody could be told of it there.
#[derive(Debug)]
pub(crate) struct StandardError;

impl Sink for StandardError {
    fn line(&self, _: Level, line: &[u8]) {
        let _ = std::io::stderr().lock().write_all(line);
    }
}
