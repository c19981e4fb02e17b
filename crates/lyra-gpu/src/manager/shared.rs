//! What all handles of a manager share.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::callbacks::Callbacks;
use super::contain::{contained, let_go};
use super::sample::Asked;
use crate::bytes::LARGEST;
use crate::event::Event;
use crate::events;
use crate::load::Unloader;
#[cfg(feature = "metrics")]
use crate::metrics::{Series, counted, told};
use crate::scheduler::{Condition, Device, Effect, Key, Scheduler};
use crate::source::DeviceSource;
#[cfg(not(feature = "metrics"))]
use crate::uncounted::{Series, counted, told};

pub(crate) struct Shared {
    pub(crate) started: Instant,
    pub(crate) source: Arc<dyn DeviceSource>,
    state: Mutex<State>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) callbacks: Callbacks,
    /// There is work for the monitor.
    pub(crate) work: Notify,
    /// Something moved, and it is worth to read at once.
    pub(crate) stir: Notify,
    /// Whether a monitor was ever started.
    pub(crate) was_started: AtomicBool,
    /// Whether it is at work.
    pub(crate) is_running: AtomicBool,
    /// Which devices were asked, and have not answered yet.
    pub(crate) asked: Vec<Asked>,
    /// What is recorded of each device.
    pub(crate) series: Vec<Series>,
}

pub(crate) struct State {
    pub(crate) scheduler: Scheduler,
    pub(crate) residents: HashMap<Key, Resident>,
    pub(crate) to_unload: VecDeque<Task>,
    /// Events in their order, and whether somebody is at telling them.
    to_tell: VecDeque<Event>,
    is_telling: bool,
}

/// What the host gave for a model.
pub(crate) struct Resident {
    pub(crate) unloader: Option<Arc<dyn Unloader>>,
    pub(crate) value: Option<Arc<dyn Any + Send + Sync>>,
    /// The processes that hold its memory, if they are not this one.
    pub(crate) pids: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    Unload(Key),
    Kill(Key),
}

/// What follows from a change, for when the lock is free again.
#[derive(Default)]
struct Due {
    wakers: Vec<Waker>,
    forgotten: Vec<Resident>,
    /// Memory is back, and it is worth to read at once.
    is_stirred: bool,
    /// There are events, and nobody else tells them.
    events: VecDeque<Event>,
    has_work: bool,
}

impl Shared {
    pub(crate) fn new(
        source: Arc<dyn DeviceSource>,
        mut scheduler: Scheduler,
        asked: Vec<Asked>,
        started: Instant,
        callbacks: Callbacks,
    ) -> Self {
        scheduler.is_heard = callbacks.is_some() || cfg!(feature = "metrics");
        let series = scheduler.devices.iter().map(Series::of).collect();
        let state = State {
            scheduler,
            residents: HashMap::new(),
            to_unload: VecDeque::new(),
            to_tell: VecDeque::new(),
            is_telling: false,
        };
        Self {
            started,
            source,
            state: Mutex::new(state),
            events: broadcast::channel(256).0,
            callbacks,
            work: Notify::new(),
            stir: Notify::new(),
            was_started: AtomicBool::new(false),
            is_running: AtomicBool::new(false),
            asked,
            series,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and does what follows from it when it is free again.
    pub(crate) fn drive<R>(&self, change: impl FnOnce(&mut State, Duration) -> R) -> R {
        let now = self.now();
        let (result, due, before, after) = {
            let mut state = self.lock();
            let before = state.scheduler.counts;
            let result = change(&mut state, now);
            (result, state.due(), before, state.scheduler.counts)
        };
        counted(&before, &after);
        if let Some(due) = due {
            self.carry_out(due);
        }
        result
    }

    /// Looks what is due if a reading is too old to be trusted: nobody reads
    /// any more, or not yet.
    pub(crate) fn look_at_the_clock(&self) {
        let now = self.now();
        let is_due = self.lock().has_old_readings(now);
        if is_due {
            self.drive(|state, now| state.scheduler.tick(now));
        }
    }

    fn carry_out(&self, due: Due) {
        // Whoever is woken finds the events told, and the memory given back.
        self.tell(due.events);
        drop(due.forgotten);
        if due.is_stirred {
            self.stir.notify_one();
        }
        if due.has_work {
            self.work.notify_one();
        }
        for waker in due.wakers {
            // A panic in it is no matter of whoever is here.
            let _ = contained(|| waker.wake());
        }
    }

    /// Tells these events, and those that come meanwhile: no lock is held, and
    /// still they go out in their order.
    fn tell(&self, mut events: VecDeque<Event>) {
        while !events.is_empty() {
            for event in events {
                // A recorder, a subscriber and a waker are the code of others.
                let _ = contained(|| told(&event.kind));
                let _ = contained(|| events::told(&event.kind));
                self.callbacks.tell(&event);
                // An error means that nobody listens.
                let _ = contained(|| self.events.send(event));
            }
            events = self.lock().next_to_tell();
        }
    }
}

impl State {
    /// What is to be done once the lock is free; none if there is nothing.
    fn due(&mut self) -> Option<Due> {
        let effects = self.scheduler.take_effects();
        if effects.is_empty() {
            return None;
        }
        let mut due = Due::default();
        for effect in effects {
            match effect {
                Effect::Wake(waker) => due.wakers.push(waker),
                Effect::Unload(key) => self.to_unload.push_back(Task::Unload(key)),
                Effect::Kill(key) => self.to_unload.push_back(Task::Kill(key)),
                Effect::Forget(key) => {
                    due.forgotten.extend(self.residents.remove(&key));
                    due.is_stirred = true;
                }
                Effect::Tell(event) => self.to_tell.push_back(event),
            }
        }
        due.has_work = !self.to_unload.is_empty();
        if !self.is_telling {
            due.events = self.next_to_tell();
        }
        Some(due)
    }

    /// The next events for whoever tells them; none, and nobody does any more.
    fn next_to_tell(&mut self) -> VecDeque<Event> {
        self.is_telling = !self.to_tell.is_empty();
        mem::take(&mut self.to_tell)
    }

    /// What the loader of an instance saw, as far as there is so much.
    pub(crate) fn believable(&self, key: Key, observed: Option<u64>) -> Option<u64> {
        let entry = self.scheduler.entries.get(&key)?;
        let devices = entry.shares.iter().map(|share| &self.scheduler.devices[share.device]);
        believable(devices, observed)
    }

    pub(crate) fn has_old_readings(&self, now: Duration) -> bool {
        let oldest = self.scheduler.policy.oldest_reading();
        self.scheduler.devices.iter().any(|device| {
            let is_old = now.saturating_sub(device.read_at) > oldest;
            is_old && device.condition == Condition::Measured
        })
    }
}

/// What a loader saw, as far as there is so much: what devices have is unknown
/// where they were never read.
pub(crate) fn believable<'a>(
    devices: impl Iterator<Item = &'a Device>,
    observed: Option<u64>,
) -> Option<u64> {
    let total = devices.map(Device::total).fold(0, u64::saturating_add);
    let most = if total == 0 { LARGEST } else { total };
    observed.map(|bytes| bytes.min(most))
}

impl Drop for Resident {
    fn drop(&mut self) {
        let_go(self.value.take());
        let_go(self.unloader.take());
    }
}
