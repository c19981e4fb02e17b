//! The fast way in: a bucket in one atomic word, open while nobody waits.
//!
//! The word holds the bucket's TAT, a count of grants, and a bit that shuts
//! the gate. While it is shut, only who holds the lock of the line changes the
//! word; so the line can take the TAT out, decide, and put it back.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::gcra::{Bucket, Rate};

const SHUT: u64 = 1;

/// Six bits count grants. A counter of its own would be a second atomic
/// operation a grant, which was measured to cost a fifth of the whole; this
/// way it is one in 64.
const COUNT_SHIFT: u32 = 1;
const COUNT_BITS: u32 = 6;
const COUNT_MASK: u64 = ((1 << COUNT_BITS) - 1) << COUNT_SHIFT;
const COUNT_ONE: u64 = 1 << COUNT_SHIFT;
const COUNT_FULL: u64 = 1 << COUNT_BITS;

/// The rest is the TAT, in nanoseconds since the gate's own epoch: 57 bits,
/// four and a half years.
const TAT_SHIFT: u32 = COUNT_SHIFT + COUNT_BITS;

/// From here on the epoch is moved up. It leaves 1.1 years for the fill time
/// of a bucket, whose bound it is, and as much again for an overdraft.
const LATE: u64 = 1 << 56;
const LAST: u64 = (1 << (64 - TAT_SHIFT)) - 1;

/// How far behind the clock a new epoch lies, so that a clock which is set
/// back a little is still ahead of it.
const BEHIND: u64 = 1 << 50;

pub(crate) struct Gate {
    word: AtomicU64,
    interval: AtomicU64,
    tolerance: AtomicU64,
    epoch: AtomicU64,
    /// Grants that were counted in the word before.
    counted: AtomicU64,
    /// How many of those were none.
    uncounted: AtomicU64,
}

/// Why there was no quick grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Ask the line.
    AskTheLine,
    /// Not before this many nanoseconds have passed.
    NotYet(u64),
}

impl Gate {
    /// A gate that is shut until the line opens it.
    pub(crate) const fn new() -> Self {
        Self {
            word: AtomicU64::new(SHUT),
            interval: AtomicU64::new(0),
            tolerance: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
        }
    }

