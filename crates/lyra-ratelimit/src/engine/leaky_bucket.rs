use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Abilities, Ability, Denial, Engine, EngineError, Standing, Taken, Wait};
use crate::error::{RateLimitError, require};
use crate::quota::Quota;
use crate::status::LimitStatus;

/// The shortest lump where tokens do not fall on whole milliseconds: then the
/// rounding makes it slower by a hundredth at most.
const SHORTEST_LUMP: Duration = Duration::from_millis(100);

/// A lump whose time is not known is looked for this often in its interval.
const LOOKS: u32 = 16;

/// The longest step between two such looks.
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// A bucket of the crate [`leaky_bucket`], with all its tokens at the start.
///
/// Only its `try_acquire` is used, under the line of the
/// [`EngineLimiter`](super::EngineLimiter): its own waits block everyone while
/// one of them is not polled. The [crate's documentation](crate#engines) lists
/// what it cannot do.
///
/// ```
/// use lyra_ratelimit::Quota;
/// use lyra_ratelimit::engine::{EngineLimiter, LeakyBucket};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lyra_ratelimit::RateLimitError> {
/// let limiter = EngineLimiter::new(LeakyBucket::new(Quota::per_minute(60).with_burst(1))?)?;
/// limiter.try_acquire().await?;
/// let error = limiter.try_acquire().await.unwrap_err();
/// assert!(error.retry_after().unwrap() <= std::time::Duration::from_secs(1)); // a lower bound
/// # Ok(())
/// # }
/// ```
pub struct LeakyBucket {
    quota: Quota,
    bucket: leaky_bucket::RateLimiter,
    known: Mutex<Known>,
}

/// What the bucket does not tell, as far as it can be seen from outside.
#[derive(Debug)]
struct Known {
    /// Tokens that were used beyond what had been taken.
    debt: u64,
    /// The balance after the last look, and when that was.
    balance: u64,
    looked: Instant,
    /// The next lump does not come before this. A full bucket shows none, so
    /// it may lie in the past.
    next_lump: Instant,
}

impl LeakyBucket {
    /// A full bucket.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if the quota cannot be meant, or is
    /// [strict](Quota::strict), which a bucket can't be.
    #[track_caller]
    pub fn new(quota: Quota) -> Result<Self, RateLimitError> {
        require(!quota.is_strict(), "quota", "a leaky bucket has no strict window", quota)?;
        quota.shape()?;
        let (refill, interval) = lumps(quota);
        let most = size(quota.burst());
        let looked = Instant::now();
        let bucket = leaky_bucket::RateLimiter::builder()
            .max(most)
            .initial(most)
            .refill(size(refill))
            .interval(interval)
            .fair(true)
            .build();
        let balance = quota.burst();
        let next_lump = looked + interval;
        let known = Mutex::new(Known { debt: 0, balance, looked, next_lump });
        Ok(Self { quota, bucket, known })
    }

    /// What there is to know, brought up to date, and debts paid.
    fn look(&self) -> MutexGuard<'_, Known> {
        // The bucket's own code runs under it, and each state between is valid.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // More than it ever holds is never granted, but to ask for it lets the
        // lumps in that are due. Until then `balance` is stale.
        let refused = !self.bucket.try_acquire(usize::MAX);
        debug_assert!(refused, "no bucket holds this much");
        let balance = self.bucket.balance() as u64;
        let came = balance.saturating_sub(known.balance);
        if came > 0 {
            // They came after the last look, so the next one comes an interval
            // after that at the earliest.
            let lumps = u32::try_from(came.div_ceil(self.refill())).unwrap_or(u32::MAX);
            known.next_lump = known.looked + self.bucket.interval().saturating_mul(lumps);
        }
        let paid = known.debt.min(balance);
        if paid > 0 && self.bucket.try_acquire(size(paid)) {
            known.debt -= paid;
        }
        known.looked = now;
        known.balance = self.bucket.balance() as u64;
        known
    }

    fn refill(&self) -> u64 {
        self.bucket.refill().max(1) as u64
    }

    fn denial(&self, known: &Known, ahead: u64, cost: u64) -> Denial {
        let most = self.quota.burst();
        if cost > most {
            return Denial::TooLarge { limit: 0, most };
        }
        let wanted = known.debt.saturating_add(ahead).saturating_add(cost);
        let missing = wanted.saturating_sub(known.balance);
        if missing == 0 {
            return Denial::NotYet(Wait::at_least(Duration::ZERO));
        }
        let interval = self.bucket.interval();
        let lumps = u32::try_from(missing.div_ceil(self.refill())).unwrap_or(u32::MAX);
        let first = known.next_lump.saturating_duration_since(known.looked);
        let least = first.saturating_add(interval.saturating_mul(lumps - 1));
        let step = (interval / LOOKS).clamp(Duration::from_millis(1), LONGEST_STEP);
        // Where its time has come already, the lump may come at any moment.
        let look_again = if first.is_zero() { least.saturating_add(step) } else { least };
        Denial::NotYet(Wait::at_least(least).looking_again_in(look_again))
    }
}

