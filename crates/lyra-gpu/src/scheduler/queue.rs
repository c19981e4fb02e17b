//! Those who wait for a model, by priority and then by the order in which they
//! came.
//!
//! Whoever waits holds no memory, so that nobody waits for each other. What
//! the first one waits for on a device is claimed by it: nobody who came later
//! takes it, unless that one waits for models in use, whose end nobody knows;
//! then those who fit as it is may go before it, a bounded number of times.

use std::task::Waker;
use std::time::Duration;

use super::place::{Shares, is_answering};
use super::{
    Condition, Entry, Key, Outcome, Place, Refusal, Scheduler, Share, State, Ticket, Waiter,
};
use crate::event::{EventKind, UnloadReason};
use crate::model::ModelSpec;
use crate::policy::Degrade;

/// What one who waits can do now.
enum Turn {
    Join(Key),
    Grant(usize, Shares),
    Evict(Shares, Vec<Key>),
    /// These would have to leave in any case; whether that is enough, only
    /// their leaving shows.
    Probe(Shares, Vec<Key>),
    /// For what is leaving.
    Wait(Shares),
    /// For models in use, and strangers.
    WaitForUsers(Shares),
    /// For an instance of the same name to be gone.
    WaitForItself,
    /// An instance of the same name has lost its device.
    Forsake(Key),
    Refuse(Refusal),
}

impl Scheduler {
    /// Stands in line for a model; see [`look`](Self::look).
    pub(crate) fn request(&mut self, now: Duration, spec: ModelSpec) -> Ticket {
        let ticket = (std::cmp::Reverse(spec.priority), self.next_serial());
        let waiter = Waiter {
            spec,
            waker: None,
            outcome: self.is_closed.then_some(Outcome::Refused(Refusal::Closed)),
            joined: None,
            overtaken: 0,
            first_rung: 0,
            is_second_try: false,
        };
        self.waiters.insert(ticket, waiter);
        self.serve(now);
        ticket
    }

    /// What became of one who waits; if nothing yet, it is woken then. What is
    /// left in `waker` is to be dropped when the lock is free.
    pub(crate) fn look(&mut self, ticket: Ticket, waker: &mut Option<Waker>) -> Option<Outcome> {
        let waiter = self.waiters.get_mut(&ticket)?;
        match waiter.outcome.take() {
            Some(outcome) => {
                if !matches!(outcome, Outcome::Load(_)) {
                    self.waiters.remove(&ticket);
                }
                Some(outcome)
            }
            None => {
                std::mem::swap(&mut waiter.waker, waker);
                None
            }
        }
    }

    /// Leaves the line. What it was given goes on to the others.
    pub(crate) fn leave(&mut self, now: Duration, ticket: Ticket) -> Option<Waker> {
        let waiter = self.waiters.remove(&ticket)?;
        match waiter.outcome {
            Some(Outcome::Use(key)) => self.release(now, key),
            // Nobody has begun to load it.
            Some(Outcome::Load(key)) => self.withdraw(now, key),
            _ => {}
        }
        self.serve(now);
        waiter.waker
    }

