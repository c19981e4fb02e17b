use std::time::Duration;

use crate::clock::nanos;
use crate::error::{RateLimitError, require};
use crate::quota::LONGEST;

/// How far a limiter believes what responses say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Care {
    pub(crate) longest_hold: Duration,
    pub(crate) recovery_step: Duration,
}

impl Default for Care {
    fn default() -> Self {
        Self { longest_hold: Duration::from_secs(60 * 60), recovery_step: Duration::from_secs(30) }
    }
}

impl Care {
    /// Both in nanoseconds, checked.
    #[track_caller]
    pub(crate) fn nanos(self) -> Result<(u64, u64), RateLimitError> {
        let Self { longest_hold, recovery_step } = self;
        for (setting, value) in [("longest_hold", longest_hold), ("recovery_step", recovery_step)] {
            let reason = "it has to be longer than zero, and 396 days at most";
            require(!value.is_zero() && value <= LONGEST, setting, reason, value)?;
        }
        Ok((nanos(longest_hold), nanos(recovery_step)))
    }
}
