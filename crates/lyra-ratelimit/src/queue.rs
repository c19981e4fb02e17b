//! What every limiter is inside: a gate and a line that share one state, a
//! clock, and the lock that makes them one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lyra_errors::Location;

use crate::clock::{Clock, nanos};
use crate::error::RateLimitError;
use crate::events;
use crate::gate::{Closed, Gate};
use crate::limit::Limit;
use crate::line::{Line, Refusal};
use crate::meter::Meter;
#[cfg(feature = "metrics")]
use crate::metrics::Series;
use crate::quota::Quota;
#[cfg(not(feature = "metrics"))]
use crate::series::Series;
use crate::waiter::{Costs, Keeps, MOST_LIMITS, Stamp, Wake};

pub(crate) struct Queue<C> {
    gate: Gate,
    line: Mutex<Line>,
    pub(crate) clock: C,
    pub(crate) name: Option<Arc<str>>,
    refused: AtomicU64,
    pub(crate) series: Series,
}

/// The line, locked, with the gate shut. Dropped, it opens the gate again if
/// it may be open, and wakes whom the line called.
pub(crate) struct Locked<'a, C: Clock> {
    queue: &'a Queue<C>,
    line: Option<MutexGuard<'a, Line>>,
    pub(crate) now: u64,
}

/// How a call that may wait was received.
pub(crate) enum Entered<'a, C: Clock> {
    Granted(Stamp),
    InLine(Place<'a, C>),
}

/// A place in line; dropped, it is left.
pub(crate) struct Place<'a, C: Clock> {
    pub(crate) queue: &'a Queue<C>,
    pub(crate) ticket: u64,
    pub(crate) keeps: Keeps,
    pub(crate) since: u64,
    pub(crate) deadline: u64,
    pub(crate) timeout: Duration,
    /// Whether it is worth a finer timer than tokio's.
    pub(crate) is_tight: bool,
    costs: Costs,
    over: bool,
}

impl<C: Clock> Queue<C> {
    pub(crate) fn new(line: Line, clock: C, name: Option<Arc<str>>) -> Self {
        let series = Series::named(name.as_deref());
        Self::counted_as(series, line, clock, name)
    }

    pub(crate) fn counted_as(series: Series, line: Line, clock: C, name: Option<Arc<str>>) -> Self {
        let queue = Self {
            gate: Gate::new(),
            line: Mutex::new(line),
            clock,
            name,
            refused: AtomicU64::new(0),
            series,
        };
        drop(queue.lock()); // opens the gate, where it may be open
        queue
    }

