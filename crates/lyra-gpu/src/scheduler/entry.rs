//! A model that takes memory, or did.

use std::sync::Arc;
use std::time::Duration;

use crate::event::UnloadReason;
use crate::model::ModelSpec;

/// What names an instance of a model; never given again.
pub(crate) type Key = u64;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Entry {
    pub(crate) spec: ModelSpec,
    pub(crate) rung: usize,
    pub(crate) shares: Vec<Share>,
    pub(crate) state: State,
    /// How many handles are out.
    pub(crate) refs: usize,
    pub(crate) uses: u64,
    pub(crate) last_used: Duration,
    /// Since when it is loaded.
    pub(crate) ready_since: Duration,
    /// Nobody gets a handle any more, and with the last one it goes.
    pub(crate) is_draining: bool,
}

/// What it takes of one device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) device: usize,
    pub(crate) estimate: u64,
    pub(crate) observed: Option<u64>,
    /// The loader said what was observed; else it was told from the device.
    pub(crate) is_told: bool,
    /// What was not free before it was loaded, and how much had moved on the
    /// device by then: if nothing has since, the difference is its own. Once
    /// it leaves, what was not free before.
    pub(crate) before: Option<(u64, u64)>,
    /// The device shows it as free.
    pub(crate) is_back: bool,
    /// What of it is still there, once it has left.
    pub(crate) lacking: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Loading {
        since: Duration,
    },
    Ready,
    /// Its unloader was asked, so many times.
    Unloading {
        since: Duration,
        attempt: u8,
        reason: UnloadReason,
    },
    /// Its unloader is done, and the memory is to come back.
    Verifying {
        since: Duration,
        asked: Duration,
        is_killed: bool,
    },
    /// The memory did not come back.
    Quarantined,
}

impl Entry {
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.spec.name)
    }

    pub(crate) fn variant(&self) -> Arc<str> {
        self.spec
            .candidates
            .get(self.rung)
            .map_or_else(|| Arc::from(""), |candidate| Arc::clone(&candidate.variant))
    }

    /// What is counted for it.
    pub(crate) fn bytes(&self) -> u64 {
        self.shares.iter().map(Share::bytes).sum()
    }

    /// What was counted for it before any of it came back.
    pub(crate) fn size(&self) -> u64 {
        self.shares.iter().map(Share::size).sum()
    }

    /// Whether one may use it, now or once it is loaded.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.state, State::Loading { .. } | State::Ready) && !self.is_draining
    }

    /// Whether it is loaded and nobody uses it.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Ready && self.refs == 0
    }

    /// Whether it may be evicted for one of this priority.
    pub(crate) fn is_evictable(&self, priority: i8) -> bool {
        self.is_idle() && !self.spec.is_pinned && self.spec.priority <= priority
    }

    pub(crate) fn devices(&self) -> Vec<usize> {
        self.shares.iter().map(|share| share.device).collect()
    }

    pub(crate) fn share_on(&self, device: usize) -> Option<&Share> {
        self.shares.iter().find(|share| share.device == device)
    }
}

impl Share {
    pub(crate) fn new(device: usize, estimate: u64) -> Self {
        Self {
            device,
            estimate,
            observed: None,
            is_told: false,
            before: None,
            is_back: false,
            lacking: None,
        }
    }

    /// What stays counted for it: its estimate is its peak, and it may not be
    /// there yet.
    pub(crate) fn bytes(&self) -> u64 {
        self.lacking.unwrap_or_else(|| self.size())
    }

    fn size(&self) -> u64 {
        self.observed.unwrap_or(0).max(self.estimate)
    }

    /// What the device is to give back.
    pub(crate) fn expected(&self) -> u64 {
        self.lacking.unwrap_or_else(|| self.observed.unwrap_or(self.estimate))
    }

    /// What never came back can no longer grow: no more is counted.
    pub(crate) fn quarantine(&mut self) {
        self.lacking = Some(self.expected());
    }

    /// So much of it is still there. Nine tenths are enough to be back, as a
    /// driver keeps some for itself.
    pub(crate) fn shrink_to(&mut self, lacking: u64) {
        self.lacking = Some(lacking);
        let all = self.observed.unwrap_or(self.estimate);
        self.is_back = u128::from(lacking) * 10 <= u128::from(all);
    }
}
