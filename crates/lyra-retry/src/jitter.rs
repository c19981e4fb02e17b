/// How a delay is spread at random, so that callers who failed together do
/// not come back together. None of them ever passes the cap.
///
/// `d` is the delay of the exponential schedule, already capped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// Exactly `d`.
    None,
    /// Anywhere from nothing to `d`: spreads best, and is the default.
    #[default]
    Full,
    /// From half of `d` to `d`: keeps a shortest wait.
    Equal,
    /// From the base delay to three times the previous delay, capped; the
    /// factor plays no part.
    Decorrelated,
}

impl Jitter {
    /// The delay in nanoseconds that the random number `draw` makes of `raw`.
    pub(crate) fn apply(self, draw: u64, raw: u64, base: u64, previous: u64, cap: u64) -> u64 {
        match self {
            Self::None => raw,
            Self::Full => within(draw, 0, raw),
            Self::Equal => within(draw, raw.div_ceil(2), raw),
            Self::Decorrelated => within(draw, base, previous.saturating_mul(3)).min(cap),
        }
    }

    /// The shortest and the longest delay for `raw`, at the `attempt`-th
    /// failure.
    pub(crate) fn bounds(self, raw: u64, base: u64, cap: u64, attempt: u32) -> (u64, u64) {
        match self {
            Self::None => (raw, raw),
            Self::Full => (0, raw),
            Self::Equal => (raw.div_ceil(2), raw),
            Self::Decorrelated => {
                (base, base.saturating_mul(3u64.saturating_pow(attempt)).min(cap))
            }
        }
    }
}

/// A number from `low` to `high`, both included.
fn within(draw: u64, low: u64, high: u64) -> u64 {
    let numbers = u128::from(high.saturating_sub(low)) + 1;
    // Below `numbers`, which is at most 2^64, so the sum is at most `high`.
    let offset = (u128::from(draw) * numbers) >> u64::BITS;
    low.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Jitter; 4] = [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated];

    #[test]
    fn a_draw_reaches_both_ends_and_no_further() {
        assert_eq!(within(0, 3, 10), 3);
        assert_eq!(within(u64::MAX, 3, 10), 10);
        assert_eq!(within(u64::MAX, 0, u64::MAX), u64::MAX);
        assert_eq!(within(u64::MAX / 2, 7, 7), 7);
    }

    #[test]
    fn every_delay_lies_within_its_bounds() {
        let (base, cap) = (1_000, 60_000);
        for jitter in ALL {
            for (raw, previous, attempt) in [(1_000, 1_000, 1), (4_000, 9_000, 3)] {
                let (low, high) = jitter.bounds(raw, base, cap, attempt);
                for draw in [0, 1, u64::MAX / 3, u64::MAX - 1, u64::MAX] {
                    let delay = jitter.apply(draw, raw, base, previous, cap);
                    assert!((low..=high).contains(&delay), "{jitter:?} {draw} {delay}");
                }
            }
        }
    }

    #[test]
    fn nothing_overflows_at_the_largest_numbers() {
        for jitter in ALL {
            for draw in [0, u64::MAX] {
                let delay = jitter.apply(draw, u64::MAX, u64::MAX, u64::MAX, u64::MAX);
                assert!(delay == u64::MAX || jitter != Jitter::None);
            }
            let (_, high) = jitter.bounds(u64::MAX, u64::MAX, u64::MAX, u32::MAX);
            assert_eq!(high, u64::MAX);
        }
    }
}
