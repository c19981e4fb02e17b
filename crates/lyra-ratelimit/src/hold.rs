//! A time in which nothing is granted, because the service asked for it.

/// Until when, and how long that was when it began: a clock that was set back
/// meanwhile must not make it longer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hold {
    until: u64,
    length: u64,
}

impl Hold {
    pub(crate) const fn is_on(&self) -> bool {
        self.until > 0
    }

    /// Its end; in the past, or zero, where there is none.
    pub(crate) const fn until(&self) -> u64 {
        self.until
    }

    /// Holds for `length` nanoseconds, or longer if it did already.
    pub(crate) fn extend(&mut self, now: u64, length: u64) {
        let until = now.saturating_add(length);
        if until > self.until {
            *self = Self { until, length };
        }
    }

    pub(crate) fn tick(&mut self, now: u64) {
        self.until = self.until.min(now.saturating_add(self.length));
        if self.until <= now {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_by_itself_and_a_shorter_one_does_not_shorten_it() {
        let mut hold = Hold::default();
        hold.extend(100, 50);
        hold.extend(110, 20);
        assert_eq!(hold.until(), 150);
        hold.tick(149);
        assert!(hold.is_on());
        hold.tick(150);
        assert!(!hold.is_on());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_it_longer() {
        let mut hold = Hold::default();
        hold.extend(1_000_000, 50);
        hold.tick(100);
        assert_eq!(hold.until(), 150);
    }
}
