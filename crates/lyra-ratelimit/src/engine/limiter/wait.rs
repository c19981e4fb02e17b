//! How a caller gets its turn: in line, then at the engine.

use std::sync::Arc;
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::super::line::{Place, View};
use super::super::trips::{Failure, Shared};
use super::super::{Denial, Engine, Taken};
use crate::error::RateLimitError;
use crate::waiter::Costs;

/// The longest wait that timers are asked for; see the waits of this process.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The shortest nap: a step of tokio's timer. An engine that tells no wait, or
/// nonsense, is not asked more often.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// How often a wait behind others is looked at that was upset meanwhile.
const LOOKS_AHEAD: usize = 3;

const TAKE: &str = "take";

/// One call that wants its turn.
#[derive(Debug, Clone, Copy)]
struct Wish<'a> {
    costs: &'a Costs,
    timeout: Duration,
    deadline: Instant,
    location: Location,
}

impl<E: Engine> Shared<E> {
    /// Takes `costs`, waiting in line.
    pub(super) async fn wait(
        self: &Arc<Self>,
        costs: &Costs,
        timeout: Duration,
        location: Location,
    ) -> Result<(Handle, E::Grant), RateLimitError> {
        let runtime = self.runtime(location)?;
        let timeout = timeout.min(LONGEST_WAIT);
        let wish = Wish { costs, timeout, deadline: Instant::now() + timeout, location };
        let place = self.line.join(costs);
        let mut has_waited = false;
        let mut foreseen = None;
        loop {
            let until = match place.look() {
                View::Behind { changes, .. } if foreseen != Some(changes) => {
                    foreseen = Some(changes);
                    if let Some(denial) = self.too_late(&place, &wish).await? {
                        return Err(self.denied(denial, &wish, has_waited));
                    }
                    continue;
                }
                View::Behind { .. } if Instant::now() >= wish.deadline => {
                    return Err(self.time_is_up(&wish, None));
                }
                View::Behind { until, .. } => until,
                View::First => {
                    let bound = self.bound(Some(wish.deadline));
                    place.asks(bound.at);
                    let taken = self.take(&runtime, costs, bound).await;
                    place.was_answered();
                    match taken.map_err(|failure| self.no_answer(failure, &wish))? {
                        Taken::Granted(grant) => {
                            self.counts.grant();
                            return Ok((runtime, grant));
                        }
                        Taken::Denied(denial) => match in_time(&denial, &wish) {
                            Some(until) => until,
                            None => return Err(self.denied(denial, &wish, has_waited)),
                        },
                    }
                }
            };
            has_waited = true;
            place.rest(until.min(wish.deadline)).await;
        }
    }

    /// Takes `costs` if they are there and nobody waits.
    pub(super) async fn try_take(
        self: &Arc<Self>,
        costs: &Costs,
        location: Location,
    ) -> Result<(Handle, E::Grant), RateLimitError> {
        let runtime = self.runtime(location)?;
        let bound = self.bound(None);
        let ahead = self.line.all();
        let denial = if ahead.waiting > 0 {
            self.foresee(&ahead, costs, bound).await
        } else {
            self.line.asks_beside();
            match self.take(&runtime, costs, bound).await {
                Ok(Taken::Granted(grant)) => {
                    self.counts.grant();
                    return Ok((runtime, grant));
                }
                Ok(Taken::Denied(denial)) => Ok(denial),
                Err(failure) => Err(failure),
            }
        };
        Err(match denial.map_err(|failure| self.failed(failure, TAKE, location))? {
            Denial::NotYet(wait) => {
                self.counts.refuse();
                // Those before it need a moment, also where tokens are there.
                let is_known = wait.is_exact() && ahead.waiting == 0;
                let moment = if is_known { Duration::ZERO } else { SHORTEST_NAP };
                let retry_after = wait.least().max(moment);
                RateLimitError::NotYet { limiter: self.name.clone(), retry_after, location }
            }
            Denial::TooLarge { limit, most } => self.too_large(limit, most, costs, location),
        })
    }

    /// Why the turn cannot come in time, if that is sure.
    async fn too_late(
        &self,
        place: &Place<'_>,
        wish: &Wish<'_>,
    ) -> Result<Option<Denial>, RateLimitError> {
        for _ in 0..LOOKS_AHEAD {
            let bound = self.bound(Some(wish.deadline));
            let ahead = place.ahead();
            place.looks_ahead(bound.at);
            let denial = self.foresee(&ahead, wish.costs, bound).await;
            place.was_answered();
            let denial = denial.map_err(|failure| self.no_answer(failure, wish))?;
            if in_time(&denial, wish).is_some() {
                return Ok(None);
            }
            if matches!(denial, Denial::TooLarge { .. }) || !self.line.moved_since(&ahead) {
                return Ok(Some(denial));
            }
        }
        Ok(None)
    }

    fn denied(&self, denial: Denial, wish: &Wish<'_>, has_waited: bool) -> RateLimitError {
        match denial {
            Denial::TooLarge { limit, most } => {
                self.too_large(limit, most, wish.costs, wish.location)
            }
            Denial::NotYet(wait) if has_waited => self.time_is_up(wish, Some(wait.least())),
            Denial::NotYet(wait) => {
                self.counts.refuse();
                RateLimitError::TooLate {
                    limiter: self.name.clone(),
                    retry_after: wait.least(),
                    timeout: wish.timeout,
                    location: wish.location,
                }
            }
        }
    }

    fn no_answer(&self, failure: Failure, wish: &Wish<'_>) -> RateLimitError {
        match failure {
            Failure::TimeIsUp => self.time_is_up(wish, None),
            fault => self.failed(fault, TAKE, wish.location),
        }
    }

    fn time_is_up(&self, wish: &Wish<'_>, retry_after: Option<Duration>) -> RateLimitError {
        self.counts.refuse();
        let (timeout, location) = (wish.timeout, wish.location);
        RateLimitError::TimedOut { limiter: self.name.clone(), timeout, retry_after, location }
    }

    fn too_large(
        &self,
        limit: usize,
        most: u64,
        costs: &Costs,
        location: Location,
    ) -> RateLimitError {
        self.counts.refuse();
        RateLimitError::TooLarge {
            limiter: self.names.get(limit).or(self.name.as_ref()).cloned(),
            cost: costs.get(limit).copied().unwrap_or_default(),
            most,
            location,
        }
    }
}

/// When to ask again, if there is a chance to be served in time.
fn in_time(denial: &Denial, wish: &Wish<'_>) -> Option<Instant> {
    let Denial::NotYet(wait) = denial else { return None };
    let now = Instant::now();
    let left = wish.deadline.saturating_duration_since(now);
    if left.is_zero() || wait.least() > left {
        return None;
    }
    Some(now + wait.look_again().clamp(SHORTEST_NAP, LONGEST_WAIT))
}
