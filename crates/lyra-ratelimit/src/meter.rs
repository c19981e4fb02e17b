//! What is counted: tokens of a bucket, grants of a window, or slots in use.

use crate::gcra::Bucket;
use crate::quota::Shape;
use crate::waiter::Stamp;
use crate::window::Window;

/// One thing that is counted.
#[derive(Debug, Clone)]
pub(crate) enum Meter {
    Bucket(Bucket),
    Window(Window),
    Slots { most: u64, in_use: u64 },
}

/// When a cost will fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Not before.
    pub(crate) at: u64,
    /// Whether it is then for sure; slots come free when their holders want.
    pub(crate) sure: bool,
}

impl Meter {
    pub(crate) fn new(shape: Shape) -> Self {
        match shape {
            // A TAT of zero is long ago for any clock: the bucket is full.
            Shape::Bucket(rate) => Self::Bucket(Bucket::new(rate, 0)),
            Shape::Window { most, window } => Self::Window(Window::new(most, window)),
        }
    }

    /// The largest cost that can ever be granted.
    pub(crate) const fn largest(&self) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.rate().burst(),
            Self::Window(window) => window.most(),
            Self::Slots { most, .. } => *most,
        }
    }

    pub(crate) fn ready_at(&self, now: u64, cost: u64) -> Ready {
        let (at, sure) = match self {
            _ if cost == 0 => (now, true),
            Self::Bucket(bucket) => (bucket.ready_at(now, cost), true),
            Self::Window(window) => (window.ready_at(now, cost), true),
            Self::Slots { most, in_use } => (now, in_use.saturating_add(cost) <= *most),
        };
        Ready { at, sure }
    }

    pub(crate) fn available(&self, now: u64) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.available(now),
            Self::Window(window) => window.available(now),
            Self::Slots { most, in_use } => most.saturating_sub(*in_use),
        }
    }

    pub(crate) fn charge(&mut self, now: u64, charge: u64, cost: u64) {
        match self {
            _ if cost == 0 => {}
            Self::Bucket(bucket) => bucket.charge(now, charge, cost),
            Self::Window(window) => window.charge(now, cost),
            Self::Slots { in_use, .. } => *in_use = in_use.saturating_add(cost),
        }
    }

    /// How much is taken, which may be more than there ever is.
    pub(crate) fn taken(&self, now: u64) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.taken(now),
            Self::Window(window) => window.taken(now),
            Self::Slots { in_use, .. } => *in_use,
        }
    }

    /// Charges what was used already; what takes longer than `longest` to be
    /// paid off is let go.
    pub(crate) fn overdraw(&mut self, now: u64, charge: u64, cost: u64, longest: u64) {
        match self {
            _ if cost == 0 => {}
            Self::Bucket(bucket) => bucket.overdraw(now, charge, cost, longest),
            Self::Window(window) => window.charge(now, cost.min(window.most())),
            Self::Slots { .. } => self.charge(now, charge, cost),
        }
    }

    /// Takes back a charge.
    pub(crate) fn refund(&mut self, stamp: Stamp, cost: u64) {
        match self {
            _ if cost == 0 => {}
            Self::Bucket(bucket) => bucket.refund(stamp.charge, cost),
            Self::Window(window) => window.refund(stamp.at, cost),
            Self::Slots { in_use, .. } => *in_use = in_use.saturating_sub(cost),
        }
    }

    /// Nobody is left who could give anything back.
    pub(crate) fn forget_charges(&mut self) {
        if let Self::Bucket(bucket) = self {
            bucket.forget_charges();
        }
    }

    /// Leaves at most `left` of it.
    pub(crate) fn drain_to(&mut self, now: u64, charge: u64, left: u64) {
        match self {
            Self::Bucket(bucket) => bucket.drain_to(now, charge, left),
            Self::Window(window) => {
                let surplus = window.available(now).saturating_sub(left);
                window.charge(now, surplus);
            }
            // What a service counts are not our slots.
            Self::Slots { .. } => {}
        }
    }

    pub(crate) fn mend(&mut self, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.mend(now),
            Self::Window(window) => {
                window.mend(now);
                window.forget(now);
            }
            Self::Slots { .. } => {}
        }
    }

    /// Another quota; what was taken stays taken.
    pub(crate) fn reshape(&mut self, now: u64, charge: u64, shape: Shape) {
        match (&mut *self, shape) {
            (Self::Bucket(bucket), Shape::Bucket(rate)) => bucket.set_rate(now, rate),
            (Self::Window(kept), Shape::Window { most, window }) => kept.set(most, window),
            // From one kind to the other only the sum can be kept, as if all
            // of it had been taken now.
            (old, shape) => {
                let taken = old.taken(now);
                *self = Self::new(shape);
                // What was reserved before does not come back: nobody knows
                // how much of it would still be taken.
                self.charge(now, charge, taken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

    use super::*;
    use crate::Quota;

    #[test]
    fn what_was_taken_stays_taken_when_the_kind_changes() {
        let mut meter = Meter::new(Quota::per_minute(10).shape().unwrap());
        meter.charge(0, 1, 4);
        meter.reshape(0, 2, Quota::per_minute(10).strict().shape().unwrap());
        assert_eq!(meter.available(0), 6);
        meter.reshape(0, 2, Quota::per_minute(5).shape().unwrap());
        assert_eq!(meter.available(0), 1);
        meter.overdraw(0, 1, 11, u64::MAX);
        for quota in [Quota::per_minute(5).strict(), Quota::per_minute(5)] {
            meter.reshape(0, 2, quota.shape().unwrap());
            assert_eq!(meter.taken(0), 15, "what is owed is owed under {quota}");
        }
    }
}
