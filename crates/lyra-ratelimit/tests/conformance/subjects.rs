//! The limiters under test. A new engine needs what [`Make`] asks for, no more.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use lyra_ratelimit::engine::{
    Abilities, Ability, Denial, Engine, EngineError, EngineLimiter, EngineReservation, InProcess,
    Standing, Taken,
};
use lyra_ratelimit::{
    Feedback, LimitSet, Limits, Permit, Quota, RateLimiter, Reservation, Status, TokioClock,
};

use crate::subject::{Named, Outcome, Subject};

/// The adapter of an engine.
pub(crate) trait Make: Send + Sync + 'static {
    const NAME: &'static str;
    const LATE: Duration = Duration::from_millis(1);

    type Engine: Engine;

    fn make(limits: &[(&'static str, Quota)]) -> impl Future<Output = Self::Engine> + Send;

    fn abilities() -> Abilities;
}

/// An engine under its limiter.
pub(crate) struct Over<M: Make>(EngineLimiter<M::Engine>, PhantomData<M>);

impl<M: Make> Clone for Over<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<M: Make> Subject for Over<M> {
    const NAME: &'static str = M::NAME;
    const LATE: Duration = M::LATE;
    type Slot = EngineReservation<M::Engine>;

    fn abilities() -> Abilities {
        M::abilities()
    }

    async fn build(limits: &[(&'static str, Quota)]) -> Self {
        let engine = M::make(limits).await;
        assert_eq!(engine.abilities(), M::abilities());
        Self(EngineLimiter::new(engine).unwrap(), PhantomData)
    }

    async fn acquire(&self, cost: u64, within: Duration) -> Outcome<()> {
        self.0.acquire_n(cost, within).await
    }

    async fn try_acquire(&self, cost: u64) -> Outcome<()> {
        self.0.try_acquire_n(cost).await
    }

    async fn reserve(&self, costs: Named, within: Duration) -> Outcome<Self::Slot> {
        self.0.reserve_with(costs, within).await
    }

    async fn settle(slot: Self::Slot, used: Named) -> Outcome<()> {
        slot.settle_with(used).await
    }

    fn cancel(slot: Self::Slot) {
        drop(slot);
    }

    async fn set_quota(&self, limit: &'static str, quota: Quota) -> Outcome<()> {
        self.0.set_quota(limit, quota).await
    }

    async fn learn(&self, feedback: &Feedback) -> Outcome<()> {
        self.0.learn(feedback).await
    }

    async fn status(&self) -> Status {
        self.0.status().await.unwrap()
    }
}

fn limits(limits: &[(&'static str, Quota)]) -> Limits {
    limits.iter().fold(Limits::new(), |limits, (name, quota)| limits.with(*name, *quota))
}

/// The engine of this process.
pub(crate) struct InProcessOnTokio;

impl Make for InProcessOnTokio {
    const NAME: &'static str = "InProcess";
    type Engine = InProcess<TokioClock>;

    async fn make(given: &[(&'static str, Quota)]) -> Self::Engine {
        InProcess::with_clock(limits(given), TokioClock::new()).unwrap()
    }

    fn abilities() -> Abilities {
        Abilities::ALL
    }
}

/// The same far away, as a server is: each call takes a while there and back.
pub(crate) struct SlowOnTokio;

impl Make for SlowOnTokio {
    const NAME: &'static str = "an engine behind a slow line";
    /// Some journeys of 2 ms each.
    const LATE: Duration = Duration::from_millis(12);
    type Engine = Slow<InProcess<TokioClock>>;

    async fn make(given: &[(&'static str, Quota)]) -> Self::Engine {
        Slow(InProcessOnTokio::make(given).await)
    }

    fn abilities() -> Abilities {
        Abilities::ALL
    }
}

pub(crate) struct Slow<E>(E);

async fn half_the_way() {
    tokio::time::sleep(Duration::from_millis(1)).await; // tidy: sleep - the clock is paused
}

async fn there_and_back<T>(call: impl Future<Output = T>) -> T {
    half_the_way().await;
    let answer = call.await;
    half_the_way().await;
    answer
}

impl<E: Engine> Engine for Slow<E> {
    type Grant = E::Grant;

    fn names(&self) -> Vec<Arc<str>> {
        self.0.names()
    }

    fn abilities(&self) -> Abilities {
        self.0.abilities()
    }

    async fn take(&self, costs: &[u64]) -> Result<Taken<E::Grant>, EngineError> {
        there_and_back(self.0.take(costs)).await
    }

    async fn foresee(&self, ahead: &[u64], costs: &[u64]) -> Result<Denial, EngineError> {
        there_and_back(self.0.foresee(ahead, costs)).await
    }

    async fn settle(
        &self,
        grant: E::Grant,
        costs: &[u64],
        used: &[u64],
    ) -> Result<(), EngineError> {
        there_and_back(self.0.settle(grant, costs, used)).await
    }

    async fn set_quota(&self, limit: usize, quota: Quota) -> Result<(), EngineError> {
        there_and_back(self.0.set_quota(limit, quota)).await
    }

    async fn learn(&self, feedback: &Feedback) -> Result<(), EngineError> {
        there_and_back(self.0.learn(feedback)).await
    }

    async fn standing(&self) -> Result<Standing, EngineError> {
        there_and_back(self.0.standing()).await
    }
}

/// Buckets of the crate `leaky-bucket`.
#[cfg(feature = "leaky-bucket")]
pub(crate) struct Leaky;

#[cfg(feature = "leaky-bucket")]
impl Make for Leaky {
    const NAME: &'static str = "leaky-bucket";
    /// It looks for a lump 16 times a unit.
    const LATE: Duration = Duration::from_millis(64);
    type Engine = lyra_ratelimit::engine::LeakyBucket;

    async fn make(limits: &[(&'static str, Quota)]) -> Self::Engine {
        let [(_, quota)] = limits else { panic!("it has one limit") };
        lyra_ratelimit::engine::LeakyBucket::new(*quota).unwrap()
    }

    fn abilities() -> Abilities {
        [
            Ability::ExactWait,
            Ability::EvenRefill,
            Ability::AnyRate,
            Ability::Refund,
            Ability::LiveChange,
            Ability::StrictWindow,
            Ability::SeveralLimits,
            Ability::Learn,
        ]
        .into_iter()
        .fold(Abilities::ALL, Abilities::without)
    }
}

/// The limiter of this process itself.
#[derive(Clone)]
pub(crate) struct Single(RateLimiter<TokioClock>);

impl Subject for Single {
    const NAME: &'static str = "RateLimiter";
    type Slot = Reservation<TokioClock>;

    fn abilities() -> Abilities {
        Abilities::ALL.without(Ability::SeveralLimits)
    }

    async fn build(limits: &[(&'static str, Quota)]) -> Self {
        let [(_, quota)] = limits else { panic!("it has one limit") };
        Self(RateLimiter::builder(*quota).with_clock(TokioClock::new()).build().unwrap())
    }

    async fn acquire(&self, cost: u64, within: Duration) -> Outcome<()> {
        self.0.acquire_n(cost, within).await
    }

    async fn try_acquire(&self, cost: u64) -> Outcome<()> {
        self.0.try_acquire_n(cost)
    }

    async fn reserve(&self, costs: Named, within: Duration) -> Outcome<Self::Slot> {
        self.0.reserve_n_within(costs.first().map_or(1, |(_, cost)| *cost), within).await
    }

    async fn settle(slot: Self::Slot, used: Named) -> Outcome<()> {
        slot.settle(used[0].1);
        Ok(())
    }

    fn cancel(slot: Self::Slot) {
        drop(slot);
    }

    async fn set_quota(&self, _: &'static str, quota: Quota) -> Outcome<()> {
        self.0.set_quota(quota)
    }

    async fn learn(&self, feedback: &Feedback) -> Outcome<()> {
        self.0.learn(feedback);
        Ok(())
    }

    async fn status(&self) -> Status {
        self.0.status()
    }
}

/// The set of this process itself.
#[derive(Clone)]
pub(crate) struct Several {
    set: LimitSet<TokioClock>,
    names: Vec<&'static str>,
}

impl Subject for Several {
    const NAME: &'static str = "LimitSet";
    type Slot = Permit<TokioClock>;

    fn abilities() -> Abilities {
        Abilities::ALL
    }

    async fn build(given: &[(&'static str, Quota)]) -> Self {
        let set = LimitSet::builder(limits(given)).with_clock(TokioClock::new()).build().unwrap();
        Self { set, names: given.iter().map(|(name, _)| *name).collect() }
    }

    async fn acquire(&self, cost: u64, within: Duration) -> Outcome<()> {
        let costs: Vec<_> = self.names.iter().map(|name| (*name, cost)).collect();
        self.set.enter(&costs, within).await.map(drop)
    }

    async fn try_acquire(&self, cost: u64) -> Outcome<()> {
        let costs: Vec<_> = self.names.iter().map(|name| (*name, cost)).collect();
        self.set.try_enter(&costs).map(drop)
    }

    async fn reserve(&self, costs: Named, within: Duration) -> Outcome<Self::Slot> {
        self.set.enter(costs, within).await
    }

    async fn settle(slot: Self::Slot, used: Named) -> Outcome<()> {
        slot.settle(used)
    }

    fn cancel(slot: Self::Slot) {
        slot.cancel();
    }

    async fn set_quota(&self, limit: &'static str, quota: Quota) -> Outcome<()> {
        self.set.set_quota(limit, quota)
    }

    async fn learn(&self, feedback: &Feedback) -> Outcome<()> {
        self.set.learn(feedback);
        Ok(())
    }

    async fn status(&self) -> Status {
        self.set.status()
    }
}
