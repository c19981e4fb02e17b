//! From the grant to the last handle.

use std::time::Duration;

use super::{Entry, Key, Outcome, Place, Refusal, Scheduler, State, Ticket};
use crate::event::{EventKind, UnloadReason};
use crate::model::{Candidate, ModelSpec};

/// With each load that runs out of memory its size is raised by a quarter.
const RAISE_PERCENT: u32 = 125;

/// Beyond that a size is no longer raised.
const RAISED_AT_MOST: u32 = 10_000;

/// Of so many models it is known at most that they ran out of memory.
const RAISED_MODELS: usize = 1_024;

/// Why nothing was reserved at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotReserved {
    NoRoom,
    NameTaken,
    Refused(Refusal),
}

impl Scheduler {
    /// Reserves memory at once, without evicting anything and past nobody who
    /// waits.
    pub(crate) fn reserve(&mut self, now: Duration, spec: &ModelSpec) -> Result<Key, NotReserved> {
        if self.is_closed {
            return Err(NotReserved::Refused(Refusal::Closed));
        }
        if self.named(&spec.name).is_some() {
            return Err(NotReserved::NameTaken);
        }
        // Whoever waits is first, wherever it might go.
        let awaited = self.is_awaited().then(|| self.awaited());
        let mut never = Refusal::NoDevice { reason: String::new() };
        let mut may_fit_later = false;
        for (rung, candidate) in spec.candidates.iter().enumerate() {
            match self.place(now, spec, candidate, awaited.as_ref().unwrap_or(&self.no_claims)) {
                Place::Fits(shares) => {
                    return Ok(self.begin_load(now, spec.clone(), rung, &shares));
                }
                Place::TooLarge { largest } => {
                    never = Refusal::TooLarge { bytes: candidate.bytes(), largest };
                }
                Place::NoDevice => {}
                Place::Coming(_) | Place::Evict(..) | Place::Busy(_) => may_fit_later = true,
            }
        }
        match may_fit_later {
            true => Err(NotReserved::NoRoom),
            false => Err(NotReserved::Refused(match never {
                Refusal::NoDevice { .. } => Refusal::NoDevice { reason: self.what_there_is() },
                other => other,
            })),
        }
    }

    /// It is loaded, and takes so much if the loader saw it. Whoever waited
    /// for it uses it now.
    pub(crate) fn loaded(&mut self, now: Duration, key: Key, observed: Option<u64>) {
        let took = self.change(now, key, |entry| {
            let State::Loading { since } = entry.state else { return None };
            entry.state = State::Ready;
            (entry.ready_since, entry.last_used) = (now, now);
            observe(entry, observed);
            Some(now.saturating_sub(since))
        });
        let Some(Some(took)) = took else { return };
        let entry = &self.entries[&key];
        let (model, variant) = (entry.name(), entry.variant());
        let told = observed.map(|observed| (entry.estimate(), observed));
        let asked = entry.spec.candidates.get(entry.rung).map(Candidate::bytes);
        if observed.is_some() && observed <= asked {
            // It takes no more than was said: memory ran out for another reason.
            self.raised.remove(&(model.clone(), variant.clone()));
        }
        self.tell(now, EventKind::Loaded { model: model.clone(), variant, took });
        if let Some((estimate, observed)) = told {
            self.tell_exceeded(now, model, estimate, observed);
        }
        for ticket in self.joined(key) {
            self.hold(now, key);
            self.answer(ticket, Outcome::Use(key));
        }
        self.serve(now);
    }

