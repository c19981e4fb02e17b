mod json;

use std::sync::Arc;
use std::time::Duration;

use crate::level::Level;
use crate::scheduler::{Condition, Counts, Device, Entry, Scheduler, State};
use crate::source::{DeviceId, DeviceKind};

/// How a manager stands. Sizes are in bytes, times are counted from its start.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// When.
    pub at: Duration,
    /// Whether there is a GPU at all.
    pub has_gpu: bool,
    /// The devices, in the order of their source.
    pub devices: Vec<DeviceStatus>,
    /// The models, the oldest first.
    pub models: Vec<ModelStatus>,
    /// How many callers wait for a model.
    pub waiting: usize,
    /// Whether it was shut down.
    pub is_closed: bool,
    /// What was counted since the start.
    pub counts: Counts,
}

/// How a device stands.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeviceStatus {
    /// What names it.
    pub id: DeviceId,
    /// Its place in the order of its source.
    pub index: u32,
    /// The name of its make.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Whether it can be trusted.
    pub health: DeviceHealth,
    /// How full it is.
    pub level: Level,
    /// All there is, or its budget.
    pub total: u64,
    /// All that is not free, whoever has it.
    pub used: u64,
    /// What the driver keeps for itself, if it tells that.
    pub reserved: Option<u64>,
    /// What others have, as far as it can be told.
    pub external: u64,
    /// What is given to models, and not yet seen to be back.
    pub committed: u64,
    /// Of that, what is loading.
    pub loading: u64,
    /// Of that, what is on its way back.
    pub unloading: u64,
    /// Of that, what did not come back.
    pub quarantined: u64,
    /// Up to where loads are admitted.
    pub cap: u64,
    /// How much can be admitted now.
    pub headroom: u64,
    /// When it was read last.
    pub read_at: Duration,
}

/// Whether a device can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceHealth {
    /// It answers.
    Good,
    /// It has not answered for a while, or not yet: nothing is admitted.
    Stale,
    /// It cannot tell its memory: what is admitted goes by its budget, if it
    /// was given one.
    Unmeasured,
    /// It is gone.
    Lost,
}

/// How a model stands.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelStatus {
    /// Its name.
    pub name: Arc<str>,
    /// The candidate.
    pub variant: Arc<str>,
    /// Which of its candidates, counted from zero.
    pub rung: usize,
    /// How far it is.
    pub state: ModelState,
    /// Where, and how much.
    pub shares: Vec<(DeviceId, u64)>,
    /// How many handles are out.
    pub refs: usize,
    /// How often it was used.
    pub uses: u64,
    /// When it was used last.
    pub last_used: Duration,
    /// Whether it is never evicted.
    pub is_pinned: bool,
    /// How important it is.
    pub priority: i8,
    /// After how long without use it is unloaded.
    pub idle_ttl: Option<Duration>,
}

/// How far a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelState {
    /// It is being loaded.
    Loading,
    /// It is loaded.
    Ready,
    /// It is in use, and goes with the last use.
    Draining,
    /// Its unloader is at work.
    Unloading,
    /// Its memory is to come back.
    Verifying,
    /// Its memory did not come back.
    Quarantined,
}

impl Status {
    pub(crate) fn of(scheduler: &Scheduler, at: Duration) -> Self {
        let is_gpu = |device: &Device| device.is_gpu() && device.condition != Condition::Lost;
        let models = scheduler.entries.values();
        Self {
            at,
            has_gpu: scheduler.devices.iter().any(is_gpu),
            devices: scheduler
                .devices
                .iter()
                .map(|device| device_status(scheduler, device))
                .collect(),
            models: models.map(|entry| model_status(scheduler, entry)).collect(),
            waiting: scheduler.waiting(),
            is_closed: scheduler.is_closed(),
            counts: scheduler.counts,
        }
    }
}

impl ModelState {
    /// The state as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Unloading => "unloading",
            Self::Verifying => "verifying",
            Self::Quarantined => "quarantined",
        }
    }
}

impl DeviceHealth {
    /// The health as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Stale => "stale",
            Self::Unmeasured => "unmeasured",
            Self::Lost => "lost",
        }
    }
}

fn device_status(scheduler: &Scheduler, device: &Device) -> DeviceStatus {
    let headroom = match device.is_open(&scheduler.policy) {
        true => u64::try_from(device.room(&scheduler.policy, 0)).unwrap_or(0),
        false => 0,
    };
    DeviceStatus {
        id: device.info.id.clone(),
        index: device.info.index,
        name: device.info.name.clone(),
        kind: device.info.kind,
        health: match device.condition {
            Condition::Measured => DeviceHealth::Good,
            Condition::Unread | Condition::Stale => DeviceHealth::Stale,
            Condition::Unmeasured => DeviceHealth::Unmeasured,
            Condition::Lost => DeviceHealth::Lost,
        },
        level: device.watch.level(),
        total: device.total(),
        used: device.unavailable(),
        reserved: device.reading.and_then(|reading| reading.reserved),
        external: device.external,
        committed: device.sums.committed(),
        loading: device.sums.loading,
        unloading: device.sums.coming(),
        quarantined: device.sums.quarantined,
        cap: device.cap(&scheduler.policy),
        headroom,
        read_at: device.read_at,
    }
}

fn model_status(scheduler: &Scheduler, entry: &Entry) -> ModelStatus {
    let shares = entry.shares.iter();
    ModelStatus {
        name: entry.name(),
        variant: entry.variant(),
        rung: entry.rung,
        state: match entry.state {
            State::Loading { .. } => ModelState::Loading,
            State::Ready if entry.is_draining => ModelState::Draining,
            State::Ready => ModelState::Ready,
            State::Unloading { .. } => ModelState::Unloading,
            State::Verifying { .. } => ModelState::Verifying,
            State::Quarantined => ModelState::Quarantined,
        },
        shares: shares
            .map(|share| (scheduler.devices[share.device].info.id.clone(), share.bytes()))
            .collect(),
        refs: entry.refs,
        uses: entry.uses,
        last_used: entry.last_used,
        is_pinned: entry.spec.is_pinned,
        priority: entry.spec.priority,
        idle_ttl: entry.spec.idle_ttl,
    }
}
