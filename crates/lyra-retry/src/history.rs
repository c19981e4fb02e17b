use std::fmt;
use std::time::Duration;

use lyra_errors::{Classify, Code, ErrorKind};

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// With an error of its own.
    Failed,
    /// It was cancelled when its time was over.
    TimedOut,
}

impl AttemptOutcome {
    /// The outcome as a word, as metrics and events have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// One failed attempt in the history of a [`RetryError`](crate::RetryError).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it failed.
    pub outcome: AttemptOutcome,
    /// What its error is about, where the error tells.
    pub kind: Option<ErrorKind>,
    /// The code of its error, where the error tells.
    pub code: Option<Code>,
    /// How long it took. Unknown for the first attempt when there is neither
    /// a deadline nor an attempt timeout: no clock is read before it fails.
    pub duration: Option<Duration>,
    /// The wait after it; none after the last.
    pub delay: Option<Duration>,
}

impl AttemptRecord {
    pub(crate) fn new(attempt: u32, duration: Option<Duration>, delay: Option<Duration>) -> Self {
        Self { attempt, outcome: AttemptOutcome::TimedOut, kind: None, code: None, duration, delay }
    }

    pub(crate) fn failed(mut self, told: Option<&dyn Classify>) -> Self {
        self.outcome = AttemptOutcome::Failed;
        self.kind = told.map(Classify::kind);
        self.code = told.map(Classify::code);
        self
    }
}

/// On one line: `2: router.no_route after 1.2s, then waited 800ms`.
impl fmt::Display for AttemptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.attempt)?;
        match (self.outcome, self.code) {
            (AttemptOutcome::TimedOut, _) => f.write_str("timed out")?,
            (AttemptOutcome::Failed, Some(code)) => write!(f, "{code}")?,
            (AttemptOutcome::Failed, None) => f.write_str("failed")?,
        }
        if let Some(duration) = self.duration {
            write!(f, " after {duration:?}")?;
        }
        match self.delay {
            Some(delay) => write!(f, ", then waited {delay:?}"),
            None => Ok(()),
        }
    }
}

/// The first attempt and the latest ones: a call that is retried for a month
/// must not fill the memory with it.
#[derive(Debug, Default)]
pub(crate) struct History(Vec<AttemptRecord>);

impl History {
    pub(crate) const MAX: usize = 32;

    pub(crate) fn push(&mut self, record: AttemptRecord) {
        if self.0.len() == Self::MAX {
            self.0.remove(1);
        }
        self.0.push(record);
    }

    pub(crate) fn records(&self) -> &[AttemptRecord] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_and_the_latest_are_kept() {
        let mut history = History::default();
        for attempt in 1..=100 {
            history.push(AttemptRecord::new(attempt, None, None));
        }
        let kept: Vec<u32> = history.records().iter().map(|record| record.attempt).collect();
        assert_eq!(kept.len(), History::MAX);
        assert_eq!((kept[0], kept[1], kept[31]), (1, 70, 100));
    }

    #[test]
    fn a_record_is_one_readable_line() {
        let millis = |n| Some(Duration::from_millis(n));
        let record = AttemptRecord::new(2, millis(1200), millis(800));
        assert_eq!(record.to_string(), "2: timed out after 1.2s, then waited 800ms");
        let error = lyra_errors::Error::router("no");
        let record = AttemptRecord::new(3, None, None).failed(Some(&error));
        assert_eq!(record.to_string(), "3: host.router");
        assert_eq!(AttemptRecord::new(3, None, None).failed(None).to_string(), "3: failed");
    }
}
