//! The generic cell rate algorithm in whole nanoseconds: a bucket is one
//! number, the theoretical arrival time (TAT) at which it will be full again.

mod lows;

use lows::Lows;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    interval: u64,
    burst: u64,
}

/// A bucket at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    rate: Rate,
    tat: u64,
    /// By how much the TAT passes what the burst allows: more was used than
    /// had been asked for, or the burst was made smaller.
    overdraft: u64,
    lows: Lows,
}

impl Rate {
    /// `interval` nanoseconds a token, `burst` tokens. Their product has to
    /// be below 2^55, which [`Quota`](crate::Quota) sees to.
    pub(crate) const fn new(interval: u64, burst: u64) -> Self {
        Self { interval, burst }
    }

    pub(crate) const fn interval(self) -> u64 {
        self.interval
    }

    pub(crate) const fn burst(self) -> u64 {
        self.burst
    }

    /// How far the TAT may lie ahead of the clock: the time in which an empty
    /// bucket fills.
    pub(crate) const fn tolerance(self) -> u64 {
        self.interval * self.burst
    }

    /// The same bucket, filling `percent` as fast.
    pub(crate) fn slowed(self, percent: u64) -> Self {
        let interval = (self.interval.saturating_mul(100)).div_ceil(percent.clamp(1, 100));
        // The fill time keeps below the bound of `new` with the burst given up.
        let most = (1_u64 << 55) / self.burst;
        Self { interval: interval.min(most.max(self.interval)), burst: self.burst }
    }
}

impl Bucket {
    pub(crate) fn new(rate: Rate, tat: u64) -> Self {
        Self { rate, tat, overdraft: 0, lows: Lows::default() }
    }

    pub(crate) const fn rate(&self) -> Rate {
        self.rate
    }

    pub(crate) const fn tat(&self) -> u64 {
        self.tat
    }

    /// Puts in the TAT that others left in the gate.
    pub(crate) const fn set_tat(&mut self, tat: u64) {
        self.tat = tat;
    }

