use std::time::Duration;

use tokio::time::Instant;

use crate::error::{InvalidSnafu, SyncError};

/// The longest time that timers are asked for: a timeout beyond it is as good
/// as one of this length, and adding it to any time does not overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The largest pool. What a slot takes is reserved as it grows.
const MOST: usize = 1_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) max_size: usize,
    pub(crate) min_idle: usize,
    pub(crate) create_timeout: Duration,
    pub(crate) recycle_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) leak_threshold: Option<Duration>,
    pub(crate) maintenance_interval: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) is_tracked: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_size: 10,
            min_idle: 0,
            create_timeout: Duration::from_secs(10),
            recycle_timeout: Duration::from_secs(5),
            idle_timeout: None,
            max_lifetime: None,
            leak_threshold: None,
            maintenance_interval: Duration::from_secs(30),
            longest_pause: Duration::from_secs(1),
            is_tracked: true,
        }
    }
}

impl Settings {
    #[track_caller]
    pub(crate) fn checked(mut self) -> Result<Self, SyncError> {
        require(self.max_size > 0, "max size", "it has to be over zero", self.max_size)?;
        require(self.max_size <= MOST, "max size", "it is a million at most", self.max_size)?;
        let within = self.min_idle <= self.max_size;
        require(within, "min idle", "it cannot be above the max size", self.min_idle)?;
        for (setting, duration) in [
            ("create timeout", Some(&mut self.create_timeout)),
            ("recycle timeout", Some(&mut self.recycle_timeout)),
            ("maintenance interval", Some(&mut self.maintenance_interval)),
            ("idle timeout", self.idle_timeout.as_mut()),
            ("max lifetime", self.max_lifetime.as_mut()),
            ("leak threshold", self.leak_threshold.as_mut()),
        ] {
            let Some(duration) = duration else { continue };
            require(!duration.is_zero(), setting, "it has to be over zero", *duration)?;
            *duration = LONGEST.min(*duration);
        }
        self.longest_pause = LONGEST.min(self.longest_pause);
        Ok(self)
    }

    /// The time, if it is needed to tell how old or how long idle a resource
    /// is. To read it takes as long as all the rest, hence only then.
    #[inline]
    pub(crate) fn clock(&self) -> Option<Instant> {
        (self.idle_timeout.is_some() || self.max_lifetime.is_some()).then(Instant::now)
    }
}

#[track_caller]
fn require(
    holds: bool,
    setting: &'static str,
    reason: &'static str,
    given: impl std::fmt::Debug,
) -> Result<(), SyncError> {
    if holds {
        return Ok(());
    }
    InvalidSnafu { setting, reason, given: format!("{given:?}") }.fail()
}
