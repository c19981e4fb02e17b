//! Delivery by a thread of its own: whoever logs waits for no disk, and every
//! line is written or counted.
//!
//! The thread and its queue are `tracing-appender`'s. What is added is what it
//! leaves out: it does not say what was written, its end gives up after 1.1
//! seconds without a count, and when its queue is full it either waits for ever
//! or drops. So a line is admitted here, where the lines under way are counted,
//! before it is given to the queue, which therefore is never full.
//!
//! **What is under way dies with the process** when it is killed or aborts.
#![cfg_attr(not(test), allow(dead_code, reason = "the builder that starts it is not written yet"))]

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::files::FileError;
use crate::files::error::UnwrittenSnafu;
use crate::sink::{Sink, Unfinished, Whole};

#[cfg(test)]
mod tests;

/// How many lines may be under way, and how long to wait when it is that many.
///
/// By default 8192 lines; one that finds no place waits for a second at most,
/// and is dropped and counted then. At the end all that are under way are
/// waited for, for 5 seconds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    lines: usize,
    patience: Duration,
    drain: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { lines: 8192, patience: Duration::from_secs(1), drain: Duration::from_secs(5) }
    }
}

impl Queue {
    /// At most that many lines are under way: 8192 by default, and at least one.
    #[must_use]
    pub fn lines(mut self, lines: usize) -> Self {
        self.lines = lines.max(1);
        self
    }

    /// How long a line waits for a place: a second by default. With zero it is
    /// dropped at once.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long the end waits for what is under way: 5 seconds by default.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }
}

/// What has become of the lines. `accepted - written` are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueCounts {
    /// Lines that found a place.
    pub accepted: u64,
    /// Lines that were given to the files, which count what they can't keep.
    pub written: u64,
    /// Lines that found no place in time, and are not among the accepted.
    pub dropped: u64,
}

/// Delivers lines to a sink. Dropping it waits for what is under way.
pub(crate) struct Background {
    shared: Arc<Shared>,
    queue: Queue,
    /// Sent to while the counts are locked, so that lines are written in the
    /// order in which they were counted.
    sender: Mutex<NonBlocking>,
    /// Taken at the end; from then on each line is written where it is told.
    guard: Mutex<Option<WorkerGuard>>,
}

#[derive(Debug)]
struct Shared {
    counts: Mutex<QueueCounts>,
    /// A line was written.
    progress: Condvar,
    is_closed: AtomicBool,
    sink: Arc<dyn Sink>,
}

/// What the thread writes to: each call is a line, with its level in front.
#[derive(Debug)]
struct Courier(Arc<Shared>);

impl Background {
    /// Starts the thread.
    ///
    /// # Panics
    ///
    /// When the system can't start one.
    pub(crate) fn new(sink: Arc<dyn Sink>, queue: Queue) -> Self {
        let counts = Mutex::new(QueueCounts::default());
        let shared = Arc::new(Shared {
            counts,
            progress: Condvar::new(),
            is_closed: AtomicBool::new(false),
            sink,
        });
        let (sender, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(queue.lines)
            .thread_name("lyra-log-write")
            .finish(Courier(Arc::clone(&shared)));
        Self { shared, queue, sender: Mutex::new(sender), guard: Mutex::new(Some(guard)) }
    }

    /// What has become of the lines so far.
    pub(crate) fn counts(&self) -> QueueCounts {
        *self.shared.lock()
    }

    /// Waits until everything is written that was accepted before the call, no
    /// longer than `deadline`.
    ///
    /// # Errors
    ///
    /// `log.unwritten`, with the number of lines that are not.
    pub(crate) fn flush(&self, deadline: Duration) -> Result<(), FileError> {
        let counts = self.shared.lock();
        let target = counts.accepted;
        let counts = self.shared.wait_while(counts, deadline, |counts| counts.written < target);
        match target.saturating_sub(counts.written) {
            0 => Ok(()),
            lines => UnwrittenSnafu { lines, waited: deadline }.fail(),
        }
    }

    /// Ends it, and says what is left when `drain` is over: nothing, as a rule.
    /// From now on each line is written where it is told.
    ///
    /// # Errors
    ///
    /// `log.unwritten`, as [`flush`](Self::flush). The thread goes on with what
    /// is left, as long as the process lives.
    pub(crate) fn close(&self) -> Result<(), FileError> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(guard) = guard else { return Ok(()) };
        self.shared.is_closed.store(true, Ordering::Release);
        let flushed = self.flush(self.queue.drain);
        match flushed {
            Ok(()) => drop(guard),
            // It would wait again, and print to where it has no business.
            Err(_) => std::mem::forget(guard),
        }
        flushed
    }
}

impl Sink for Background {
    fn line(&self, level: Level, line: &[u8]) {
        self.unfinished(level, &mut Whole(line));
    }

    fn unfinished(&self, level: Level, line: &mut dyn Unfinished) {
        if self.shared.is_closed.load(Ordering::Acquire) {
            return self.shared.sink.unfinished(level, line);
        }
        let most = self.queue.lines as u64;
        let is_full = |counts: &QueueCounts| counts.accepted - counts.written >= most;
        let counts = self.shared.lock();
        let mut counts = self.shared.wait_while(counts, self.queue.patience, is_full);
        let tagged = [&[tag(level)], line.finish()].concat();
        if is_full(&counts) {
            counts.dropped += 1;
            return;
        }
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        // It drops nothing, because there is room for all that are admitted.
        match sender.write_all(&tagged) {
            Ok(()) => counts.accepted += 1,
            Err(_) => counts.dropped += 1,
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Whoever wants to know what is left closes it.
        let _ = self.close();
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("queue", &self.queue)
            .field("counts", &self.counts())
            .finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, QueueCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `holds`, no longer than that.
    fn wait_while<'a>(
        &self,
        mut counts: MutexGuard<'a, QueueCounts>,
        limit: Duration,
        holds: impl Fn(&QueueCounts) -> bool,
    ) -> MutexGuard<'a, QueueCounts> {
        let started = Instant::now();
        while holds(&counts) {
            let Some(left) = limit.checked_sub(started.elapsed()).filter(|left| !left.is_zero())
            else {
                break;
            };
            let waited = self.progress.wait_timeout(counts, left);
            (counts, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        counts
    }
}

impl Write for Courier {
    fn write(&mut self, tagged: &[u8]) -> io::Result<usize> {
        if let Some((&tag, line)) = tagged.split_first() {
            self.0.sink.line(level(tag), line);
            self.0.lock().written += 1;
            self.0.progress.notify_all();
        }
        Ok(tagged.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

fn tag(level: Level) -> u8 {
    LEVELS.iter().zip(0..).find(|(other, _)| **other == level).map_or(0, |(_, tag)| tag)
}

fn level(tag: u8) -> Level {
    LEVELS.get(usize::from(tag)).copied().unwrap_or(Level::ERROR)
}
