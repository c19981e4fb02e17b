use std::fmt;
use std::time::Duration;

use crate::bytes::percent_of;
use crate::policy::{Marks, Policy};

/// How full a device is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Below the warning.
    #[default]
    Normal,
    /// From the warning on: idle models go after a while.
    Warning,
    /// From the critical mark on: idle models go at once.
    Critical,
}

impl Level {
    /// The level as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Follows the level of one device. Up it goes at once to critical, and to a
/// warning with the second reading in a row; down only after usage was below
/// the clear mark for a while, so that a level does not flap.
#[derive(Debug, Default, Clone)]
pub(crate) struct Watch {
    level: Level,
    /// Readings in a row that were above the level.
    above: u8,
    /// Since when usage is below the level's clear mark.
    below_since: Option<Duration>,
    /// Since when it is at this level.
    pub(crate) since: Duration,
}

impl Watch {
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Takes a reading; what the level was, if it is another one now.
    pub(crate) fn read(
        &mut self,
        now: Duration,
        used: u64,
        total: u64,
        policy: &Policy,
    ) -> Option<Level> {
        let marks = policy.marks();
        let reached = reached(used, total, &marks);
        if reached > self.level {
            self.below_since = None;
            self.above = self.above.saturating_add(1);
            return (reached == Level::Critical || self.above >= 2)
                .then(|| self.enter(reached, now));
        }
        self.above = 0;
        let cleared = cleared(self.level, used, total, &marks);
        if cleared == self.level {
            self.below_since = None;
            return None;
        }
        let since = *self.below_since.get_or_insert(now);
        (now.saturating_sub(since) >= policy.transition).then(|| self.enter(cleared, now))
    }

    fn enter(&mut self, level: Level, now: Duration) -> Level {
        let before = self.level;
        *self = Self { level, above: 0, below_since: None, since: now };
        before
    }
}

fn reached(used: u64, total: u64, marks: &Marks) -> Level {
    if used >= percent_of(total, marks.critical) {
        Level::Critical
    } else if used >= percent_of(total, marks.warning) {
        Level::Warning
    } else {
        Level::Normal
    }
}

/// Down to where the level may go.
fn cleared(level: Level, used: u64, total: u64, marks: &Marks) -> Level {
    match level {
        Level::Critical if used >= percent_of(total, marks.critical_clear) => Level::Critical,
        Level::Critical | Level::Warning if used >= percent_of(total, marks.warning_clear) => {
            Level::Warning
        }
        _ => Level::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// The levels after each reading, one a second.
    fn levels(used: &[u64]) -> Vec<Level> {
        let (mut watch, policy) = (Watch::default(), Policy::default());
        let read = |(second, used): (usize, &u64)| {
            watch.read(secs(second as u64), *used, 100, &policy);
            watch.level()
        };
        used.iter().enumerate().map(read).collect()
    }

    #[test]
    fn critical_comes_at_once_and_a_warning_with_the_second_reading() {
        use Level::{Critical, Normal, Warning};
        assert_eq!(levels(&[79, 80, 80, 90]), [Normal, Normal, Warning, Critical]);
        assert_eq!(levels(&[80, 79, 80, 79]), [Normal; 4]);
        assert_eq!(levels(&[10, 95]), [Normal, Critical]);
    }

    #[test]
    fn a_level_ends_after_ten_seconds_below_its_clear_mark() {
        let mut used = vec![90];
        used.extend([88; 30]);
        assert!(levels(&used).iter().all(|level| *level == Level::Critical), "not below 87");
        let mut used = vec![90];
        used.extend([86; 11]);
        assert_eq!(levels(&used)[10..], [Level::Critical, Level::Warning]);
        used.extend([70; 11]);
        assert_eq!(levels(&used)[21..], [Level::Warning, Level::Normal]);
        let mut used = vec![90, 86, 86, 86, 88];
        used.extend([86; 10]);
        assert!(levels(&used).iter().all(|level| *level == Level::Critical), "it starts anew");
    }

    #[test]
    fn from_critical_far_down_it_is_normal_in_one_step() {
        let mut used = vec![95];
        used.extend([10; 11]);
        assert_eq!(levels(&used)[10..], [Level::Critical, Level::Normal]);
    }
}
