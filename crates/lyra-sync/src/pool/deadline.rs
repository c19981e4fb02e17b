use std::time::Duration;

use tokio::time::Instant;

use super::settings::LONGEST;

/// When a wait ends, on tokio's clock. It is absolute from the moment when
/// there is something to wait for; before that the clock is not read.
#[derive(Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    started: Option<Instant>,
    refused: usize,
}

impl Deadline {
    #[inline]
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout: timeout.min(LONGEST), started: None, refused: 0 }
    }

    pub(crate) fn started(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }

    pub(crate) fn at(&mut self) -> Instant {
        self.started() + self.timeout
    }

    /// Whether to try another resource after one that was refused; see
    /// [`allows_another`].
    pub(crate) fn allows_another(&mut self, max_size: usize) -> bool {
        self.refused += 1;
        let at = self.at();
        allows_another(self.timeout, Instant::now() >= at, self.refused, max_size)
    }
}

/// Whether one who was refused so many resources tries another. Without time
/// to wait it looks at as many as the pool can have, so that it ends.
pub(crate) fn allows_another(
    timeout: Duration,
    is_over: bool,
    refused: usize,
    max_size: usize,
) -> bool {
    if timeout.is_zero() { refused <= max_size } else { !is_over }
}
