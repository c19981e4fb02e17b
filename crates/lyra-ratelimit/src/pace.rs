//! How a limit treads softly after its service complained: slower at once, and
//! back to full speed in small steps.

/// What is left of the speed after a complaint, in percent.
const AFTER_A_COMPLAINT: u64 = 50;

/// The slowest that complaints can make a limit, in percent of its quota. It
/// stays above zero so that a service that keeps complaining, or lies, cannot
/// stop it for ever.
const SLOWEST: u64 = 5;

/// By how many percent of the quota it gets faster with each step.
const STEP: u64 = 10;

/// The speed of a limit, in percent of its quota.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    percent: u64,
    next_step: u64,
    step_after: u64,
}

impl Pace {
    /// Full speed; after a complaint it regains a tenth of it every
    /// `step_after` nanoseconds.
    pub(crate) const fn new(step_after: u64) -> Self {
        Self { percent: 100, next_step: 0, step_after }
    }

    pub(crate) const fn percent(&self) -> u64 {
        self.percent
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.percent == 100
    }

    /// The service complained: half as fast as now.
    pub(crate) fn complain(&mut self, now: u64) {
        self.slow_to(now, self.percent * AFTER_A_COMPLAINT / 100);
    }

    /// No faster than `percent`.
    pub(crate) fn slow_to(&mut self, now: u64, percent: u64) {
        if percent < self.percent {
            self.percent = percent.max(SLOWEST);
        }
        if !self.is_full() {
            self.next_step = now.saturating_add(self.step_after);
        }
    }

    /// Takes the steps that are due; whether there were any.
    pub(crate) fn tick(&mut self, now: u64) -> bool {
        // A clock that was set back must not hold it down for that long.
        self.next_step = self.next_step.min(now.saturating_add(self.step_after));
        let before = self.percent;
        while !self.is_full() && self.next_step <= now {
            self.percent = (self.percent + STEP).min(100);
            self.next_step = self.next_step.saturating_add(self.step_after.max(1));
        }
        self.percent != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_halves_it_and_it_comes_back_by_tenths() {
        let mut pace = Pace::new(30);
        pace.complain(100);
        assert_eq!(pace.percent(), 50);
        assert!(!pace.tick(129));
        assert!(pace.tick(130));
        assert_eq!(pace.percent(), 60);
        assert!(pace.tick(10_000));
        assert!(pace.is_full());
    }

    #[test]
    fn complaints_without_end_leave_some_speed() {
        let mut pace = Pace::new(30);
        for now in 0..100 {
            pace.complain(now);
        }
        assert_eq!(pace.percent(), SLOWEST);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_it_down() {
        let mut pace = Pace::new(30);
        pace.complain(1_000_000);
        pace.tick(0);
        assert!(pace.tick(30));
    }
}