    /// Whether more is taken than it holds.
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.overdraft > 0
    }

    /// When `cost` tokens will be there, if nothing else is taken before.
    pub(crate) fn ready_at(&self, now: u64, cost: u64) -> u64 {
        let full_after = self.tat.max(now).saturating_add(self.price(cost));
        full_after.saturating_sub(self.rate.tolerance()).max(now)
    }

    /// Takes `cost` tokens, also where they are not there, as the charge of
    /// this number.
    pub(crate) fn charge(&mut self, now: u64, charge: u64, cost: u64) {
        self.lows.note(charge, self.tat.saturating_sub(now));
        self.tat = self.tat.max(now).saturating_add(self.price(cost));
        self.overdraft = self.ahead(now);
    }

    /// The same, for what was used already; what takes longer than `longest`
    /// to be paid off is let go.
    pub(crate) fn overdraw(&mut self, now: u64, charge: u64, cost: u64, longest: u64) {
        self.charge(now, charge, cost);
        self.overdraft = self.overdraft.min(longest);
        self.mend(now);
    }

    /// Gives back `cost` tokens of a charge that were not used.
    ///
    /// It is as if they had never been taken. Where the bucket was nearly full
    /// since, some of them would have run over then, and they do not come
    /// back: what is given back late must not come on top of a full burst.
    pub(crate) fn refund(&mut self, charge: u64, cost: u64) {
        let price = self.price(cost);
        let back = self.lows.since(charge).map_or(price, |low| low.min(price));
        self.tat = self.tat.saturating_sub(back);
        self.lows.lower_since(charge, back);
    }

    /// Nobody is left who could give anything back.
    pub(crate) fn forget_charges(&mut self) {
        self.lows.clear();
    }

    /// Leaves at most `tokens` in it.
    pub(crate) fn drain_to(&mut self, now: u64, charge: u64, tokens: u64) {
        let taken = self.rate.burst.saturating_sub(tokens);
        // Where there are fewer already, it stays as it is.
        if taken > 0 {
            // Had less been taken before, more would have been drained.
            let beyond = self.tat.saturating_sub(now.saturating_add(self.price(taken)));
            self.lows.note(charge, beyond);
            self.tat = self.tat.max(now.saturating_add(self.price(taken)));
        }
    }

    /// How many tokens it holds.
    pub(crate) fn available(&self, now: u64) -> u64 {
        let debt = self.tat.saturating_sub(now);
        self.rate.tolerance().saturating_sub(debt) / self.rate.interval
    }

    /// How many tokens are taken, which may be more than it holds.
    pub(crate) fn taken(&self, now: u64) -> u64 {
        self.tat.saturating_sub(now).div_ceil(self.rate.interval)
    }

    /// Another rate from now on. What was taken stays taken, counted in
    /// tokens: a larger burst is there at once, a smaller one is owed.
    pub(crate) fn set_rate(&mut self, now: u64, rate: Rate) {
        let debt = self.tat.saturating_sub(now);
        let scaled = |nanos: u64| {
            let scaled = (u128::from(nanos) * u128::from(rate.interval))
                .div_ceil(u128::from(self.rate.interval));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        if debt > 0 {
            self.tat = now.saturating_add(scaled(debt));
        }
        // Rounded down, since less may come back by it, and not more.
        let old = self.rate.interval;
        self.lows.scale(|nanos| {
            let scaled = u128::from(nanos) * u128::from(rate.interval) / u128::from(old);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        });
        self.rate = rate;
        // A smaller burst can leave more taken than it holds.
        self.overdraft = self.ahead(now);
    }

    /// Forgets a TAT that only a clock which was set back can have left: it
    /// lies further ahead than all that can have been taken. The bucket is
    /// empty then, and nobody waits for the lost time.
    pub(crate) fn mend(&mut self, now: u64) {
        let furthest = now.saturating_add(self.rate.tolerance()).saturating_add(self.overdraft);
        self.tat = self.tat.min(furthest);
        self.overdraft = self.ahead(now);
    }

    fn ahead(&self, now: u64) -> u64 {
        self.tat.saturating_sub(now.saturating_add(self.rate.tolerance()))
    }

    fn price(&self, cost: u64) -> u64 {
        self.rate.interval.saturating_mul(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(10, 5);

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_an_interval() {
        let mut bucket = Bucket::new(RATE, 0);
        assert_eq!(bucket.available(100), 5);
        assert_eq!(bucket.ready_at(100, 5), 100);
        bucket.charge(100, 1, 5);
        assert_eq!(bucket.available(100), 0);
        assert_eq!(bucket.ready_at(100, 1), 110);
        assert_eq!(bucket.ready_at(100, 5), 150);
        assert_eq!(bucket.available(129), 2);
    }

    #[test]
    fn what_is_given_back_is_there_again_and_never_more_than_the_burst() {
        let mut bucket = Bucket::new(RATE, 0);
        bucket.charge(100, 1, 4);
        bucket.refund(1, 3);
        assert_eq!(bucket.available(100), 4);
        bucket.refund(1, 5);
        assert_eq!(bucket.available(100), 5);
    }

    #[test]
    fn what_comes_back_after_the_bucket_was_full_does_not_come_on_top() {
        let mut bucket = Bucket::new(RATE, 0);
        bucket.charge(100, 1, 5);
        bucket.charge(140, 2, 4); // nearly full again: one is still taken
        bucket.refund(1, 5);
        assert_eq!(bucket.available(140), 1);
        bucket.refund(2, 4);
        assert_eq!(bucket.available(140), 5);
    }

    #[test]
    fn an_overdraft_is_paid_off_and_then_forgotten() {
        let mut bucket = Bucket::new(RATE, 0);
        bucket.overdraw(100, 1, 1_000, 70);
        assert_eq!(bucket.ready_at(100, 1), 180, "70 and the one, not 9,960");
        bucket.mend(300);
        assert!(!bucket.is_overdrawn());
        bucket.mend(200);
        assert_eq!(bucket.ready_at(200, 1), 200, "nothing is left of it");
    }

    #[test]
    fn taken_tokens_stay_taken_when_the_rate_changes() {
        let mut bucket = Bucket::new(RATE, 0);
        bucket.charge(100, 1, 3);
        bucket.set_rate(100, Rate::new(1_000, 10));
        assert_eq!(bucket.available(100), 7);
        bucket.set_rate(100, Rate::new(10, 2));
        assert_eq!(bucket.ready_at(100, 1), 120, "one is owed, and one is asked for");
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_full_burst_at_most() {
        let mut bucket = Bucket::new(RATE, 0);
        bucket.charge(1_000_000, 1, 2);
        bucket.mend(100);
        assert_eq!(bucket.ready_at(100, 1), 110);
    }

    #[test]
    fn an_overdraft_is_not_taken_for_a_clock_that_was_set_back() {
        let mut bucket = Bucket::new(RATE, 0);
        bucket.charge(100, 1, 12);
        bucket.mend(100);
        assert_eq!(bucket.ready_at(100, 1), 180);
    }

    #[test]
    fn a_slowed_bucket_keeps_its_burst() {
        assert_eq!(RATE.slowed(50), Rate::new(20, 5));
        assert_eq!(RATE.slowed(100), RATE);
        let huge = Rate::new(1 << 45, 1 << 9);
        assert!(huge.slowed(1).tolerance() <= 1 << 55);
    }
}
