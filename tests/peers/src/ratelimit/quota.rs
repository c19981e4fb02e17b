//! How often, the same for all, and how each peer is told.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many in a period, and at most so many at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) tokens: u32,
    pub(super) period: Duration,
    pub(super) burst: u32,
}

impl Quota {
    /// Full again at every call: a token returns each nanosecond, and no call
    /// takes as little. The burst lasts for the millisecond between two
    /// refills of leaky-bucket, which has no shorter one.
    pub(super) const ALWAYS_FULL: Self = Self::per_second(1_000_000_000, 1_000_000);

    /// In use: it begins with more than a run takes (under 10^8), and gets so
    /// little back that it is never full again.
    pub(super) const IN_USE: Self = Self::per_second(1_000, 1_000_000_000);

    /// Refuses, once its one token is gone, but for one call a minute.
    pub(super) const EMPTY: Self = Self { tokens: 1, period: Duration::from_secs(60), burst: 1 };

    pub(super) const fn per_second(tokens: u32, burst: u32) -> Self {
        Self { tokens, period: Duration::from_secs(1), burst }
    }

    /// How many tokens come back in that time, the last one in part.
    pub(super) fn refill(&self, time: Duration) -> f64 {
        f64::from(self.tokens) * time.as_secs_f64() / self.period.as_secs_f64()
    }

    /// The most that can be granted within a time from the full bucket.
    pub(super) fn ideal(&self, time: Duration) -> f64 {
        f64::from(self.burst) + self.refill(time).floor()
    }

    pub(super) fn of_governor(&self) -> governor::Quota {
        let burst = NonZeroU32::new(self.burst).expect("a burst is not 0");
        governor::Quota::with_period(self.period / self.tokens)
            .expect("a token takes at least a nanosecond")
            .allow_burst(burst)
    }

    /// Begins full, as the others do; its own default is to begin empty. The
    /// refills come at its default interval of 100 ms, or as soon as they make
    /// a whole burst, because what is more is lost. One token at a time would
    /// suit it worse: its timer has steps of 1 ms, and one task took it all.
    pub(super) fn of_leaky_bucket(&self, is_fair: bool) -> leaky_bucket::RateLimiter {
        let one = self.period / self.tokens;
        let step = (one * self.burst).min(Duration::from_millis(100)).max(one);
        let refill = self.refill(step).round() as usize;
        leaky_bucket::RateLimiter::builder()
            .initial(self.burst as usize)
            .max(self.burst as usize)
            .refill(refill)
            .interval(step)
            .fair(is_fair)
            .build()
    }

    pub(super) fn of_ratelimit(&self) -> ratelimit::Ratelimiter {
        ratelimit::Ratelimiter::builder(u64::from(self.tokens))
            .period(self.period)
            .max_tokens(u64::from(self.burst))
            .initial_available(u64::from(self.burst))
            .build()
            .expect("a rate above 0 and a burst of at least its initial tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_is_the_burst_and_whole_tokens_that_came_back() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(Quota::per_second(100, 10).ideal(seconds(3.0)), 310.0);
        assert_eq!(Quota::per_second(50, 1).ideal(seconds(0.019)), 1.0);
        assert_eq!(Quota::per_second(50, 1).ideal(seconds(0.021)), 2.0);
        assert_eq!(Quota::EMPTY.ideal(seconds(61.0)), 2.0);
    }
}
