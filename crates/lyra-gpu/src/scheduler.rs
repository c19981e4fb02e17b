//! The whole of the decisions, without a clock, a runtime or a device: what is
//! there, who waits, and what is to be done.
//!
//! Times are counted from the start of the manager. Whatever is to be done
//! comes out as [`Effect`]s, to be carried out when the lock is free again.

mod device;
mod entry;
mod idle;
mod ledger;
mod loads;
mod place;
mod pressure;
mod probe;
mod queue;
mod readings;
mod registry;
mod split;
mod unloads;
#[cfg(test)]
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::event::{Event, EventKind};
use crate::model::ModelSpec;
use crate::policy::Policy;
use crate::source::DeviceInfo;

pub(crate) use device::{Condition, Device};
pub(crate) use entry::{Entry, Key, Share, State};
pub(crate) use loads::NotReserved;
pub(crate) use place::Place;
pub(crate) use readings::Read;
pub(crate) use registry::Unregistered;

/// Who waits; the order is that in which they are served.
pub(crate) type Ticket = (Reverse<i8>, u64);

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Scheduler {
    pub(crate) policy: Policy,
    pub(crate) devices: Vec<Device>,
    pub(crate) entries: BTreeMap<Key, Entry>,
    /// The instance of each name, until its memory is back or in quarantine.
    names: HashMap<Arc<str>, Key>,
    waiters: BTreeMap<Ticket, Waiter>,
    /// By how many percent a candidate's sizes are to be raised, since it ran
    /// out of memory with less.
    raised: HashMap<(Arc<str>, Arc<str>), u32>,
    serial: u64,
    effects: Vec<Effect>,
    events: u64,
    /// How often models were asked to leave for somebody who waits.
    plans: u64,
    /// Whether anybody listens to events; else there are none.
    pub(crate) is_heard: bool,
    /// What is claimed of each device where nobody waits.
    no_claims: Vec<u64>,
    is_closed: bool,
    pub(crate) counts: Counts,
}

/// Something to do when the lock is free.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) enum Effect {
    Wake(Waker),
    /// Ask its unloader.
    Unload(Key),
    /// End it by force.
    Kill(Key),
    /// It is gone, and so is what belongs to it.
    Forget(Key),
    Tell(Event),
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Waiter {
    spec: ModelSpec,
    waker: Option<Waker>,
    outcome: Option<Outcome>,
    /// What is being loaded, and will be used.
    joined: Option<Key>,
    /// How many were served before it although they came later.
    overtaken: u32,
    /// The best candidate that may still be tried.
    first_rung: usize,
    /// A load ran out of memory, and is tried once more.
    is_second_try: bool,
}

/// What becomes of one who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// To load it is its task; then it goes on waiting.
    Load(Key),
    /// It is loaded, and counted as in use.
    Use(Key),
    /// Its load failed, and there is nothing left to try.
    Failed,
    Refused(Refusal),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLarge { bytes: u64, largest: u64 },
    NoDevice { reason: String },
    Closed,
}

/// What was counted since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Loads that were admitted.
    pub admitted: u64,
    /// Handles on a model that was there.
    pub joined: u64,
    /// Loads that came to a lesser candidate.
    pub degraded: u64,
    /// Loads that failed.
    pub load_failed: u64,
    /// Loads that ran out of memory although they were admitted.
    pub out_of_memory: u64,
    /// Models that had to leave, for whatever reason.
    pub evicted: u64,
    /// Models whose memory came back.
    pub unloaded: u64,
    /// Models whose memory did not come back in time.
    pub unverified: u64,
    /// Readings that failed.
    pub read_errors: u64,
}

impl Scheduler {
    pub(crate) fn new(
        policy: Policy,
        devices: impl IntoIterator<Item = (DeviceInfo, Option<u64>)>,
    ) -> Self {
        let devices: Vec<_> =
            devices.into_iter().map(|(info, budget)| Device::new(info, budget)).collect();
        Self {
            policy,
            no_claims: vec![0; devices.len()],
            devices,
            entries: BTreeMap::new(),
            names: HashMap::new(),
            waiters: BTreeMap::new(),
            raised: HashMap::new(),
            serial: 0,
            effects: Vec::new(),
            events: 0,
            plans: 0,
            is_heard: true,
            is_closed: false,
            counts: Counts::default(),
        }
    }

    /// What is to be done now.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// The instance of this name, on whichever way it is.
    pub(crate) fn named(&self, name: &str) -> Option<(Key, &Entry)> {
        let key = *self.names.get(name)?;
        Some((key, self.entries.get(&key)?))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Nothing is admitted from now on, and whoever waits is told.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        for waiter in self.waiters.values_mut() {
            waiter.outcome.get_or_insert(Outcome::Refused(Refusal::Closed));
            self.effects.extend(waiter.waker.take().map(Effect::Wake));
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn tell(&mut self, now: Duration, kind: EventKind) {
        if !self.is_heard {
            return;
        }
        self.events += 1;
        self.effects.push(Effect::Tell(Event { seq: self.events, at: now, kind }));
    }
}
