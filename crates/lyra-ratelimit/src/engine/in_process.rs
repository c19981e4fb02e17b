use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Abilities, Denial, Engine, EngineError, Standing, Taken, Wait};
use crate::care::Care;
use crate::clock::{Clock, MonotonicClock, nanos};
use crate::error::{RateLimitError, require};
use crate::feedback::Feedback;
use crate::limit::Limit;
use crate::limits::{Limits, Rule};
use crate::line::{Line, Refusal};
use crate::meter::Meter;
use crate::queue::Queue;
use crate::quota::Quota;
use crate::waiter::{Costs, Keeps, MOST_LIMITS, Stamp};

/// The engine of this process: the same buckets and windows that
/// [`RateLimiter`](crate::RateLimiter) and [`LimitSet`](crate::LimitSet) have.
///
/// Use those where nothing is shared with other processes: they are faster,
/// serve threads too, and count slots. This engine is for code that works over
/// any engine, and for its tests. It can do everything that an engine can.
///
/// ```
/// use lyra_ratelimit::Quota;
/// use lyra_ratelimit::engine::{EngineLimiter, InProcess};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lyra_ratelimit::RateLimitError> {
/// let limiter = EngineLimiter::new(InProcess::new(Quota::per_minute(60).with_burst(1))?)?;
/// limiter.try_acquire().await?;
/// assert!(limiter.try_acquire().await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct InProcess<C = MonotonicClock> {
    queue: Queue<C>,
}

impl InProcess {
    /// Limits that are all free, on the system's monotonic clock.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if there is no limit, or more than
    /// 8, two have one name, one of them cannot be meant, or counts slots:
    /// those of a process that died would never come free, so no engine has
    /// them.
    #[track_caller]
    pub fn new(limits: impl Into<Limits>) -> Result<Self, RateLimitError> {
        Self::with_clock(limits, MonotonicClock::new())
    }
}

impl<C: Clock> InProcess<C> {
    /// The same on another clock: for tests.
    ///
    /// # Errors
    ///
    /// As [`new`](InProcess::new).
    #[track_caller]
    pub fn with_clock(limits: impl Into<Limits>, clock: C) -> Result<Self, RateLimitError> {
        let limits = limits.into();
        let slots = limits.rules().find(|(_, rule)| matches!(rule, Rule::Slots(_)));
        let reason = "an engine holds rates; slots are for a `LimitSet`";
        require(slots.is_none(), "limits", reason, slots.map(|(name, _)| name))?;
        let line = limits.line(Care::default())?;
        Ok(Self { queue: Queue::new(line, clock, None) })
    }
}

/// What [`InProcess`] knows of a grant, to take it back.
#[derive(Debug, Clone, Copy)]
pub struct InProcessGrant(Stamp);

