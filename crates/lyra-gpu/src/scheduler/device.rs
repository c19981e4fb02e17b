//! A device and its ledger.

use std::collections::VecDeque;
use std::time::Duration;

use crate::level::Watch;
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use crate::source::{DeviceInfo, DeviceKind, MemoryReading};

/// How many snapshots are kept of each device.
const HISTORY: usize = 100;

/// What the models of this manager take of a device, in bytes, by how far they
/// are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) loading: u64,
    pub(crate) ready: u64,
    pub(crate) unloading: u64,
    pub(crate) verifying: u64,
    pub(crate) quarantined: u64,
    /// What those beside the loading ones are known to take, which may be less
    /// than is counted for them.
    pub(crate) taken: u64,
}

impl Sums {
    /// All of it: memory is given out once, and counts until it is back.
    pub(crate) fn committed(&self) -> u64 {
        self.loading + self.ready + self.unloading + self.verifying + self.quarantined
    }

    /// What will be back, if nothing goes wrong.
    pub(crate) fn coming(&self) -> u64 {
        self.unloading + self.verifying
    }

    /// Whether what is measured is what the models that are ready take, and
    /// strangers.
    fn is_quiescent(&self) -> bool {
        self.committed() == self.ready
    }
}

/// Whether a device can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It was not read yet.
    Unread,
    Measured,
    /// The last answer is too old.
    Stale,
    /// It cannot tell its memory: there is a declared budget, or nothing.
    Unmeasured,
    Lost,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Device {
    pub(crate) info: DeviceInfo,
    pub(crate) condition: Condition,
    /// No more than this is used of it, if that is said.
    pub(crate) budget: Option<u64>,
    pub(crate) reading: Option<MemoryReading>,
    pub(crate) read_at: Duration,
    /// What others have.
    pub(crate) external: u64,
    /// What was not free beside the models, when nothing moved; below zero,
    /// they take less than is known of them.
    base: i128,
    /// What others had by the driver's word when nothing moved last.
    told: i128,
    /// Whether nothing of the ledger has moved since it was read.
    pub(crate) is_current: bool,
    /// When something of the ledger moved last.
    pub(crate) changed_at: Option<Duration>,
    /// Counts what began to move on it.
    pub(crate) moves: u64,
    pub(crate) sums: Sums,
    pub(crate) watch: Watch,
    pub(crate) history: VecDeque<Snapshot>,
    /// It was said that it is full, and nothing can be evicted.
    pub(crate) is_exhausted: bool,
}

impl Device {
    pub(crate) fn new(info: DeviceInfo, budget: Option<u64>) -> Self {
        Self {
            info,
            condition: Condition::Unread,
            budget,
            reading: None,
            read_at: Duration::ZERO,
            external: 0,
            base: 0,
            told: i128::MIN,
            is_current: false,
            changed_at: None,
            moves: 0,
            sums: Sums::default(),
            watch: Watch::default(),
            history: VecDeque::new(),
            is_exhausted: false,
        }
    }

    pub(crate) fn is_gpu(&self) -> bool {
        self.info.kind == DeviceKind::Gpu
    }

    /// All that may be used of it.
    pub(crate) fn total(&self) -> u64 {
        let read = self.reading.map(|reading| reading.total);
        read.into_iter().chain(self.budget).min().unwrap_or(0)
    }

    /// What is not free, whoever has it.
    pub(crate) fn unavailable(&self) -> u64 {
        self.reading.map_or(0, |reading| reading.unavailable())
    }

    /// What will not be free once all that was promised is taken.
    pub(crate) fn projected(&self) -> u64 {
        self.external + self.sums.committed()
    }

    pub(crate) fn cap(&self, policy: &Policy) -> u64 {
        policy.cap(self.total(), self.is_gpu())
    }

    /// Whether anything may be admitted on it at all.
    pub(crate) fn is_open(&self, policy: &Policy) -> bool {
        match self.condition {
            // Whatever the ledger says: what is full is full.
            Condition::Measured => self.unavailable() < self.cap(policy),
            Condition::Unmeasured => self.budget.is_some(),
            Condition::Unread | Condition::Stale | Condition::Lost => false,
        }
    }

    /// How much can be admitted beside what is claimed; below zero, so much is
    /// lacking.
    pub(crate) fn room(&self, policy: &Policy, claimed: u64) -> i128 {
        i128::from(self.cap(policy)) - i128::from(self.projected()) - i128::from(claimed)
    }

    /// Takes what was read, from `began` on. `own` is what the processes of
    /// this manager's models have, if the driver told.
    pub(crate) fn take(
        &mut self,
        now: Duration,
        began: Duration,
        reading: MemoryReading,
        own: Option<u64>,
    ) {
        (self.reading, self.read_at) = (Some(reading), now);
        self.condition = Condition::Measured;
        // What was read before something changed tells of a time between.
        self.is_current = Some(began) > self.changed_at;
        self.tell_strangers(own, self.is_current);
    }

    /// What of the memory that is not free belongs to others.
    ///
    /// While something is loading or leaving, its memory may or may not be
    /// there: then only growth beyond all of it is certain.
    pub(crate) fn tell_strangers(&mut self, own: Option<u64>, is_current: bool) {
        let unavailable = i128::from(self.unavailable());
        // Not what is counted for them: a model that takes less than its
        // estimate would hide strangers, until it leaves.
        let ours = i128::from(self.sums.taken) + i128::from(self.sums.loading);
        self.base = match is_current && self.sums.is_quiescent() {
            true => unavailable - ours,
            false => self.base.max(unavailable - ours),
        };
        // A process that loads is in no list of ours yet, and one that leaves
        // still is: the driver's word is taken when nothing moves. A model that
        // takes more than is counted for it hides nothing by its own process.
        if is_current && self.sums.is_quiescent() {
            self.told = own.map_or(i128::MIN, |own| unavailable - i128::from(own));
        }
        let strangers = self.base.max(self.told);
        self.external = u64::try_from(strangers.max(0)).unwrap_or(u64::MAX);
    }

    /// How much has come back of what should have: what should be there,
    /// without what is loading, over what is there. What is loading may have
    /// hidden some of it, so it is never too much.
    pub(crate) fn freed(&self) -> i128 {
        self.base + i128::from(self.sums.taken) - i128::from(self.unavailable())
    }

    pub(crate) fn remember(&mut self, now: Duration, unix: Duration) {
        let Some(reading) = self.reading else { return };
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Snapshot {
            at: now,
            unix,
            total: self.total(),
            used: reading.unavailable(),
            free: self.total().saturating_sub(reading.unavailable()),
            reserved: reading.reserved,
            level: self.watch.level(),
        });
    }
}
