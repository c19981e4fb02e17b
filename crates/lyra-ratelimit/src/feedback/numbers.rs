use std::time::Duration;

use super::Feedback;
use super::limit::LimitUnit;
use super::until::Until;

/// What headers say of one limit; parts of it until all of them are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) unit: Option<LimitUnit>,
    pub(super) limit: Option<u64>,
    pub(super) window: Option<Duration>,
    pub(super) remaining: Option<u64>,
    pub(super) reset: Until,
}

impl Numbers {
    /// A limit and the seconds that it is for. A window of zero is none.
    pub(super) fn quota(limit: Option<u64>, window: Option<u64>) -> Self {
        let window = window.filter(|seconds| limit.is_some() && *seconds > 0);
        let window = window.map(|seconds| Duration::from_secs(seconds).min(Feedback::MAX_WINDOW));
        Self { limit, window, ..Self::default() }
    }

    /// What is left, and the seconds until there is more.
    pub(super) fn left(remaining: Option<u64>, reset: Option<u64>) -> Self {
        let reset = reset.map(|seconds| Until::delay(Duration::from_secs(seconds)));
        Self { remaining, reset: reset.unwrap_or_default(), ..Self::default() }
    }

    /// Of each number the stricter.
    ///
    /// Each is the least of an order, so that it doesn't matter in which order
    /// they come. A window stays with its limit: ten a second and a thousand an
    /// hour are not ten an hour.
    pub(super) fn tighten(&mut self, other: &Self) {
        self.unit = match (self.unit, other.unit) {
            (Some(mine), Some(other)) if mine != other => Some(LimitUnit::Other),
            (mine, other) => mine.or(other),
        };
        match fewer(self.limit, other.limit) {
            Fewer::Same => self.window = self.window.max(other.window),
            Fewer::Other => (self.limit, self.window) = (other.limit, other.window),
            Fewer::Mine => {}
        }
        if let Fewer::Other = fewer(self.remaining, other.remaining) {
            self.remaining = other.remaining;
        }
        self.reset = self.reset.or_later(other.reset);
    }
}

enum Fewer {
    Mine,
    Other,
    Same,
}

/// Which of two numbers is the smaller; one that is missing is not.
fn fewer(mine: Option<u64>, other: Option<u64>) -> Fewer {
    match (mine, other) {
        (None, Some(_)) => Fewer::Other,
        (Some(mine), Some(other)) if other < mine => Fewer::Other,
        (mine, other) if mine == other => Fewer::Same,
        _ => Fewer::Mine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Both ways round, which have to come to the same.
    fn tightest(one: Numbers, other: Numbers) -> Numbers {
        let (mut forth, mut back) = (one, other);
        forth.tighten(&other);
        back.tighten(&one);
        assert_eq!(forth, back);
        forth
    }

    #[test]
    fn the_smaller_limit_holds_with_its_window() {
        let second = Numbers::quota(Some(10), Some(1));
        let hour = Numbers::quota(Some(1_000), Some(3_600));
        assert_eq!(tightest(second, hour), second);
        assert_eq!(tightest(Numbers::quota(Some(10), None), second), second);
        assert_eq!(tightest(Numbers::quota(Some(10), Some(9)), second).window, Some(secs(9)));
        assert_eq!(tightest(Numbers::default(), hour), hour);
        assert_eq!(tightest(Numbers::quota(Some(9), None), second).window, None);
    }

    #[test]
    fn the_fewest_remaining_and_the_latest_reset_hold() {
        let both = tightest(Numbers::left(Some(3), Some(1)), Numbers::left(Some(5), Some(60)));
        assert_eq!((both.remaining, both.reset.after(secs(0))), (Some(3), Some(secs(60))));
        let zero = tightest(Numbers::left(Some(0), None), Numbers::left(None, Some(2)));
        assert_eq!((zero.remaining, zero.reset.after(secs(0))), (Some(0), Some(secs(2))));
    }

    #[test]
    fn a_unit_that_is_contradicted_is_unknown() {
        let of = |unit| Numbers { unit, ..Numbers::default() };
        let tokens = of(Some(LimitUnit::Tokens));
        assert_eq!(tightest(tokens, tokens), tokens);
        assert_eq!(tightest(tokens, of(None)), tokens);
        let both = tightest(tokens, of(Some(LimitUnit::Requests)));
        assert_eq!(both.unit, Some(LimitUnit::Other));
    }

    #[test]
    fn a_window_is_neither_zero_nor_without_a_limit_nor_endless() {
        assert_eq!(Numbers::quota(Some(1), Some(0)).window, None);
        assert_eq!(Numbers::quota(None, Some(60)), Numbers::default());
        let endless = Numbers::quota(Some(1), Some(u64::MAX));
        assert_eq!(endless.window, Some(Feedback::MAX_WINDOW));
    }
}
