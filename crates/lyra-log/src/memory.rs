use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::Level;

use crate::sink::Whole;
use crate::{Sink, Unfinished};

/// A [`Sink`] that keeps the lines in memory: for tests.
#[derive(Debug, Default)]
pub struct MemorySink {
    lines: Mutex<Vec<(Level, String)>>,
}

impl MemorySink {
    /// One with no lines yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines so far, without their newlines, which are then forgotten.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock()).into_iter().map(|(_, line)| line).collect()
    }

    /// The levels of the lines so far.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        self.lock().iter().map(|&(level, _)| level).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Level, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for MemorySink {
    fn line(&self, level: Level, line: &[u8]) {
        self.unfinished(level, &mut Whole(line));
    }

    fn unfinished(&self, level: Level, line: &mut dyn Unfinished) {
        let mut lines = self.lock();
        let line = line.finish();
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
        lines.push((level, text));
    }
}