    pub(crate) fn lock(&self) -> Locked<'_, C> {
        // A panic under it can only come from a clock or a waker of the
        // caller's, and each state between is a valid one.
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let tat = self.gate.shut();
        // Whoever gives back while a panic unwinds must not meet another one.
        let clock = if thread::panicking() { line.last_now() } else { self.clock.now() };
        if let [limit] = line.limits.as_mut_slice()
            && let Meter::Bucket(bucket) = &mut limit.meter
        {
            bucket.set_tat(tat);
        }
        let now = line.tick(clock);
        Locked { queue: self, line: Some(line), now }
    }

    /// Whether the gate granted `cost` of the only limit; a refusal is not
    /// counted, since the caller goes on to the line.
    #[inline]
    pub(crate) fn quick(&self, cost: u64) -> bool {
        self.quick_at(self.clock.now(), cost)
    }

    /// The same, for one who has read the clock already.
    #[inline]
    pub(crate) fn quick_at(&self, now: u64, cost: u64) -> bool {
        let granted = cost != 0 && self.gate.try_take(now, cost).is_ok();
        if granted {
            self.series.granted();
        }
        granted
    }

    /// Takes `cost` of the only limit, if it is there and nobody waits.
    #[inline]
    #[track_caller]
    pub(crate) fn try_one(&self, cost: u64) -> Result<(), RateLimitError> {
        if cost == 0 {
            return Ok(());
        }
        match self.gate.try_take(self.clock.now(), cost) {
            Ok(()) => {
                self.series.granted();
                Ok(())
            }
            Err(closed) => self.try_again(closed, cost, std::panic::Location::caller()),
        }
    }

    #[cold]
    fn try_again(
        &self,
        closed: Closed,
        cost: u64,
        location: Location,
    ) -> Result<(), RateLimitError> {
        match closed {
            Closed::NotYet(wait) => {
                Err(self.refused(Refusal::NotYet { wait }, &one(cost), None, location))
            }
            Closed::AskTheLine => self.try_all(&one(cost), Keeps::Nothing, location).map(|_| ()),
        }
    }

    /// Takes `costs` if they are there and nobody waits.
    pub(crate) fn try_all(
        &self,
        costs: &Costs,
        keeps: Keeps,
        location: Location,
    ) -> Result<Stamp, RateLimitError> {
        let mut line = self.lock();
        let now = line.now;
        let taken = line.get().try_take(now, costs).map(|()| line.get().stamp(now, keeps));
        drop(line);
        match taken {
            Ok(stamp) => {
                self.series.granted();
                Ok(stamp)
            }
            Err(refusal) => Err(self.refused(refusal, costs, None, location)),
        }
    }

    /// Takes `costs`, or stands in line if the turn can come in time.
    pub(crate) fn enter(
        &self,
        costs: &Costs,
        keeps: Keeps,
        timeout: Duration,
        location: Location,
    ) -> Result<Entered<'_, C>, RateLimitError> {
        let mut line = self.lock();
        let now = line.now;
        let deadline = now.saturating_add(nanos(timeout));
        let entered = line.get().enter(now, costs, deadline);
        let stamp = matches!(entered, Ok(None)).then(|| line.get().stamp(now, keeps));
        let is_tight = self.clock.is_real() && line.get().limits.iter().any(Limit::is_tight);
        drop(line);
        if let Some(stamp) = stamp {
            self.series.granted();
            return Ok(Entered::Granted(stamp));
        }
        match entered {
            Ok(ticket) => Ok(Entered::InLine(Place {
                queue: self,
                ticket: ticket.unwrap_or_default(),
                keeps,
                since: now,
                deadline,
                timeout,
                is_tight,
                costs: *costs,
                over: false,
            })),
            Err(refusal) => {
                let late = Late { timeout, waited: false };
                Err(self.refused(refusal, costs, Some(late), location))
            }
        }
    }

    /// A reservation ends: corrects its charge.
    pub(crate) fn settle(&self, stamp: Stamp, reserved: &Costs, used: &Costs) {
        let mut line = self.lock();
        let now = line.now;
        line.get().settle(now, stamp, reserved, used);
        line.get().end_one();
    }

    /// Another quota for the only limit.
    #[track_caller]
    pub(crate) fn set_quota(&self, quota: Quota) -> Result<(), RateLimitError> {
        let mut line = self.lock();
        let now = line.now;
        let charge = line.get().next_charge();
        if let Some(limit) = line.get().limits.first_mut() {
            limit.set_quota(now, charge, quota)?;
        }
        line.get().changed(now);
        Ok(())
    }

    /// How many calls were granted and refused.
    pub(crate) fn counts(&self, line: &Line) -> (u64, u64) {
        (self.gate.granted() + line.granted(), self.refused.load(Ordering::Relaxed))
    }

    /// The error for a refusal, which is counted.
    pub(crate) fn refused(
        &self,
        refusal: Refusal,
        costs: &Costs,
        late: Option<Late>,
        location: Location,
    ) -> RateLimitError {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let reason = match (refusal, late) {
            (Refusal::TooLarge { .. }, _) => "too_large",
            (_, Some(Late { waited: true, .. })) => "timed_out",
            (Refusal::Busy, _) => "busy",
            (Refusal::NotYet { .. }, Some(_)) => "too_late",
            (Refusal::NotYet { .. }, None) => "not_yet",
        };
        self.series.refused(reason);
        events::refused(self.name.as_deref(), reason, location);
        let limiter = self.name.clone();
        match (refusal, late) {
            (Refusal::TooLarge { limit }, _) => self.too_large(limit, costs, location),
            (refusal, Some(Late { timeout, waited: true })) => {
                let retry_after = match refusal {
                    Refusal::NotYet { wait } => Some(Duration::from_nanos(wait)),
                    _ => None,
                };
                RateLimitError::TimedOut { limiter, timeout, retry_after, location }
            }
            (Refusal::NotYet { wait }, late) => {
                let retry_after = Duration::from_nanos(wait);
                match late {
                    None => RateLimitError::NotYet { limiter, retry_after, location },
                    Some(Late { timeout, .. }) => {
                        RateLimitError::TooLate { limiter, retry_after, timeout, location }
                    }
                }
            }
            (Refusal::Busy, _) => RateLimitError::Busy { limiter, location },
        }
    }

    #[cold]
    fn too_large(&self, index: usize, costs: &Costs, location: Location) -> RateLimitError {
        let mut line = self.lock();
        let limit = line.get().limits.get(index);
        RateLimitError::TooLarge {
            limiter: limit.and_then(|limit| limit.name.clone()).or_else(|| self.name.clone()),
            cost: costs.get(index).copied().unwrap_or_default(),
            most: limit.map_or(0, |limit| limit.meter.largest()),
            location,
        }
    }
}