    /// Serves whoever can be served now.
    pub(crate) fn serve(&mut self, now: Duration) {
        if self.is_closed || self.waiters.is_empty() {
            return;
        }
        let mut claims = vec![0_u64; self.devices.len()];
        // Those who wait for users, and what they claim if it comes to that.
        let mut patient: Vec<(Ticket, Shares)> = Vec::new();
        let tickets: Vec<Ticket> = self.waiters.keys().copied().collect();
        for ticket in tickets {
            let Some(waiter) = self.waiters.get(&ticket) else { continue };
            if waiter.outcome.is_some() || waiter.joined.is_some() {
                continue;
            }
            match self.turn(now, waiter, &claims) {
                Turn::Join(key) => self.join(now, ticket, key),
                Turn::Grant(rung, shares) => {
                    self.note_overtaken(&patient, &shares);
                    self.grant(now, ticket, rung, &shares);
                    // Whoever was passed often enough by now is passed no more.
                    patient.retain(|(ticket, shares)| {
                        let is_patient = self.is_patient(*ticket);
                        if !is_patient {
                            claim(&mut claims, shares);
                        }
                        is_patient
                    });
                }
                Turn::Evict(shares, victims) => self.make_room(now, &shares, victims, &mut claims),
                Turn::Probe(shares, victims) => {
                    for (device, _) in &shares {
                        let device = &mut self.devices[*device];
                        (device.is_probed, device.probed_at) = (true, now);
                    }
                    self.make_room(now, &shares, victims, &mut claims);
                }
                Turn::Wait(shares) => claim(&mut claims, &shares),
                Turn::WaitForUsers(shares) => match self.is_patient(ticket) {
                    true => patient.push((ticket, shares)),
                    false => claim(&mut claims, &shares),
                },
                Turn::WaitForItself => {}
                Turn::Forsake(key) => self.begin_unload(now, key, UnloadReason::Lost),
                Turn::Refuse(refusal) => self.answer(ticket, Outcome::Refused(refusal)),
            }
        }
    }

    /// These leave for one that waits, and nobody else takes what they bring.
    fn make_room(&mut self, now: Duration, shares: &Shares, victims: Vec<Key>, claims: &mut [u64]) {
        for victim in victims {
            self.begin_unload(now, victim, UnloadReason::Needed);
        }
        claim(claims, shares);
        self.plans += 1;
    }

    fn turn(&self, now: Duration, waiter: &Waiter, claims: &[u64]) -> Turn {
        let spec = &waiter.spec;
        match self.named(&spec.name) {
            Some((key, entry)) if self.is_lost(entry) => match entry.is_idle() {
                true => return Turn::Forsake(key),
                false if self.is_dead(entry) => {}
                false => return Turn::WaitForItself,
            },
            Some((key, entry)) if entry.is_usable() => return Turn::Join(key),
            Some((_, entry)) if self.is_dead(entry) => {}
            Some(_) => return Turn::WaitForItself,
            None => {}
        }
        let first = waiter.first_rung.min(spec.candidates.len().saturating_sub(1));
        let rungs = spec.candidates.iter().enumerate().skip(first);
        let places: Vec<(usize, Place)> = rungs
            .map(|(rung, candidate)| (rung, self.place(now, spec, candidate, claims)))
            .collect();
        if self.policy.degrade != Degrade::PreferQuality
            && let Some(turn) = places.iter().find_map(as_it_is)
        {
            return turn;
        }
        let mut waits = None;
        for (rung, place) in &places {
            match place {
                Place::Fits(shares) => return Turn::Grant(*rung, shares.clone()),
                Place::Coming(shares) => return Turn::Wait(shares.clone()),
                Place::Evict(shares, victims) if self.policy.degrade != Degrade::NoEvict => {
                    return Turn::Evict(shares.clone(), victims.clone());
                }
                Place::Evict(shares, _) | Place::Busy(shares) => {
                    waits.get_or_insert_with(|| shares.clone());
                }
                Place::TooLarge { .. } | Place::NoDevice => {}
            }
        }
        if let Some(shares) = waits {
            return match self.probe(now, spec.priority, &shares, claims) {
                Some(victims) => Turn::Probe(shares, victims),
                None => Turn::WaitForUsers(shares),
            };
        }
        Turn::Refuse(self.refusal(spec, &places))
    }

    /// Whether a device is lost that it is on, and itself with it.
    fn is_lost(&self, entry: &Entry) -> bool {
        let is_lost = |share: &Share| self.devices[share.device].condition == Condition::Lost;
        matches!(entry.state, State::Ready | State::Verifying { .. })
            && entry.shares.iter().any(is_lost)
    }

    /// Whether it was ended by force, and nobody can see whether that helped:
    /// another instance need not wait for that.
    fn is_dead(&self, entry: &Entry) -> bool {
        matches!(entry.state, State::Verifying { is_killed: true, .. })
            && !entry.shares.iter().all(|share| is_answering(self, share.device))
    }

