//! How a pool stands, as a status and in its errors.

use std::time::Duration;

use lyra_errors::{Location, Recovery};
use tokio::time::Instant;

use super::creation::Failure;
use super::error::{PoolError, PoolUsage};
use super::manager::Manager;
use super::mark::Phase;
use super::shared::{PoolState, Shared};
use super::status::{HeldResource, PoolCounts, PoolStatus};
use crate::atomics::MutexGuard;
use crate::events;
use crate::holder::Holder;
use crate::series;

impl<M: Manager> Shared<M> {
    pub(crate) fn status(&self) -> PoolStatus {
        let (now, state) = self.look();
        // Read once each: what is taken and given back meanwhile is counted
        // once, too.
        let phases: Vec<_> = state.slots.iter().map(|slot| slot.mark.phase()).collect();
        let in_phase = |phase| phases.iter().filter(|one| **one == phase).count();
        let acquired = state.slots.iter().map(|slot| slot.mark.uses()).sum();
        PoolStatus {
            name: self.name.clone(),
            max_size: self.settings.max_size,
            size: state.size(),
            idle: in_phase(Phase::Idle),
            in_use: in_phase(Phase::InUse),
            checking: in_phase(Phase::Checking),
            creating: state.creating(),
            waiting: state.waiting(),
            is_closed: state.is_closed(),
            failures_in_a_row: state.failures_in_a_row(),
            last_failure: state.last_failure.clone(),
            counts: PoolCounts { acquired, ..state.counts },
            held: held::<M>(&state, now),
        }
    }

    /// Who holds a resource for longer than the threshold; `mark` does it for
    /// those alone who were not reported yet, and notes that they are.
    pub(crate) fn long_held(&self, mark: bool) -> Vec<HeldResource> {
        let Some(threshold) = self.settings.leak_threshold else { return Vec::new() };
        let (now, mut state) = self.look();
        let mut held = held::<M>(&state, now);
        held.retain(|held| held.held_for >= Some(threshold));
        if mark {
            held.retain(|held| !state.slots[held.slot].is_reported);
            held.iter().for_each(|held| state.slots[held.slot].is_reported = true);
        }
        held
    }

    /// What did not come back until now.
    pub(crate) fn not_returned(&self, waited: Duration, location: Location) -> PoolError<M::Error> {
        let (now, state) = self.look();
        let (held, creating) = (held::<M>(&state, now), state.creating());
        PoolError::NotReturned { name: self.name.clone(), waited, held, creating, location }
    }

    #[cold]
    pub(crate) fn timed_out(&self, waited: Duration, location: Location) -> PoolError<M::Error> {
        let (usage, holder) = self.usage();
        series::timed_out("pool", &self.name);
        events::timed_out("pool", &self.name, waited, holder.as_ref(), location);
        PoolError::Timeout { name: self.name.clone(), waited, usage, holder, location }
    }

    #[cold]
    pub(crate) fn busy(&self, location: Location) -> PoolError<M::Error> {
        if self.lock().is_closed() {
            return self.closed(location);
        }
        let (usage, holder) = self.usage();
        PoolError::Busy { name: self.name.clone(), usage, holder, location }
    }

    pub(crate) fn closed(&self, location: Location) -> PoolError<M::Error> {
        PoolError::Closed { name: self.name.clone(), location }
    }

    pub(crate) fn no_runtime(&self, location: Location) -> PoolError<M::Error> {
        PoolError::NoRuntime { name: self.name.clone(), location }
    }

    pub(crate) fn create_failed(
        &self,
        failure: Failure<M::Error>,
        location: Location,
    ) -> PoolError<M::Error> {
        let name = self.name.clone();
        match failure {
            Failure::Error(source) => {
                // The user's own code, which may panic.
                let recovery = self.guarded(|| self.manager.recovery(&source));
                let recovery = recovery.unwrap_or(Recovery::Permanent);
                PoolError::CreateFailed { name, source, recovery, location }
            }
            Failure::TimedOut => {
                let timeout = self.settings.create_timeout;
                PoolError::CreateTimedOut { name, timeout, location }
            }
            Failure::Panicked(message) => PoolError::CreatePanicked { name, message, location },
        }
    }

    /// The time, and the state at that time.
    fn look(&self) -> (Instant, MutexGuard<'_, PoolState<M>>) {
        let now = Instant::now();
        let mut state = self.lock();
        if self.settings.leak_threshold.is_some() {
            state.note_unseen(now);
        }
        (now, state)
    }

    fn usage(&self) -> (PoolUsage, Option<Holder>) {
        let state = self.lock();
        let usage = PoolUsage {
            max_size: self.settings.max_size,
            in_use: state.slots.iter().filter(|slot| slot.is_in_use()).count(),
            creating: state.creating(),
            failures_in_a_row: state.failures_in_a_row(),
        };
        (usage, state.longest_held().and_then(|slot| slot.mark.holder()))
    }
}

/// Who holds what, the longest first.
fn held<M: Manager>(state: &PoolState<M>, now: Instant) -> Vec<HeldResource> {
    let slots = state.slots.iter().enumerate();
    let mut held: Vec<_> = slots.filter(|(_, slot)| slot.is_in_use()).collect();
    held.sort_by_key(|(_, slot)| slot.mark.serial());
    held.into_iter()
        .map(|(index, slot)| HeldResource {
            slot: index,
            holder: slot.mark.holder(),
            held_for: slot.since.map(|since| now.saturating_duration_since(since)),
        })
        .collect()
}
