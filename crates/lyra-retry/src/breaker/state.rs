//! The pure part of a circuit breaker: its states, without lock or clock. The
//! time is asked for only where it matters, so never while it is closed.

use std::time::{Duration, Instant};

use super::{CircuitOpen, CircuitState};

/// When a closed circuit opens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trip {
    Consecutive { failures: u32 },
    Ratio { percent: u32, window: u32, minimum: u32 },
}

#[derive(Debug)]
pub(super) struct Machine {
    trip: Trip,
    open_for: Duration,
    trials: u32,
    phase: Phase,
    /// Counts the changes of the phase.
    generation: u64,
    /// Counts the rounds of trial calls.
    round: u64,
    calls: Calls,
}

/// When a call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    generation: u64,
    round: u64,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { since: Instant },
    HalfOpen { since: Instant, under_way: u32, succeeded: u32 },
    Isolated,
}

/// The outcomes of the latest calls while it is closed.
#[derive(Debug, Default)]
struct Calls {
    in_a_row: u32,
    failed: u32,
    /// A ring as long as the window, `true` for a failure; empty without one.
    ring: Vec<bool>,
    next: usize,
    filled: u32,
}

impl Machine {
    pub(super) fn new(trip: Trip, open_for: Duration, trials: u32) -> Self {
        let calls = Calls::new(trip);
        Self { trip, open_for, trials, phase: Phase::Closed, generation: 0, round: 0, calls }
    }

    pub(super) fn acquire(&mut self, now: impl Fn() -> Instant) -> Result<Ticket, CircuitOpen> {
        if let Some(after) = self.refusal(now) {
            return Err(CircuitOpen { after });
        }
        if let Phase::HalfOpen { under_way, .. } = &mut self.phase {
            *under_way += 1;
        }
        Ok(Ticket { generation: self.generation, round: self.round })
    }

    pub(super) fn refuses(
        &mut self,
        wait: Duration,
        now: impl Fn() -> Instant,
    ) -> Option<CircuitOpen> {
        let after = self.refusal(now)?;
        after.is_none_or(|after| after > wait).then_some(CircuitOpen { after })
    }

    pub(super) fn state(&mut self, now: impl Fn() -> Instant) -> CircuitState {
        self.age(now);
        self.last_state()
    }

    /// The state, whatever time has passed since.
    pub(super) fn last_state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
            Phase::Isolated => CircuitState::Isolated,
        }
    }

    pub(super) fn succeeded(&mut self, ticket: Ticket) {
        if ticket.generation != self.generation {
            return;
        }
        let is_counted = ticket.round == self.round;
        match &mut self.phase {
            Phase::Closed => self.calls.push(false),
            Phase::HalfOpen { under_way, succeeded, .. } => {
                *under_way = under_way.saturating_sub(is_counted.into());
                *succeeded += 1;
                if *succeeded >= self.trials {
                    self.close();
                }
            }
            Phase::Open { .. } | Phase::Isolated => {}
        }
    }

    pub(super) fn failed(&mut self, ticket: Ticket, now: impl Fn() -> Instant) {
        if ticket.generation != self.generation {
            return;
        }
        let opens = match self.phase {
            Phase::Closed => {
                self.calls.push(true);
                self.calls.reach(self.trip)
            }
            Phase::HalfOpen { .. } => true,
            Phase::Open { .. } | Phase::Isolated => false,
        };
        if opens {
            self.enter(Phase::Open { since: now() });
        }
    }

    /// A call ended without a verdict: another trial may take its place.
    pub(super) fn released(&mut self, ticket: Ticket) {
        if let Phase::HalfOpen { under_way, .. } = &mut self.phase
            && (ticket.generation, ticket.round) == (self.generation, self.round)
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    pub(super) fn isolate(&mut self) {
        self.enter(Phase::Isolated);
    }

    pub(super) fn close(&mut self) {
        self.calls = Calls::new(self.trip);
        self.enter(Phase::Closed);
    }

    /// When another try makes sense, where a call is refused now.
    fn refusal(&mut self, now: impl Fn() -> Instant) -> Option<Option<Duration>> {
        match self.phase {
            Phase::Closed => return None,
            Phase::Isolated => return Some(None),
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
        // Read once, so that what is refused now is not let through at once.
        let now = now();
        self.age(|| now);
        let left = |since| self.open_for.saturating_sub(now.saturating_duration_since(since));
        match self.phase {
            Phase::Closed => None,
            Phase::Isolated => Some(None),
            Phase::Open { since } => Some(Some(left(since))),
            Phase::HalfOpen { since, under_way, succeeded } => {
                (under_way + succeeded >= self.trials).then(|| Some(left(since)))
            }
        }
    }

    /// What the passing of time changes. Trial calls that are not heard of for
    /// as long as it was open make room for others, so that it cannot stay
    /// half-open for ever; should they end after all, their verdict counts.
    fn age(&mut self, now: impl Fn() -> Instant) {
        let (Phase::Open { since } | Phase::HalfOpen { since, .. }) = self.phase else { return };
        let now = now();
        if now.saturating_duration_since(since) < self.open_for {
            return;
        }
        match &mut self.phase {
            Phase::HalfOpen { since, under_way, .. } => {
                (*since, *under_way) = (now, 0);
                self.round = self.round.wrapping_add(1);
            }
            _ => self.enter(Phase::HalfOpen { since: now, under_way: 0, succeeded: 0 }),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation = self.generation.wrapping_add(1);
    }
}

impl Calls {
    fn new(trip: Trip) -> Self {
        let window = match trip {
            Trip::Consecutive { .. } => 0,
            Trip::Ratio { window, .. } => window as usize,
        };
        Self { ring: vec![false; window], ..Self::default() }
    }

    fn push(&mut self, failed: bool) {
        self.in_a_row = if failed { self.in_a_row.saturating_add(1) } else { 0 };
        let window = self.ring.len();
        if let Some(slot) = self.ring.get_mut(self.next) {
            self.failed = self.failed - u32::from(*slot) + u32::from(failed);
            *slot = failed;
            self.next = (self.next + 1) % window;
            self.filled = u32::try_from(window).map_or(self.filled, |w| (self.filled + 1).min(w));
        }
    }

    fn reach(&self, trip: Trip) -> bool {
        match trip {
            Trip::Consecutive { failures } => self.in_a_row >= failures,
            Trip::Ratio { percent, minimum, .. } => {
                let (failed, calls) = (u64::from(self.failed), u64::from(self.filled));
                self.filled >= minimum && failed * 100 >= calls * u64::from(percent)
            }
        }
    }
}
