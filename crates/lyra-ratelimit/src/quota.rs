use std::fmt;
use std::time::Duration;

use crate::error::{RateLimitError, require};
use crate::gcra::Rate;

/// The longest period, and the longest time that a bucket may take to fill:
/// a year and a month. Times of a bucket are counted in 57 bits of
/// nanoseconds, and this leaves room for three more years beside it.
pub(crate) const LONGEST: Duration = Duration::from_secs(396 * 24 * 60 * 60);

/// The most that a strict quota may grant in a window, since it remembers each
/// grant: 16 bytes of memory for each.
const MOST_IN_A_WINDOW: u64 = 1_000_000;

/// How often: so many in a period, and how many of them at once.
///
/// There are two kinds. A **bucket** (the default) holds up to
/// [burst](Self::with_burst) tokens and fills evenly: `per_minute(60)` gets
/// one every second. After a quiet time a whole burst can pass at once, and
/// the even stream beside it, so a minute can see up to burst + 60. A
/// [**strict**](Self::strict) quota never grants more than its amount in any
/// window of its period, wherever one lays it.
///
/// A quota is a plain value; what it says is checked where it is used.
///
/// | setting | default | limits |
/// |---|---|---|
/// | amount | | at least 1; a strict one at most 1,000,000 |
/// | period | | over zero, at most 396 days |
/// | burst | the amount | at least 1; it fills within 396 days |
///
/// A bucket counts in whole nanoseconds a token, rounded up: never faster than
/// it was told, and at a million a second slower by at most 0.1 %.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::Quota;
///
/// let polite = Quota::every(Duration::from_secs(3)); // one request in three seconds
/// let steady = Quota::per_minute(60).with_burst(10);
/// let contract = Quota::new(2_000, Duration::from_secs(31 * 86_400)).strict();
/// assert_eq!(polite.to_string(), "1 per 3s, burst 1");
/// assert_eq!(steady.to_string(), "60 per minute, burst 10");
/// assert_eq!(contract.to_string(), "at most 2000 in any 31 days");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    amount: u64,
    period: Duration,
    burst: Option<u64>,
    strict: bool,
}

/// A quota that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A bucket that fills evenly.
    Bucket(Rate),
    /// At most so many in any window of so many nanoseconds.
    Window { most: u64, window: u64 },
}

impl Quota {
    /// `amount` in each `period`.
    #[must_use]
    pub const fn new(amount: u64, period: Duration) -> Self {
        Self { amount, period, burst: None, strict: false }
    }

    /// One in each `period`, and never two at once.
    #[must_use]
    pub const fn every(period: Duration) -> Self {
        Self::new(1, period)
    }

    /// `amount` a second.
    #[must_use]
    pub const fn per_second(amount: u64) -> Self {
        Self::new(amount, Duration::from_secs(1))
    }

    /// `amount` a minute.
    #[must_use]
    pub const fn per_minute(amount: u64) -> Self {
        Self::new(amount, Duration::from_secs(60))
    }

    /// `amount` an hour.
    #[must_use]
    pub const fn per_hour(amount: u64) -> Self {
        Self::new(amount, Duration::from_secs(60 * 60))
    }

    /// `amount` a day of 24 hours.
    #[must_use]
    pub const fn per_day(amount: u64) -> Self {
        Self::new(amount, Duration::from_secs(24 * 60 * 60))
    }

    /// How many tokens the bucket holds: the most that can pass at once after
    /// a quiet time. The default is the amount.
    #[must_use]
    pub const fn with_burst(mut self, burst: u64) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Never more than the amount in *any* window of the period. It remembers
    /// each grant of the last period, and has no burst of its own.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// How many in a period.
    #[must_use]
    pub const fn amount(self) -> u64 {
        self.amount
    }

    /// The period.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }

    /// The most that can be granted at once, and so the largest cost of one
    /// call: the burst of a bucket, the amount of a strict quota.
    #[must_use]
    pub const fn burst(self) -> u64 {
        match self.burst {
            Some(burst) => burst,
            None => self.amount,
        }
    }

    /// Whether it holds for any window of the period.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        self.strict
    }

    /// What it comes to, if it can be meant.
    #[track_caller]
    pub(crate) fn shape(self) -> Result<Shape, RateLimitError> {
        let Self { amount, period, burst, strict } = self;
        require(amount >= 1, "amount", "it has to be at least 1", amount)?;
        require(!period.is_zero(), "period", "it has to be longer than zero", period)?;
        require(period <= LONGEST, "period", "it may be 396 days at most", period)?;
        // It fits: the longest period is below 2^55 nanoseconds.
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        if strict {
            require(burst.is_none(), "burst", "a strict quota has none", burst)?;
            let reason = "a strict quota may grant 1,000,000 in a window at most";
            require(amount <= MOST_IN_A_WINDOW, "amount", reason, amount)?;
            return Ok(Shape::Window { most: amount, window: period });
        }
        require(amount <= period, "amount", "more than one in a nanosecond", amount)?;
        let burst = burst.unwrap_or(amount);
        require(burst >= 1, "burst", "it has to be at least 1", burst)?;
        let interval = period.div_ceil(amount);
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        // A rounded interval may make the amount last a little longer than
        // the period; the default burst must not fail on that.
        const ROUNDING: u64 = 1_000_000_000;
        let fits = interval.checked_mul(burst).is_some_and(|fill| fill <= longest + ROUNDING);
        require(fits, "burst", "it would take more than 396 days to fill", burst)?;
        Ok(Shape::Bucket(Rate::new(interval, burst)))
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, period, strict, .. } = *self;
        let period = match period.as_secs() {
            _ if period.subsec_nanos() > 0 => format!("{period:?}"),
            1 => "second".into(),
            60 => "minute".into(),
            3_600 => "hour".into(),
            86_400 => "day".into(),
            days if days % 86_400 == 0 => format!("{} days", days / 86_400),
            _ => format!("{period:?}"),
        };
        match strict {
            true => write!(f, "at most {amount} in any {period}"),
            false => write!(f, "{amount} per {period}, burst {}", self.burst()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

    use super::*;

    fn bucket(quota: Quota) -> Rate {
        match quota.shape().unwrap() {
            Shape::Bucket(rate) => rate,
            Shape::Window { .. } => panic!("{quota} is a bucket"),
        }
    }

    #[test]
    fn an_interval_is_rounded_up_so_that_nothing_is_oversold() {
        assert_eq!(bucket(Quota::per_minute(60)).interval(), 1_000_000_000);
        assert_eq!(bucket(Quota::per_second(7)).interval(), 142_857_143);
        assert_eq!(bucket(Quota::per_second(1_000_000_000)).interval(), 1);
    }

    #[test]
    fn the_burst_is_the_amount_unless_it_is_said() {
        assert_eq!(bucket(Quota::per_minute(60)).burst(), 60);
        assert_eq!(bucket(Quota::per_minute(60).with_burst(10)).burst(), 10);
        assert_eq!(bucket(Quota::every(Duration::from_secs(3))).burst(), 1);
    }

    #[test]
    fn the_longest_period_takes_the_default_burst() {
        let longest = Quota::new(7, LONGEST);
        assert_eq!(bucket(longest).burst(), 7);
        assert!(longest.with_burst(8).shape().is_err());
        assert!(Quota::new(1 << 54, LONGEST).with_burst(1 << 55).shape().is_err());
        assert!(Quota::new(1, LONGEST + Duration::from_nanos(1)).shape().is_err());
    }
}
