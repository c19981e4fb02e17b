//! The calls of an engine: each bounded, each carried to its end, each fault
//! counted.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time::{self, Instant};

use super::call::{Boxed, Call, HandOver};
use super::line::{Ahead, Line};
use super::{Ability, Denial, Engine, EngineError, Taken};
use crate::error::RateLimitError;
use crate::waiter::Costs;

/// What the clones of a limiter share.
pub(super) struct Shared<E> {
    pub(super) engine: E,
    pub(super) name: Option<Arc<str>>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) answer_within: Duration,
    pub(super) line: Line,
    pub(super) counts: Counts,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    granted: AtomicU64,
    refused: AtomicU64,
    faults: AtomicU64,
    lost: AtomicU64,
}

/// Why a call of the engine has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The caller's time is up.
    TimeIsUp,
    Fault(EngineError),
}

/// Until when a call may take, and whose time that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) at: Instant,
    deadline: Option<Instant>,
}

/// A timer that fires later than this was not looked at: its owner kept the
/// future without polling it, or the runtime was busy. The engine can't be
/// blamed for that.
const NOT_POLLED: Duration = Duration::from_millis(50);

impl<E: Engine> Shared<E> {
    /// The runtime in which calls are carried to their end.
    pub(super) fn runtime(&self, location: Location) -> Result<Handle, RateLimitError> {
        let limiter = self.name.clone();
        Handle::try_current().map_err(|_| RateLimitError::NoRuntime { limiter, location })
    }

    pub(super) fn bound(&self, deadline: Option<Instant>) -> Bound {
        let at = Instant::now() + self.answer_within;
        Bound { at: deadline.map_or(at, |deadline| deadline.min(at)), deadline }
    }

    /// Takes `costs`. If this is dropped on its way, what it still takes is
    /// given back.
    pub(super) async fn take(
        self: &Arc<Self>,
        runtime: &Handle,
        costs: &Costs,
        bound: Bound,
    ) -> Result<Taken<E::Grant>, Failure> {
        let (shared, costs) = (Arc::clone(self), *costs);
        let call = async move { shared.engine.take(shared.of_limits(&costs)).await };
        let (shared, runtime) = (Arc::clone(self), runtime.clone());
        let carried = Call::new(call, move |call: Boxed<_>| {
            drop(runtime.clone().spawn(async move {
                if let Ok(Ok(Taken::Granted(grant))) =
                    time::timeout(shared.answer_within, call).await
                {
                    shared.settle(&runtime, grant, costs, Costs::default()).await.ok();
                }
            }));
        });
        self.bounded(bound, carried).await
    }

    pub(super) async fn foresee(
        &self,
        ahead: &Ahead,
        costs: &Costs,
        bound: Bound,
    ) -> Result<Denial, Failure> {
        let (ahead, costs) = (self.of_limits(&ahead.costs), self.of_limits(costs));
        self.bounded(bound, self.engine.foresee(ahead, costs)).await
    }

    /// Corrects a grant. Once called it is done, also if nobody waits for it.
    pub(super) fn settle(
        self: &Arc<Self>,
        runtime: &Handle,
        grant: E::Grant,
        costs: Costs,
        used: Costs,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<E> {
        let pairs = self.of_limits(&costs).iter().zip(used);
        let unused =
            pairs.map(|(cost, used)| cost.saturating_sub(used)).fold(0, u64::saturating_add);
        let shared = Arc::clone(self);
        let call = async move {
            let (costs, used) = (shared.of_limits(&costs), shared.of_limits(&used));
            let settled = shared.engine.settle(grant, costs, used).await;
            if settled.is_err() || !shared.engine.abilities().has(Ability::Refund) {
                shared.counts.lose(unused);
            }
            shared.line.call_first();
            settled
        };
        let (shared, lost_by) = (Arc::clone(self), Arc::clone(self));
        let carried = self.to_its_end(runtime, call, move || lost_by.counts.lose(unused));
        async move { shared.bounded(shared.bound(None), carried).await }
    }

    /// A change for all. Once called it is done, and everyone looks again.
    pub(super) fn change(
        self: &Arc<Self>,
        runtime: &Handle,
        change: Boxed<Result<(), EngineError>>,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<E> {
        let shared = Arc::clone(self);
        let call = async move {
            let changed = change.await;
            shared.line.call_all();
            changed
        };
        let carried = self.to_its_end(runtime, call, || ());
        let shared = Arc::clone(self);
        async move { shared.bounded(shared.bound(None), carried).await }
    }

    /// Waits for `call` until `bound`, and counts its fault.
    pub(super) async fn bounded<T>(
        &self,
        mut bound: Bound,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, Failure> {
        let mut call = pin!(call);
        let fault = loop {
            match time::timeout_at(bound.at, call.as_mut()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(fault)) => break fault,
                Err(_) => {}
            }
            if bound.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(Failure::TimeIsUp);
            }
            if bound.at.elapsed() < NOT_POLLED {
                break EngineError::unanswered(self.answer_within);
            }
            bound = self.bound(bound.deadline);
        };
        self.counts.faults.fetch_add(1, Ordering::Relaxed);
        Err(Failure::Fault(fault))
    }

    /// As many costs as there are limits.
    pub(super) fn of_limits<'a>(&self, costs: &'a Costs) -> &'a [u64] {
        &costs[..self.names.len().min(costs.len())]
    }

    fn to_its_end<T: Send + 'static>(
        &self,
        runtime: &Handle,
        call: impl Future<Output = T> + Send + 'static,
        given_up: impl FnOnce() + Send + 'static,
    ) -> Call<T, HandOver<T>> {
        let (runtime, within) = (runtime.clone(), self.answer_within);
        Call::begun(
            call,
            Box::new(move |call| {
                drop(runtime.spawn(async move {
                    if time::timeout(within, call).await.is_err() {
                        given_up();
                    }
                }));
            }),
        )
    }
}

impl Counts {
    pub(super) fn grant(&self) {
        self.granted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lose(&self, tokens: u64) {
        self.lost.fetch_add(tokens, Ordering::Relaxed);
    }

    pub(super) fn granted(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