    /// Takes `cost` tokens, which is not zero, if they are there and nobody
    /// waits.
    ///
    /// The rate is read between the word and its exchange. Whoever changes it
    /// shuts the gate before, and leaves another word behind. So a rate that
    /// is not that of the word, or a mixture of old and new, makes the exchange
    /// fail, or the look that confirms a refusal; unless 64 grants or changes
    /// of rate, or a multiple of it, lead to the same nanosecond meanwhile.
    #[inline]
    pub(crate) fn try_take(&self, clock: u64, cost: u64) -> Result<(), Closed> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & SHUT != 0 {
                return Err(Closed::AskTheLine);
            }
            let interval = self.interval.load(Ordering::Acquire);
            let tolerance = self.tolerance.load(Ordering::Acquire);
            let now = clock.saturating_sub(self.epoch.load(Ordering::Acquire));
            let price = match interval.checked_mul(cost) {
                Some(price) if price <= tolerance && now < LATE => price,
                _ => return Err(Closed::AskTheLine),
            };
            let full_at = (word >> TAT_SHIFT).max(now) + price;
            if full_at - now > tolerance {
                let wait = full_at - now - tolerance;
                // No grant leaves more than the tolerance behind, so a wait
                // beyond the price comes from an overdraft, or from a clock
                // that was set back.
                if wait > price || self.word.load(Ordering::Acquire) != word {
                    return Err(Closed::AskTheLine);
                }
                return Err(Closed::NotYet(wait));
            }
            let counted = (word + COUNT_ONE) & COUNT_MASK;
            let next = (full_at << TAT_SHIFT) | counted;
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    if counted == 0 {
                        self.counted.fetch_add(COUNT_FULL, Ordering::Relaxed);
                    }
                    return Ok(());
                }
                Err(changed) => word = changed,
            }
        }
    }

    /// Shuts the gate for whoever holds the line's lock, and gives the TAT on
    /// the clock's own scale.
    pub(crate) fn shut(&self) -> u64 {
        let word = self.word.fetch_or(SHUT, Ordering::AcqRel);
        (word >> TAT_SHIFT).saturating_add(self.epoch.load(Ordering::Relaxed))
    }

    /// Puts back what the line made of the bucket, and opens the gate unless
    /// it is to stay shut.
    pub(crate) fn put_back(&self, now: u64, bucket: &Bucket, stays_shut: bool) {
        let mut word = self.word.load(Ordering::Relaxed);
        if self.set_rate(bucket.rate()) {
            word = self.differ(word);
        }
        let epoch = self.epoch_for(now);
        let tat = bucket.tat().saturating_sub(epoch).min(LAST);
        let count = word & COUNT_MASK;
        let shut = if stays_shut { SHUT } else { 0 };
        self.word.store((tat << TAT_SHIFT) | count | shut, Ordering::Release);
    }

    /// How many were granted here. While another thread is between its 64th
    /// grant and the sum, that many are missing.
    pub(crate) fn granted(&self) -> u64 {
        let count = (self.word.load(Ordering::Acquire) & COUNT_MASK) >> COUNT_SHIFT;
        let all = self.counted.load(Ordering::Acquire) + count;
        all.saturating_sub(self.uncounted.load(Ordering::Relaxed))
    }

    /// Whether it is another one.
    fn set_rate(&self, rate: Rate) -> bool {
        let put = |into: &AtomicU64, value: u64| {
            let is_new = into.load(Ordering::Relaxed) != value;
            if is_new {
                into.store(value, Ordering::Release);
            }
            is_new
        };
        put(&self.interval, rate.interval()) | put(&self.tolerance, rate.tolerance())
    }

    /// Counts one grant that is none, so that the word differs from any that
    /// was read together with another rate, also where the TAT is the same.
    fn differ(&self, word: u64) -> u64 {
        self.uncounted.fetch_add(1, Ordering::Relaxed);
        let counted = (word + COUNT_ONE) & COUNT_MASK;
        if counted == 0 {
            self.counted.fetch_add(COUNT_FULL, Ordering::Relaxed);
        }
        (word & !COUNT_MASK) | counted
    }

    fn epoch_for(&self, now: u64) -> u64 {
        let epoch = self.epoch.load(Ordering::Relaxed);
        if now.saturating_sub(epoch) < LATE && now >= epoch {
            return epoch;
        }
        let moved = now.saturating_sub(BEHIND);
        self.epoch.store(moved, Ordering::Release);
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(interval: u64, burst: u64, now: u64) -> Gate {
        let gate = Gate::new();
        gate.put_back(now, &Bucket::new(Rate::new(interval, burst), 0), false);
        gate
    }

    #[test]
    fn it_grants_the_burst_and_then_tells_the_wait() {
        let gate = open(10, 3, 1_000);
        for _ in 0..3 {
            assert_eq!(gate.try_take(1_000, 1), Ok(()));
        }
        assert_eq!(gate.try_take(1_003, 1), Err(Closed::NotYet(7)));
        assert_eq!(gate.try_take(1_010, 1), Ok(()));
        assert_eq!(gate.granted(), 4);
    }

    #[test]
    fn every_grant_is_counted_beyond_what_the_word_holds() {
        let gate = open(1, 1_000, 0);
        for _ in 0..200 {
            assert_eq!(gate.try_take(0, 1), Ok(()));
        }
        assert_eq!(gate.granted(), 200);
    }

    #[test]
    fn a_shut_gate_grants_nothing_and_keeps_its_bucket() {
        let gate = open(10, 3, 0);
        assert_eq!(gate.try_take(0, 2), Ok(()));
        assert_eq!(gate.shut(), 20);
        assert_eq!(gate.try_take(0, 1), Err(Closed::AskTheLine));
    }

    #[test]
    fn it_works_on_after_years() {
        const YEAR: u64 = 365 * 24 * 3_600 * 1_000_000_000;
        let gate = open(YEAR / 4, 4, 0);
        let mut bucket = Bucket::new(Rate::new(YEAR / 4, 4), 0);
        for year in 1..40 {
            let now = year * YEAR;
            for _ in 0..4 {
                if gate.try_take(now, 1) == Err(Closed::AskTheLine) {
                    bucket.set_tat(gate.shut());
                    gate.put_back(now, &bucket, false);
                    assert_eq!(gate.try_take(now, 1), Ok(()), "year {year}");
                }
            }
            assert!(gate.try_take(now, 1).is_err(), "year {year}");
        }
    }
}