    fn refusal(&self, spec: &ModelSpec, places: &[(usize, Place)]) -> Refusal {
        let largest = places.iter().filter_map(|(rung, place)| match place {
            Place::TooLarge { largest } => Some((spec.candidates[*rung].bytes(), *largest)),
            _ => None,
        });
        match largest.min() {
            Some((bytes, largest)) => Refusal::TooLarge { bytes, largest },
            None => Refusal::NoDevice { reason: self.what_there_is() },
        }
    }

    fn join(&mut self, now: Duration, ticket: Ticket, key: Key) {
        let is_ready = self.entries.get(&key).is_some_and(|entry| entry.state == State::Ready);
        if is_ready {
            self.counts.joined += 1;
            self.hold(now, key);
            self.answer(ticket, Outcome::Use(key));
        } else if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.joined = Some(key);
        }
    }

    fn grant(&mut self, now: Duration, ticket: Ticket, rung: usize, shares: &Shares) {
        let Some(waiter) = self.waiters.get(&ticket) else { return };
        let spec = waiter.spec.clone();
        let key = self.begin_load(now, spec, rung, shares);
        self.answer(ticket, Outcome::Load(key));
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.joined = Some(key);
        }
    }

    /// Reserves memory for a load.
    pub(super) fn begin_load(
        &mut self,
        now: Duration,
        spec: ModelSpec,
        rung: usize,
        shares: &Shares,
    ) -> Key {
        let (name, variant) = (spec.name.clone(), spec.candidates[rung].variant.clone());
        self.counts.admitted += 1;
        if rung > 0 {
            self.counts.degraded += 1;
            let (model, from) = (name.clone(), spec.candidates[0].variant.clone());
            self.tell(now, EventKind::Degraded { model, from, to: variant.clone() });
        }
        for (device, bytes) in if self.is_heard { shares.as_slice() } else { &[] } {
            let device = self.devices[*device].info.id.clone();
            let (model, variant) = (name.clone(), variant.clone());
            self.tell(now, EventKind::Loading { model, variant, device, bytes: *bytes });
        }
        let shares = shares.iter().map(|(index, bytes)| {
            let device = &mut self.devices[*index];
            device.moves += 1;
            // With a reading of before the last load, this one would seem to
            // take what both do.
            let is_alone = device.sums.is_still() && device.is_current;
            let before = is_alone.then(|| (device.unavailable(), device.moves));
            Share { before, ..Share::new(*index, *bytes) }
        });
        let shares = shares.collect();
        let entry = Entry {
            spec,
            rung,
            shares,
            state: State::Loading { since: now },
            refs: 0,
            uses: 0,
            last_used: now,
            ready_since: now,
            is_draining: false,
        };
        let key = self.enter(now, entry);
        self.names.insert(name, key);
        key
    }

    pub(super) fn answer(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.outcome = Some(outcome);
            waiter.joined = None;
            self.effects.extend(waiter.waker.take().map(super::Effect::Wake));
        }
    }

    /// Whether others may still go before this one.
    fn is_patient(&self, ticket: Ticket) -> bool {
        let overtaken = self.waiters.get(&ticket).map(|waiter| waiter.overtaken);
        overtaken.is_some_and(|overtaken| overtaken < self.policy.max_overtakes)
    }

    fn note_overtaken(&mut self, patient: &[(Ticket, Shares)], shares: &Shares) {
        for (ticket, claimed) in patient {
            let is_shared = claimed.iter().any(|(a, _)| shares.iter().any(|(b, _)| a == b));
            if is_shared && let Some(waiter) = self.waiters.get_mut(ticket) {
                waiter.overtaken += 1;
            }
        }
    }
}

/// A rung that needs nobody to leave, where that comes first.
fn as_it_is((rung, place): &(usize, Place)) -> Option<Turn> {
    match place {
        Place::Fits(shares) => Some(Turn::Grant(*rung, shares.clone())),
        _ => None,
    }
}

fn claim(claims: &mut [u64], shares: &Shares) {
    for (device, bytes) in shares {
        claims[*device] = claims[*device].saturating_add(*bytes);
    }
}
