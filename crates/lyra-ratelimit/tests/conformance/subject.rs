//! What a case needs of a limiter, and how it reports what is not by nature.

use std::time::Duration;

use lyra_ratelimit::engine::{Abilities, Ability};
use lyra_ratelimit::{Feedback, Quota, RateLimitError, Status};

pub(crate) type Outcome<T> = Result<T, RateLimitError>;

/// Costs by the names of limits.
pub(crate) type Named = &'static [(&'static str, u64)];

/// Longer than any case lasts.
pub(crate) const LONG: Duration = Duration::from_secs(100_000);

/// A limiter that is put to the test.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    /// What the cases count time in; an engine on a clock that cannot be
    /// paused has a shorter one.
    const UNIT: Duration = Duration::from_secs(1);

    /// How late an answer may be.
    const LATE: Duration = Duration::from_millis(1);

    type Slot: Send;

    fn abilities() -> Abilities;

    /// Limits that are all free; only ever several where it is able to.
    fn build(limits: &[(&'static str, Quota)]) -> impl Future<Output = Self> + Send;

    /// `cost` of each limit.
    fn acquire(&self, cost: u64, within: Duration) -> impl Future<Output = Outcome<()>> + Send;

    /// `cost` of each limit, without waiting for a turn.
    fn try_acquire(&self, cost: u64) -> impl Future<Output = Outcome<()>> + Send;

    /// What `costs` names, and one of each other limit.
    fn reserve(
        &self,
        costs: Named,
        within: Duration,
    ) -> impl Future<Output = Outcome<Self::Slot>> + Send;

    fn settle(slot: Self::Slot, used: Named) -> impl Future<Output = Outcome<()>> + Send;

    /// Gives all back.
    fn cancel(slot: Self::Slot);

    fn set_quota(
        &self,
        limit: &'static str,
        quota: Quota,
    ) -> impl Future<Output = Outcome<()>> + Send;

    fn learn(&self, feedback: &Feedback) -> impl Future<Output = Outcome<()>> + Send;

    fn status(&self) -> impl Future<Output = Status> + Send;

    /// So many units of time.
    fn units(count: f64) -> Duration {
        Self::UNIT.mul_f64(count)
    }

    /// Lets so many units pass.
    fn pass(count: f64) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(Self::units(count)) // tidy: sleep - the clock is paused
    }

    /// Whether it has `ability`; otherwise that is reported.
    fn is_able(ability: Ability) -> bool {
        let has = Self::abilities().has(ability);
        if !has {
            println!("not by nature: {} has no {ability}", Self::NAME);
        }
        has
    }

    /// How many of its only limit are there.
    fn available(&self) -> impl Future<Output = u64> + Send {
        async { self.status().await.limits[0].available }
    }
}

/// One limit: one token a unit, and a burst.
pub(crate) async fn one_a_unit<S: Subject>(burst: u64) -> S {
    S::build(&[("requests", Quota::every(S::UNIT).with_burst(burst))]).await
}

/// That `elapsed` is `units`, and no more than the subject may be late.
#[track_caller]
pub(crate) fn assert_on_time<S: Subject>(elapsed: Duration, units: f64) {
    let due = S::units(units);
    assert!(elapsed >= due, "{:?} early", due - elapsed);
    // The timer's own step comes to what the subject needs.
    assert!(elapsed - due <= S::LATE, "{:?} late", elapsed - due);
}

/// Lets spawned tasks run until they wait.
pub(crate) async fn settle_down<S: Subject>() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    if S::LATE > Duration::from_millis(1) {
        tokio::time::sleep(S::LATE).await; // tidy: sleep - the clock is paused
    }
}
