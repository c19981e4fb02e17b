//! How a limit treads softly after its service complained: slower at once, and
//! back to full speed in small steps.

/// What is left of the speed after a complaint, in percent.
const AFTER_A_COMPLAINT: u64 = 50;

/// The slowest that a service can make a limit, in percent of its quota. It
/// stays above zero so that a service that keeps complaining, or lies, cannot
/// stop it for ever.
const SLOWEST: u64 = 5;

/// By how many percent of the quota it gets faster with each step.
const STEP: u64 = 10;

/// The speed of a limit, in percent of its quota: the lower of what complaints
/// left of it, and of what the service said that it allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    complaints: Slowdown,
    cap: Slowdown,
    step_after: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slowdown {
    percent: u64,
    next_step: u64,
}

impl Pace {
    /// Full speed; what slows it down wears off by a tenth of it every
    /// `step_after` nanoseconds.
    pub(crate) const fn new(step_after: u64) -> Self {
        let none = Slowdown { percent: 100, next_step: 0 };
        Self { complaints: none, cap: none, step_after }
    }

    /// The same speed, with the steps of another.
    pub(crate) const fn with_steps_of(self, other: &Self) -> Self {
        Self { step_after: other.step_after, ..self }
    }

    pub(crate) fn percent(&self) -> u64 {
        self.complaints.percent.min(self.cap.percent)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.complaints.percent == 100 && self.cap.percent == 100
    }

    /// When it gets faster next.
    pub(crate) fn next_step(&self) -> Option<u64> {
        let slow = [self.complaints, self.cap].into_iter().filter(|slow| slow.percent < 100);
        slow.map(|slow| slow.next_step).min()
    }

    /// The service complained: half as fast as now.
    pub(crate) fn complain(&mut self, now: u64) {
        let half = self.complaints.percent * AFTER_A_COMPLAINT / 100;
        self.complaints.set(half, now.saturating_add(self.step_after));
    }

    /// The service allows this much. It holds until it is said anew, or wears
    /// off.
    pub(crate) fn cap(&mut self, now: u64, percent: u64) {
        self.cap.set(percent, now.saturating_add(self.step_after));
    }

    /// Takes the steps that are due; whether it is faster by them.
    pub(crate) fn tick(&mut self, now: u64) -> bool {
        let before = self.percent();
        self.complaints.tick(now, self.step_after);
        self.cap.tick(now, self.step_after);
        self.percent() != before
    }
}

impl Slowdown {
    fn set(&mut self, percent: u64, next_step: u64) {
        *self = Self { percent: percent.clamp(SLOWEST, 100), next_step };
    }

    fn tick(&mut self, now: u64, step_after: u64) {
        // A clock that was set back must not hold it down for that long.
        self.next_step = self.next_step.min(now.saturating_add(step_after));
        while self.percent < 100 && self.next_step <= now {
            self.percent = (self.percent + STEP).min(100);
            self.next_step = self.next_step.saturating_add(step_after.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_halves_it_and_it_comes_back_by_tenths() {
        let mut pace = Pace::new(30);
        pace.complain(100);
        assert_eq!((pace.percent(), pace.next_step()), (50, Some(130)));
        assert!(!pace.tick(129));
        assert!(pace.tick(130));
        assert_eq!(pace.percent(), 60);
        assert!(pace.tick(10_000));
        assert_eq!((pace.is_full(), pace.next_step()), (true, None));
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
    fn a_cap_that_is_said_again_and_again_keeps_no_complaint_alive() {
        let mut pace = Pace::new(30);
        pace.complain(0);
        for now in 1..400 {
            pace.cap(now, 90);
            pace.tick(now);
        }
        assert_eq!(pace.percent(), 90);
        pace.cap(400, 100);
        assert!(pace.is_full(), "the service allows more again");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_it_down() {
        let mut pace = Pace::new(30);
        pace.complain(1_000_000);
        pace.tick(0);
        assert!(pace.tick(30));
    }
}
