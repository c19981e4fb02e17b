//! What holds after each call of the scheduler, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::World;
use crate::bytes::percent_of;
use crate::event::{EventKind, UnloadReason};
use crate::level::Level;
use crate::policy::Policy;
use crate::scheduler::device::Sums;
use crate::scheduler::{Condition, Effect, Entry, Key, Scheduler, Share, State};

/// What a size that a loader told of several cards may be off on each.
const ROUNDED: u64 = 2;

/// The books as they were.
pub(super) struct Before {
    entries: BTreeMap<Key, Line>,
    /// How many effects had not been carried out.
    effects: usize,
    plans: u64,
}

struct Line {
    state: State,
    bytes: u64,
    devices: Vec<usize>,
}

impl Before {
    pub(super) fn of(scheduler: &Scheduler) -> Self {
        let line = |entry: &Entry| Line {
            state: entry.state,
            bytes: entry.bytes(),
            devices: entry.devices(),
        };
        Self {
            entries: scheduler.entries.iter().map(|(key, entry)| (*key, line(entry))).collect(),
            effects: scheduler.effects.len(),
            plans: scheduler.plans,
        }
    }
}

impl World {
    pub(super) fn check(&mut self, before: &Before) {
        self.check_sums();
        self.check_admissions(before);
        self.check_departures(before);
        self.check_victims(before);
        self.check_names();
        self.note_given_up(before);
        if self.is_honest {
            self.check_truth();
        }
    }

    /// The ledger is the sum of its lines.
    fn check_sums(&self) {
        let mut sums = vec![Sums::default(); self.cards.len()];
        for entry in self.scheduler.entries.values() {
            for share in &entry.shares {
                let sums = &mut sums[share.device];
                *match entry.state {
                    State::Loading { .. } => &mut sums.loading,
                    State::Ready => &mut sums.ready,
                    State::Unloading { .. } => &mut sums.unloading,
                    State::Verifying { .. } => &mut sums.verifying,
                    State::Quarantined => &mut sums.quarantined,
                } += share.bytes();
                if !matches!(entry.state, State::Loading { .. }) {
                    sums.taken += share.expected();
                }
            }
        }
        let booked: Vec<Sums> = self.scheduler.devices.iter().map(|device| device.sums).collect();
        assert_eq!(booked, sums, "the ledger differs from its lines");
    }

    /// Nothing is admitted above the mark, nor where nothing can be read.
    fn check_admissions(&self, before: &Before) {
        for (key, entry) in &self.scheduler.entries {
            let is_admitted = matches!(entry.state, State::Loading { .. });
            if !is_admitted || before.entries.contains_key(key) {
                continue;
            }
            for share in &entry.shares {
                let device = &self.scheduler.devices[share.device];
                assert_eq!(device.condition, Condition::Measured, "{key} on a device unseen");
                let lines = self.scheduler.entries.values().flat_map(|entry| &entry.shares);
                let lines = lines.filter(|line| line.device == share.device);
                let committed: u64 = lines.map(Share::bytes).sum();
                let cap = device.cap(&self.scheduler.policy);
                let external = device.external;
                assert!(
                    external + committed <= cap,
                    "{key} admitted: {external} of others and {committed} are over {cap}"
                );
            }
        }
    }

    /// Whoever leaves stays on the books, with every byte, until the device
    /// has shown it as free.
    fn check_departures(&self, before: &Before) {
        for (key, line) in &before.entries {
            let Some(entry) = self.scheduler.entries.get(key) else {
                let (state, was_unloading) =
                    (line.state, matches!(line.state, State::Unloading { .. }));
                let is_seen = line.devices.iter().any(|device| self.is_seen(*device));
                assert!(!was_unloading || !is_seen, "{key} is off the books and was {state:?}");
                continue;
            };
            let may_shrink = matches!(entry.state, State::Quarantined) || entry.shares.len() > 1;
            if !may_shrink && !matches!(entry.state, State::Loading { .. } | State::Ready) {
                assert!(entry.bytes() >= line.bytes, "{key} lost bytes while it left");
            }
        }
    }