    /// It could not be loaded. `loader` is the one whose task it was.
    pub(crate) fn load_failed(
        &mut self,
        now: Duration,
        key: Key,
        loader: Option<Ticket>,
        is_out_of_memory: bool,
    ) {
        let Some(entry) = self.entries.get(&key) else { return };
        if !matches!(entry.state, State::Loading { .. }) {
            return;
        }
        self.counts.load_failed += 1;
        self.counts.out_of_memory += u64::from(is_out_of_memory);
        let (model, variant, rung) = (entry.name(), entry.variant(), entry.rung);
        let devices = entry.devices();
        let failed = EventKind::LoadFailed {
            model: model.clone(),
            variant: variant.clone(),
            is_out_of_memory,
        };
        self.tell(now, failed);
        let joined = self.joined(key);
        // What it had taken by then comes back, or does not: as from an
        // unloader that is done.
        self.disturb(key);
        self.begin_verify(now, key, now, true);
        if is_out_of_memory {
            if self.raised.len() >= RAISED_MODELS {
                self.raised.clear();
            }
            let raised = self.raised.entry((model, variant)).or_insert(100);
            *raised = (*raised * RAISE_PERCENT / 100).min(RAISED_AT_MOST);
            for device in devices {
                self.evict_idle(now, device);
            }
        }
        for ticket in joined {
            let is_last = match self.waiters.get_mut(&ticket) {
                None => continue,
                Some(waiter) => {
                    waiter.joined = None;
                    let is_loader = Some(ticket) == loader;
                    is_loader && !waiter.tries_on(rung, is_out_of_memory)
                }
            };
            if is_last {
                self.answer(ticket, Outcome::Failed);
            }
        }
        self.serve(now);
    }

    /// Nobody is going to load it.
    pub(crate) fn withdraw(&mut self, now: Duration, key: Key) {
        let is_loading = |entry: &Entry| matches!(entry.state, State::Loading { .. });
        if !self.entries.get(&key).is_some_and(is_loading) {
            return;
        }
        for ticket in self.joined(key) {
            self.waiters.entry(ticket).and_modify(|waiter| waiter.joined = None);
        }
        self.strike(now, key);
        self.serve(now);
    }

    /// One more handle on it.
    pub(crate) fn hold(&mut self, now: Duration, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.refs += 1;
            entry.uses += 1;
            entry.last_used = now;
        }
    }

    /// One handle less.
    pub(crate) fn release(&mut self, now: Duration, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.refs -= 1;
        entry.last_used = now;
        if entry.refs > 0 {
            return;
        }
        if entry.is_draining {
            self.begin_unload(now, key, UnloadReason::Pressure);
        }
        self.serve(now);
    }

    fn joined(&self, key: Key) -> Vec<Ticket> {
        let joined = self.waiters.iter().filter(|(_, waiter)| waiter.joined == Some(key));
        joined.map(|(ticket, _)| *ticket).collect()
    }

    /// Whether somebody waits for memory.
    fn is_awaited(&self) -> bool {
        let waits = |waiter: &super::Waiter| waiter.joined.is_none() && waiter.outcome.is_none();
        self.waiters.values().any(waits)
    }

    /// All of each device that those who wait might get.
    fn awaited(&self) -> Vec<u64> {
        let mut claims = vec![0; self.devices.len()];
        let waits = |waiter: &&super::Waiter| waiter.joined.is_none() && waiter.outcome.is_none();
        for waiter in self.waiters.values().filter(waits) {
            for candidate in waiter.spec.candidates.iter().skip(waiter.first_rung) {
                self.eligible(candidate).for_each(|index| claims[index] = u64::MAX);
            }
        }
        claims
    }

    pub(super) fn tell_exceeded(
        &mut self,
        now: Duration,
        model: std::sync::Arc<str>,
        estimate: u64,
        observed: u64,
    ) {
        if observed > estimate.saturating_add(estimate / 10) {
            self.tell(now, EventKind::EstimateExceeded { model, estimate, observed });
        }
    }
}

impl super::Waiter {
    /// What comes after a load that failed: once more after it ran out of
    /// memory, then the next candidate; false if there is nothing left.
    fn tries_on(&mut self, rung: usize, is_out_of_memory: bool) -> bool {
        if !is_out_of_memory {
            return false;
        }
        if !std::mem::replace(&mut self.is_second_try, true) {
            self.first_rung = rung;
            return true;
        }
        self.is_second_try = false;
        self.first_rung = rung + 1;
        self.first_rung < self.spec.candidates.len()
    }
}

impl Entry {
    pub(super) fn estimate(&self) -> u64 {
        self.shares.iter().map(|share| share.estimate).sum()
    }
}

/// Notes what the loader saw, which it tells of all devices together.
pub(super) fn observe(entry: &mut Entry, observed: Option<u64>) {
    let (Some(observed), estimate) = (observed, entry.estimate()) else { return };
    for share in &mut entry.shares {
        let part = u128::from(observed) * u128::from(share.estimate) / u128::from(estimate.max(1));
        share.observed = Some(u64::try_from(part).unwrap_or(u64::MAX));
        (share.is_told, share.before) = (true, None);
    }
}
