//! What all handles of a manager share.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::callbacks::Callbacks;
use crate::event::Event;
use crate::load::Unloader;
#[cfg(feature = "metrics")]
use crate::metrics::{Series, counted, told};
use crate::scheduler::{Effect, Key, Scheduler};
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
    pub(crate) is_running: AtomicBool,
    /// Which devices have a reading under way that has not come back.
    pub(crate) reading: Vec<AtomicBool>,
    /// What is recorded of each device.
    pub(crate) series: Vec<Series>,
}

pub(crate) struct State {
    pub(crate) scheduler: Scheduler,
    pub(crate) residents: HashMap<Key, Resident>,
    pub(crate) to_unload: VecDeque<Task>,
}

/// What the host gave for a model.
pub(crate) struct Resident {
    pub(crate) unloader: Arc<dyn Unloader>,
    pub(crate) value: Option<Arc<dyn Any + Send + Sync>>,
    /// The processes that hold its memory, if they are not this one.
    pub(crate) pids: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    Unload(Key),
    Kill(Key),
}

impl Shared {
    pub(crate) fn new(
        source: Arc<dyn DeviceSource>,
        mut scheduler: Scheduler,
        started: Instant,
        callbacks: Callbacks,
    ) -> Self {
        scheduler.is_heard = callbacks.is_some() || cfg!(feature = "metrics");
        let reading = scheduler.devices.iter().map(|_| AtomicBool::new(false)).collect();
        let series = scheduler.devices.iter().map(Series::of).collect();
        let (residents, to_unload) = (HashMap::new(), VecDeque::new());
        Self {
            started,
            source,
            state: Mutex::new(State { scheduler, residents, to_unload }),
            events: broadcast::channel(256).0,
            callbacks,
            work: Notify::new(),
            stir: Notify::new(),
            is_running: AtomicBool::new(false),
            reading,
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
        let (result, effects, before, after) = {
            let mut state = self.lock();
            let before = state.scheduler.counts;
            let result = change(&mut state, now);
            (result, state.scheduler.take_effects(), before, state.scheduler.counts)
        };
        counted(&before, &after);
        if !effects.is_empty() {
            self.carry_out(effects);
        }
        result
    }

    fn carry_out(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Wake(waker) => {
                    // A panic in it is no matter of whoever is here.
                    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake())).map_err(mem::forget);
                }
                Effect::Unload(key) => self.queue(Task::Unload(key)),
                Effect::Kill(key) => self.queue(Task::Kill(key)),
                Effect::Forget(key) => {
                    let resident = self.lock().residents.remove(&key);
                    drop(resident);
                    self.stir.notify_one();
                }
                Effect::Tell(event) => {
                    told(&event.kind);
                    self.callbacks.tell(&event);
                    // An error means that nobody listens.
                    let _ = self.events.send(event);
                }
            }
        }
    }

    fn queue(&self, task: Task) {
        self.lock().to_unload.push_back(task);
        self.work.notify_one();
    }
}