    /// Whether the device can show what it has.
    fn is_seen(&self, device: usize) -> bool {
        let condition = self.scheduler.devices[device].condition;
        !matches!(condition, Condition::Lost | Condition::Unmeasured)
    }

    /// Nobody in use is unloaded, and nobody who is not needed.
    fn check_victims(&self, before: &Before) {
        let mut needed = Vec::new();
        for (key, entry) in &self.scheduler.entries {
            let State::Unloading { reason, .. } = entry.state else { continue };
            assert_eq!(entry.refs, 0, "{key} is in use and unloaded");
            if before.entries.get(key).is_none_or(|line| line.state != State::Ready) {
                continue;
            }
            assert!(
                matches!(reason, UnloadReason::Asked | UnloadReason::Lost) || !entry.spec.is_pinned,
                "{key} is pinned and unloaded"
            );
            let is_probe = |share: &Share| self.scheduler.devices[share.device].is_probed;
            if reason == UnloadReason::Needed && !entry.shares.iter().any(is_probe) {
                needed.push(*key);
            }
        }
        let ran_out = self.scheduler.effects[before.effects..].iter().any(|effect| {
            let Effect::Tell(event) = effect else { return false };
            matches!(event.kind, EventKind::LoadFailed { is_out_of_memory: true, .. })
        });
        // Strangers and lies change what is needed from one moment to the next.
        // Each plan is for one that waits, in their order: of two that were made
        // at once, the second may bring what would have done for the first.
        let is_one = self.scheduler.plans - before.plans <= 1;
        if !ran_out && self.is_honest && is_one {
            needed.into_iter().for_each(|victim| self.check_needed(victim));
        }
    }

    /// Whoever waits could not all be served without this one.
    fn check_needed(&self, victim: Key) {
        let is_needed = self.scheduler.entries[&victim].shares.iter().any(|share| {
            let device = &self.scheduler.devices[share.device];
            let waiting = self.scheduler.waiters.values();
            let waiting =
                waiting.filter(|waiter| waiter.outcome.is_none() && waiter.joined.is_none());
            let wanted: i128 = waiting
                .map(|waiter| {
                    let spec = &waiter.spec;
                    let sizes = spec.candidates.iter().flat_map(|candidate| {
                        let raised = |peak: &u64| self.scheduler.raised_by(spec, candidate, *peak);
                        candidate.peaks.iter().map(raised)
                    });
                    i128::from(sizes.max().unwrap_or(0))
                })
                .sum();
            let coming = i128::from(device.sums.coming());
            let without =
                device.room(&self.scheduler.policy, 0) + coming - i128::from(share.bytes());
            without < wanted
        });
        assert!(is_needed, "{victim} leaves, and nobody needs it");
    }

    /// One instance of each name, but for those that were ended by force and
    /// could not be seen to have gone.
    fn check_names(&self) {
        let mut names = BTreeSet::new();
        for (key, entry) in &self.scheduler.entries {
            let is_named = !matches!(
                entry.state,
                State::Quarantined | State::Verifying { is_killed: true, .. }
            );
            assert!(
                !is_named || names.insert(entry.spec.name.as_ref()),
                "{key} is a second instance of {}",
                entry.spec.name
            );
        }
    }

    /// What is given up, somebody else has from then on.
    fn note_given_up(&mut self, before: &Before) {
        let gives_up = self.scheduler.effects[before.effects..].iter().any(|effect| {
            matches!(effect, Effect::Tell(event) if matches!(event.kind, EventKind::UnloadUnverified { .. }))
        });
        if gives_up {
            let gone = before.entries.iter().filter(|(key, line)| {
                matches!(line.state, State::Verifying { .. })
                    && !self.scheduler.entries.contains_key(key)
            });
            self.given_up.extend(gone.map(|(key, _)| *key));
        }
    }