/// How a call that was ready to wait came to be refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late {
    pub(crate) timeout: Duration,
    /// Whether it stood in line before.
    pub(crate) waited: bool,
}

impl<C: Clock> Locked<'_, C> {
    pub(crate) fn get(&mut self) -> &mut Line {
        self.line.as_mut().expect("it is taken out on drop only")
    }
}

impl<C: Clock> Locked<'_, C> {
    /// Unlocks, and gives those who are to be called: for one who holds other
    /// locks, since a waker may do anything, also come back here.
    pub(crate) fn unlock(mut self) -> Calls {
        self.open()
    }

    fn open(&mut self) -> Calls {
        let Some(mut line) = self.line.take() else { return Calls::default() };
        if let [limit] = line.limits.as_slice()
            && let Meter::Bucket(bucket) = &limit.meter
        {
            self.queue.gate.put_back(self.now, bucket, !line.is_plain());
        }
        let (wakes, spent) = line.take_wakes();
        Calls { wakes, spent }
    }
}

impl<C: Clock> Drop for Locked<'_, C> {
    fn drop(&mut self) {
        drop(self.open());
    }
}

/// Those who are called when this is dropped, and wakers that go with it.
#[derive(Default)]
pub(crate) struct Calls {
    wakes: Vec<Wake>,
    #[allow(dead_code, reason = "to be dropped is what they are here for")]
    spent: Vec<Wake>,
}

impl Calls {
    pub(crate) fn and(&mut self, mut others: Self) {
        self.wakes.append(&mut others.wakes);
        self.spent.append(&mut others.spent);
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        for wake in self.wakes.drain(..) {
            // The panic of a waker has been told by the panic hook. Passed on,
            // it would keep others asleep, and cost one who was just granted
            // what it was granted.
            let _ = catch_unwind(AssertUnwindSafe(|| wake.wake()));
        }
    }
}

impl<C: Clock> Place<'_, C> {
    /// The place was given up in the line itself.
    pub(crate) fn given_up(mut self) {
        self.over = true;
    }

    pub(crate) fn costs(&self) -> &Costs {
        &self.costs
    }
}

impl<C: Clock> Drop for Place<'_, C> {
    fn drop(&mut self) {
        if !self.over {
            let mut line = self.queue.lock();
            let now = line.now;
            line.get().cancel(now, self.ticket);
        }
    }
}

/// The costs of a call with only one limit.
pub(crate) const fn one(cost: u64) -> Costs {
    let mut costs = [0; MOST_LIMITS];
    costs[0] = cost;
    costs
}