impl Engine for LeakyBucket {
    type Grant = ();

    fn names(&self) -> Vec<Arc<str>> {
        vec!["requests".into()]
    }

    fn abilities(&self) -> Abilities {
        Abilities::ALL
            .without(Ability::ExactWait)
            .without(Ability::EvenRefill)
            .without(Ability::AnyRate)
            .without(Ability::Refund)
            .without(Ability::LiveChange)
            .without(Ability::StrictWindow)
            .without(Ability::SeveralLimits)
            .without(Ability::Learn)
    }

    async fn take(&self, costs: &[u64]) -> Result<Taken<()>, EngineError> {
        let cost = costs.first().copied().unwrap_or_default();
        let mut known = self.look();
        if cost <= known.balance && self.bucket.try_acquire(size(cost)) {
            known.balance -= cost;
            return Ok(Taken::Granted(()));
        }
        Ok(Taken::Denied(self.denial(&known, 0, cost)))
    }

    async fn foresee(&self, ahead: &[u64], costs: &[u64]) -> Result<Denial, EngineError> {
        let first = |costs: &[u64]| costs.first().copied().unwrap_or_default();
        Ok(self.denial(&self.look(), first(ahead), first(costs)))
    }

    async fn settle(&self, (): (), costs: &[u64], used: &[u64]) -> Result<(), EngineError> {
        for (cost, used) in costs.iter().zip(used) {
            let mut known = self.look();
            known.debt = known.debt.saturating_add(used.saturating_sub(*cost));
        }
        Ok(())
    }

    async fn standing(&self) -> Result<Standing, EngineError> {
        let known = self.look();
        let available = known.balance.saturating_sub(known.debt);
        let limit = LimitStatus::new("requests", Some(self.quota), available, self.quota.burst());
        Ok(Standing { limits: vec![limit], held_for: Duration::ZERO })
    }
}

impl fmt::Debug for LeakyBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakyBucket").field("quota", &self.quota).finish_non_exhaustive()
    }
}

/// So many tokens in each interval, which is in whole milliseconds: never more
/// than the quota allows.
fn lumps(quota: Quota) -> (u64, Duration) {
    let (amount, period) = (u128::from(quota.amount()), quota.period().as_nanos());
    let is_whole = period.is_multiple_of(amount * 1_000_000);
    let in_a_lump = (SHORTEST_LUMP.as_nanos() * amount).div_ceil(period);
    // A lump above the burst would not fit.
    let refill = if is_whole { 1 } else { in_a_lump.clamp(1, u128::from(quota.burst())) };
    let millis = (period * refill).div_ceil(amount * 1_000_000).max(1);
    let fits = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    (fits(refill), Duration::from_millis(fits(millis)))
}

fn size(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lumps_are_never_faster_than_the_quota() {
        let ms = Duration::from_millis;
        assert_eq!(lumps(Quota::per_minute(60)), (1, ms(1_000)));
        assert_eq!(lumps(Quota::per_second(1_000)), (1, ms(1)));
        assert_eq!(lumps(Quota::per_second(7)), (1, ms(143)));
        assert_eq!(lumps(Quota::per_second(300)), (30, ms(100)));
        assert_eq!(lumps(Quota::per_second(3_000).with_burst(2)), (2, ms(1)));
        assert_eq!(lumps(Quota::per_second(1_000_000)), (100_000, ms(100)));
    }
}
