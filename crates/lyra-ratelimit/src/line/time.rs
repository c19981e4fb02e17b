//! What time does to a line by itself.

use super::{A_MOMENT, Line};

impl Line {
    /// Does what time asks for, and gives the time to go by: comes first
    /// whenever the line is used.
    pub(crate) fn tick(&mut self, clock: u64) -> u64 {
        let now = self.follow(clock);
        self.hold.tick(now);
        let mut is_faster = false;
        for limit in &mut self.limits {
            is_faster |= limit.tick(now);
        }
        if is_faster {
            self.reckoned = None;
            self.call_first(now);
        }
        now
    }

    /// The time at the last look at the clock.
    pub(crate) const fn last_now(&self) -> u64 {
        self.last_now
    }

    /// A clock that goes back by a moment, as two cores may see it, is one
    /// that stands still. One that was set back takes all who wait along.
    fn follow(&mut self, clock: u64) -> u64 {
        let back = self.last_now.saturating_sub(clock);
        if back > 0 && back <= A_MOMENT {
            return self.last_now;
        }
        if back > 0 {
            self.reckoned = None;
            for waiter in self.queue.values_mut().chain(self.silent.values_mut()) {
                waiter.shift_back(back);
            }
        }
        self.last_now = clock;
        clock
    }
}