impl<C: Clock + 'static> Engine for InProcess<C> {
    /// When it was granted, and as which charge.
    type Grant = InProcessGrant;

    fn names(&self) -> Vec<Arc<str>> {
        let mut line = self.queue.lock();
        line.get().limits.iter().filter_map(|limit| limit.name.clone()).collect()
    }

    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    async fn take(&self, costs: &[u64]) -> Result<Taken<InProcessGrant>, EngineError> {
        let costs = padded(costs);
        let mut locked = self.queue.lock();
        let now = locked.now;
        let line = locked.get();
        Ok(match line.try_take(now, &costs) {
            Ok(()) => Taken::Granted(InProcessGrant(line.stamp(now, Keeps::Nothing))),
            Err(refusal) => Taken::Denied(denial(line, refusal)),
        })
    }

    async fn foresee(&self, ahead: &[u64], costs: &[u64]) -> Result<Denial, EngineError> {
        let (ahead, costs) = (padded(ahead), padded(costs));
        let mut locked = self.queue.lock();
        let now = locked.now;
        let line = locked.get();
        let too_large = |(limit, cost): (&Limit, &u64)| *cost > limit.meter.largest();
        if let Some(limit) = line.limits.iter().zip(&costs).position(too_large) {
            return Ok(denial(line, Refusal::TooLarge { limit }));
        }
        let start = now.max(line.held_until());
        // Several limits hold each other up, which a sum does not show.
        let nobody = ahead.iter().all(|cost| *cost == 0);
        let mut is_exact = nobody || line.limits.len() == 1;
        let mut at = start;
        for ((limit, ahead), cost) in line.limits.iter().zip(ahead).zip(costs) {
            let (ready, sure) = behind(limit, start, ahead, cost);
            at = at.max(ready);
            is_exact &= sure;
        }
        let wait = Duration::from_nanos(at.saturating_sub(now));
        Ok(Denial::NotYet(if is_exact { Wait::exactly(wait) } else { Wait::at_least(wait) }))
    }

    async fn settle(
        &self,
        grant: InProcessGrant,
        costs: &[u64],
        used: &[u64],
    ) -> Result<(), EngineError> {
        let mut locked = self.queue.lock();
        let now = locked.now;
        locked.get().settle(now, grant.0, &padded(costs), &padded(used));
        Ok(())
    }

    async fn set_quota(&self, limit: usize, quota: Quota) -> Result<(), EngineError> {
        let mut locked = self.queue.lock();
        let now = locked.now;
        let charge = locked.get().next_charge();
        let limit = locked.get().limits.get_mut(limit);
        let limit = limit.ok_or_else(|| EngineError::permanent("there is no such limit"))?;
        limit
            .set_quota(now, charge, quota)
            .map_err(|error| EngineError::permanent(error.to_string()))
    }

    async fn learn(&self, feedback: &Feedback) -> Result<(), EngineError> {
        self.queue.learn(feedback);
        Ok(())
    }

    async fn standing(&self) -> Result<Standing, EngineError> {
        let status = self.queue.status();
        Ok(Standing { limits: status.limits, held_for: status.held_for })
    }
}

impl<C: Clock> fmt::Debug for InProcess<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("limits", &self.queue.status().limits).finish()
    }
}

fn padded(costs: &[u64]) -> Costs {
    let mut padded = [0; MOST_LIMITS];
    for (padded, cost) in padded.iter_mut().zip(costs) {
        *padded = *cost;
    }
    padded
}

fn denial(line: &Line, refusal: Refusal) -> Denial {
    match refusal {
        Refusal::TooLarge { limit } => {
            let most = line.limits.get(limit).map_or(0, |limit| limit.meter.largest());
            Denial::TooLarge { limit, most }
        }
        Refusal::NotYet { wait } => Denial::NotYet(Wait::exactly(Duration::from_nanos(wait))),
        // Nobody stands in this line, and there are no slots; should that
        // change, it is worth asking again soon.
        Refusal::Busy => Denial::NotYet(Wait::at_least(Duration::ZERO)),
    }
}

/// When `cost` fits after `ahead` was granted, from `start` on; and whether
/// that is exact.
fn behind(limit: &Limit, start: u64, ahead: u64, cost: u64) -> (u64, bool) {
    if cost == 0 && ahead == 0 {
        return (start, true);
    }
    let Meter::Window(window) = &limit.meter else {
        // A bucket is one sum, however it is taken.
        return (limit.ready_at(start, ahead.saturating_add(cost)).at, true);
    };
    // Token by token: those that come after a whole window wait as long as
    // the ones before them, and a window more. Larger parts wait longer.
    let sum = ahead.saturating_add(cost);
    let rounds = (sum - 1) / window.most();
    let rest = sum - rounds * window.most();
    let length = limit.quota().map_or(0, |quota| nanos(quota.period()));
    let at = window.ready_at(start, rest).saturating_add(rounds.saturating_mul(length));
    (at.max(limit.ready_at(start, cost).at), ahead == 0)
}
