//! A device and its ledger.

use std::collections::VecDeque;
use std::time::Duration;

use crate::level::Watch;
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use crate::source::{DeviceInfo, DeviceKind, MemoryReading};

/// How many snapshots are kept of each device.
const HISTORY: usize = 100;

/// How long one trusts that what others have is theirs, before models are sent
/// away once more to see. It costs their reloading, where it was in vain.
const PROBED_AGAIN: Duration = Duration::from_secs(300);

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

    /// Whether what is measured is what the models take that are ready,
    /// strangers, and what never came back.
    pub(crate) fn is_still(&self) -> bool {
        self.loading == 0 && self.coming() == 0
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
    /// What of that is certainly not our models' own doing: what others had
    /// without any of ours, or when those had been sent away to see.
    pub(crate) certain: u64,
    /// Models were sent away to see whose what others have really is.
    pub(crate) is_probed: bool,
    /// When they were.
    pub(crate) probed_at: Duration,
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
            certain: 0,
            is_probed: false,
            probed_at: Duration::ZERO,
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
    /// there: then only growth beyond all of it is certain. Beside what is in
    /// quarantine they have what they had, as far as that is there.
    pub(crate) fn tell_strangers(&mut self, own: Option<u64>, is_current: bool) {
        let unavailable = i128::from(self.unavailable());
        // Not what is counted for them: a model that takes less than its
        // estimate would hide strangers, until it leaves.
        let ours = i128::from(self.sums.taken) + i128::from(self.sums.loading);
        let is_still = is_current && self.sums.is_still();
        let quarantined = i128::from(self.sums.quarantined);
        self.base = match is_still {
            true => self.base.clamp(unavailable - ours, unavailable - ours + quarantined),
            false => self.base.max(unavailable - ours),
        };
        // A process that loads is in no list of ours yet, and one that leaves
        // still is: the driver's word is taken when nothing moves. A model that
        // takes more than is counted for it hides nothing by its own process.
        if is_still {
            self.told = own.map_or(i128::MIN, |own| unavailable - i128::from(own));
        }
        let strangers = self.base.max(self.told);
        self.external = u64::try_from(strangers.max(0)).unwrap_or(u64::MAX);
        if is_still {
            let is_seen = self.sums.committed() == 0 || std::mem::take(&mut self.is_probed);
            let known = if is_seen { u64::MAX } else { self.certain };
            self.certain = self.external.min(known);
        }
    }

    /// What is counted as others' and may be that of models which take more
    /// than is known of them. What was certain once need not be for ever:
    /// others may have left since, and models have taken their place.
    pub(crate) fn suspected(&self, now: Duration) -> u64 {
        let is_long_ago = now.saturating_sub(self.probed_at) >= PROBED_AGAIN;
        self.external.saturating_sub(if is_long_ago { 0 } else { self.certain })
    }

    /// How much of what is in quarantine is still there at most, if that can be
    /// seen: all that neither strangers have nor the models that are ready.
    pub(crate) fn in_quarantine(&self) -> Option<u64> {
        let is_seen = self.is_current && self.sums.is_still() && self.sums.quarantined > 0;
        let ready = self.sums.taken - self.sums.quarantined;
        let beside = i128::from(self.unavailable()) - i128::from(ready);
        let left = beside - i128::from(self.external);
        is_seen.then(|| u64::try_from(left).unwrap_or(0))
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

    /// For a test that says what it found.
    #[cfg(test)]
    pub(super) fn books(&self) -> String {
        let Self { condition, external, base, told, is_current, sums, .. } = self;
        let unavailable = self.unavailable();
        format!("{condition:?} {unavailable}: {external} {base} {told} {is_current} {sums:?}")
    }
}
