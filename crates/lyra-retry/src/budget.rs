use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{PolicyError, require};

/// What one retry costs; a call pays in as many of these as the budget has
/// per cent.
const RETRY: u64 = 100;

/// How many retries all calls together may make: a share of the calls, so
/// that retries cannot bury a service that is in trouble.
///
/// Each first attempt pays in a tenth of a retry, and each retry takes out a
/// whole one. Over any number of calls there are then at most 1.1 times as
/// many attempts. Clones share one balance.
///
/// A new budget is empty, so the first ten calls of a program pay in before
/// one can be retried; [`with_reserve`](RetryBudgetBuilder::with_reserve)
/// gives it something to begin with, on top of that share.
///
/// ```
/// use lyra_retry::{RetryBudget, RetryPolicy};
///
/// let budget = RetryBudget::new();
/// let policy = RetryPolicy::exponential().with_budget(budget.clone()).build()?;
/// for _ in 0..25 {
///     let _ = policy.run_blocking(|| Ok::<_, lyra_errors::Error>(()));
/// }
/// assert_eq!(budget.available(), 2);
/// # Ok::<(), lyra_retry::PolicyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RetryBudget(Arc<Account>);

#[derive(Debug)]
struct Account {
    balance: AtomicU64,
    per_call: u64,
    capacity: u64,
}

impl RetryBudget {
    /// A tenth of the calls, of which 10 retries can be saved up.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build().expect("the defaults are valid; a test builds them")
    }

    /// A builder; it lists its defaults.
    pub fn builder() -> RetryBudgetBuilder {
        RetryBudgetBuilder::default()
    }

    /// How many retries could be made now.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.0.balance.load(Ordering::Relaxed) / RETRY
    }

    pub(crate) fn deposit(&self) {
        self.pay_in(self.0.per_call);
    }

    /// Takes one retry out; handed back unless it is spent.
    pub(crate) fn try_withdraw(&self) -> Option<Withdrawal> {
        // The balance guards nothing but itself, so no ordering is needed.
        self.0
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                balance.checked_sub(RETRY)
            })
            .ok()
            .map(|_| Withdrawal(Some(self.clone())))
    }

    fn pay_in(&self, amount: u64) {
        let Account { balance, capacity, .. } = &*self.0;
        let paid_in = |balance: u64| Some(balance.saturating_add(amount).min(*capacity));
        // It never refuses.
        let _ = balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid_in);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// A retry that was taken out of a budget, and is handed back when the wait
/// for it is cancelled.
#[derive(Debug)]
pub(crate) struct Withdrawal(Option<RetryBudget>);

impl Withdrawal {
    pub(crate) fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.pay_in(RETRY);
        }
    }
}

/// Builds a [`RetryBudget`]; checked by [`build`](Self::build).
///
/// | setting | default |
/// |---|---|
/// | `percent` | 10 |
/// | `capacity` | 10 retries |
/// | `reserve` | none |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct RetryBudgetBuilder {
    percent: u32,
    capacity: u32,
    reserve: u32,
}

impl Default for RetryBudgetBuilder {
    fn default() -> Self {
        Self { percent: 10, capacity: 10, reserve: 0 }
    }
}

impl RetryBudgetBuilder {
    /// How many retries 100 calls pay in: 1 to 100.
    pub fn with_percent(mut self, percent: u32) -> Self {
        self.percent = percent;
        self
    }

    /// How many retries can be saved up while all is well, and so be made at
    /// once when it no longer is.
    pub fn with_capacity(mut self, capacity: u32) -> Self {
        self.capacity = capacity;
        self
    }

    /// How many retries it begins with.
    pub fn with_reserve(mut self, reserve: u32) -> Self {
        self.reserve = reserve;
        self
    }

    /// The budget.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] when the share is not 1 to 100 per cent, the capacity
    /// is zero, or the reserve is above it.
    #[track_caller]
    pub fn build(self) -> Result<RetryBudget, PolicyError> {
        let Self { percent, capacity, reserve } = self;
        require((1..=100).contains(&percent), "percent", "it lies from 1 to 100", percent)?;
        require(capacity > 0, "capacity", "it is at least 1", capacity)?;
        require(reserve <= capacity, "reserve", "it is not above the capacity", reserve)?;
        Ok(RetryBudget(Arc::new(Account {
            balance: AtomicU64::new(u64::from(reserve) * RETRY),
            per_call: percent.into(),
            capacity: u64::from(capacity) * RETRY,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_calls_pay_for_one_retry() {
        let budget = RetryBudget::new();
        for _ in 0..9 {
            budget.deposit();
        }
        assert!(budget.try_withdraw().is_none());
        budget.deposit();
        budget.try_withdraw().unwrap().spend();
        assert!(budget.try_withdraw().is_none());
    }

    #[test]
    fn no_more_is_saved_than_the_capacity() {
        let budget = RetryBudget::builder().with_capacity(3).build().unwrap();
        for _ in 0..1_000 {
            budget.deposit();
        }
        assert_eq!(budget.available(), 3);
    }

    #[test]
    fn what_is_not_spent_goes_back() {
        let budget = RetryBudget::builder().with_reserve(1).build().unwrap();
        let taken = budget.try_withdraw().unwrap();
        assert_eq!(budget.available(), 0);
        drop(taken);
        assert_eq!(budget.available(), 1);
    }
}