    /// With honest estimates and strangers that stand still, the books cover
    /// all that is taken, but for the tenth that a driver may keep of what came
    /// back, and the cards never get critical.
    fn check_truth(&self) {
        for (index, card) in self.cards.iter().enumerate() {
            let device = &self.scheduler.devices[index];
            if device.condition == Condition::Unread {
                continue;
            }
            let (used, projected) = (card.used(), device.projected());
            let is_off = |key: &Key| {
                !self.scheduler.entries.contains_key(key) && !self.given_up.contains(key)
            };
            let off: u64 =
                card.left().iter().filter(|(key, _)| is_off(key)).map(|(_, bytes)| bytes).sum();
            assert!(
                used <= projected + off.min(card.total / 10),
                "card {index}: {used} are taken, the books say {projected}, {off} are off them"
            );
            let critical = percent_of(card.total, self.scheduler.policy.marks().critical);
            assert!(used <= critical, "card {index}: {used} are taken, over {critical}");
        }
    }

    /// Nobody sleeps whose turn has come, and every handle is counted.
    pub(super) fn check_settled(&self) {
        for (ticket, waiter) in &self.scheduler.waiters {
            assert!(waiter.outcome.is_none(), "{ticket:?} was not woken");
            let most = self.scheduler.policy.max_overtakes;
            assert!(waiter.overtaken <= most, "{ticket:?} was overtaken {}", waiter.overtaken);
        }
        for (key, entry) in &self.scheduler.entries {
            let handles = self.handles.iter().filter(|handle| *handle == key).count();
            assert_eq!(entry.refs, handles, "handles of {key}");
        }
    }

    /// Everybody was served, and what is on the books is there.
    pub(super) fn check_ended(&self) {
        let waiting = self.scheduler.waiters.values().map(|waiter| {
            (&waiter.spec.name, &waiter.spec.candidates, waiter.spec.priority, waiter.joined)
        });
        let waiting: Vec<_> = waiting.collect();
        let books: Vec<_> =
            self.scheduler.devices.iter().map(super::super::Device::books).collect();
        let entries = &self.scheduler.entries;
        assert!(self.line.is_empty(), "still waiting: {waiting:?} on {books:?} with {entries:?}");
        assert_eq!(self.scheduler.waiting(), 0);
        for (index, card) in self.cards.iter().enumerate() {
            let device = &self.scheduler.devices[index];
            assert!(!card.is_returning());
            let entries = self.scheduler.entries.values();
            let lines: Vec<_> = entries.map(|entry| (&entry.state, &entry.shares)).collect();
            let sums = device.sums;
            assert!(sums.is_still(), "card {index} is not at rest: {lines:?}");
            // Who takes what another one gave back keeps that in quarantine,
            // but no more is counted than is there.
            assert!(!self.is_honest || sums.quarantined <= ROUNDED, "card {index}: {lines:?}");
            let beside = device.unavailable().saturating_sub(sums.taken - sums.quarantined);
            assert!(sums.quarantined <= beside, "card {index}, {beside} are there: {lines:?}");
            assert!(card.used() <= device.projected(), "card {index}: more is taken than booked");
        }
    }
}

/// What a device has shown lately.
#[derive(Debug, Default, Clone)]
pub(super) struct Readings(Vec<(Duration, u64, u64)>);

impl Readings {
    pub(super) fn push(&mut self, at: Duration, used: u64, total: u64) {
        self.0.push((at, used, total));
    }

    /// No level without its mark, and none that flaps.
    pub(super) fn check(&self, at: Duration, from: Level, to: Level, policy: &Policy) {
        let marks = policy.marks();
        let is_over = |percent: u8, back: usize| {
            let Some((_, used, total)) = self.0.iter().rev().nth(back) else { return false };
            *used >= percent_of(*total, percent)
        };
        match (from, to) {
            (_, Level::Critical) => assert!(is_over(marks.critical, 0), "critical too early"),
            (Level::Normal, _) => {
                assert!(is_over(marks.warning, 0) && is_over(marks.warning, 1), "too early");
            }
            (_, _) => {
                let clear = match from {
                    Level::Critical => marks.critical_clear,
                    _ => marks.warning_clear,
                };
                let since = at.saturating_sub(policy.transition);
                let lately = self.0.iter().rev().take_while(|(when, ..)| *when >= since);
                let was_over =
                    lately.clone().any(|(_, used, total)| *used >= percent_of(*total, clear));
                let was_read = self.0.first().is_some_and(|(when, ..)| *when <= since);
                assert!(was_read && !was_over, "from {from} to {to} within the transition");
            }
        }
    }
}
