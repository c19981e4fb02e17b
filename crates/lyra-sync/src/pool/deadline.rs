use std::time::Duration;

use tokio::time::Instant;

use super::settings::LONGEST;

/// When a wait ends, on tokio's clock. It is absolute from the moment when
/// there is something to wait for; before that the clock is not read.
#[derive(Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    started: Option<Instant>,
}

impl Deadline {
    #[inline]
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout: timeout.min(LONGEST), started: None }
    }

    pub(crate) fn started(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }

    pub(crate) fn at(&mut self) -> Instant {
        self.started() + self.timeout
    }

    pub(crate) fn is_over(&mut self) -> bool {
        Instant::now() >= self.at()
    }
}
