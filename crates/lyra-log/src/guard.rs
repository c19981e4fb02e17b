//! What a host holds while its log is there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::files::{Counts, LogFiles};
use crate::{Directives, Levels, LogError, Run};
#[cfg(feature = "background")]
use crate::{QueueCounts, background::Background};

/// Belongs to a log; with its end what is under way is written.
///
/// A log with [`Delivery::Direct`](crate::files::Delivery::Direct) has nothing
/// under way. Events that are told after the guard's end are written as well,
/// one by one.
#[derive(Debug)]
#[must_use = "without it, what is under way is not written at the end"]
pub struct Guard {
    run: Arc<Run>,
    levels: Levels,
    pub(crate) files: Option<Arc<LogFiles>>,
    #[cfg(feature = "background")]
    pub(crate) background: Option<Arc<Background>>,
}

/// What has become of the lines so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name of the run, as each line tells it.
    pub run: String,
    /// Lines that were made.
    pub lines: u64,
    /// Lines of the file of all, if there are files.
    pub all: Option<Counts>,
    /// Lines of the file of errors.
    pub errors: Option<Counts>,
    /// Lines on their way to the files.
    #[cfg(feature = "background")]
    #[cfg_attr(docsrs, doc(cfg(feature = "background")))]
    pub queue: Option<QueueCounts>,
}

impl Guard {
    pub(crate) fn new(run: Arc<Run>, levels: Levels) -> Self {
        Self {
            run,
            levels,
            files: None,
            #[cfg(feature = "background")]
            background: None,
        }
    }

    /// The level directives of the log, which can be exchanged.
    #[must_use]
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Exchanges the level directives, and gives the old ones back.
    ///
    /// # Errors
    ///
    /// `log.directive`; the old ones stay then.
    pub fn set_level(&self, directives: &str) -> Result<Directives, LogError> {
        Ok(self.levels.set(directives.parse()?))
    }

    /// The name of the log, with the number that it may have got; none without
    /// files.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.files.as_ref().map(|files| files.name())
    }

    /// Where the files are.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.files.as_ref().map(|files| files.dir())
    }

    /// What has become of the lines so far. What is counted neither as written
    /// nor as lost is under way.
    #[must_use]
    pub fn status(&self) -> Status {
        let (all, errors) = self.files.as_ref().map(|files| files.counts()).unzip();
        Status {
            run: self.run.id().to_owned(),
            lines: self.run.lines(),
            all,
            errors,
            #[cfg(feature = "background")]
            queue: self.background.as_ref().map(|background| background.counts()),
        }
    }

    /// Writes what was told before the call, and waits for that no longer than
    /// `deadline`, which only a background delivery may need.
    ///
    /// # Errors
    ///
    /// `log.unwritten`, with the number of lines that are still under way.
    #[cfg_attr(
        not(feature = "background"),
        allow(clippy::unnecessary_wraps, unused_variables, reason = "nothing to wait for")
    )]
    pub fn flush(&self, deadline: Duration) -> Result<(), LogError> {
        #[cfg(feature = "background")]
        if let Some(background) = &self.background {
            background.flush(deadline)?;
        }
        if let Some(files) = &self.files {
            files.flush();
        }
        Ok(())
    }

    /// Flushes, and waits until the disk itself has it: a power cut takes
    /// nothing of it any more. Blocking, with no limit but the disk's own.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and `log.io` where the disk fails.
    pub fn sync(&self, deadline: Duration) -> Result<(), LogError> {
        self.flush(deadline)?;
        match &self.files {
            Some(files) => Ok(files.sync()?),
            None => Ok(()),
        }
    }

    /// The end of the log, as dropping it is, but told what is left.
    ///
    /// # Errors
    ///
    /// `log.unwritten`, with the number of lines that were still under way when
    /// the time of the [`Queue`](crate::files) for it was over.
    pub fn close(mut self) -> Result<(), LogError> {
        self.end()
    }

    #[cfg_attr(
        not(feature = "background"),
        allow(clippy::unnecessary_wraps, reason = "nothing to wait for")
    )]
    fn end(&mut self) -> Result<(), LogError> {
        #[cfg(feature = "background")]
        if let Some(background) = &self.background {
            background.close()?;
        }
        if let Some(files) = &self.files {
            files.end_buffering();
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Whoever wants to know what is left closes it.
        let _ = self.end();
    }
}
