//! What all handles, guards and creations of a pool share.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lyra_errors::Location;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::creation::Failure;
use super::hooks::{Hooks, ResourceFate};
use super::hot::HotPlace;
use super::item::{Body, Item};
use super::manager::Manager;
use super::mark::{Phase, Serials};
use super::settings::Settings;
use super::slot::Note;
use super::state::State;
use crate::atomics::{AtomicUsize, Mutex, MutexGuard};
use crate::events;
use crate::name::Name;
use crate::series;
use crate::wake::{Wake, bury};

pub(crate) type PoolState<M> = State<Item<M>, Failure<<M as Manager>::Error>>;

pub(crate) struct Shared<M: Manager> {
    pub(crate) name: Name,
    pub(crate) manager: M,
    pub(crate) hooks: Hooks<M>,
    pub(crate) settings: Settings,
    state: Mutex<PoolState<M>>,
    pub(crate) hot: HotPlace<Item<M>>,
    serials: Arc<Serials>,
    /// With the last handle the pool closes, while guards keep this alive.
    pub(crate) handles: AtomicUsize,
    pub(crate) closing: Notify,
}

/// Why a resource is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its user or a hook wants it so.
    Unwanted,
    /// It did not pass its check.
    Unsound,
    Expired,
    /// The pool was closed.
    Closed,
}

impl Ending {
    /// As it is counted.
    fn reason(self) -> &'static str {
        match self {
            Self::Unwanted => "unwanted",
            Self::Unsound => "unsound",
            Self::Expired => "expired",
            Self::Closed => "closed",
        }
    }
}

impl<M: Manager> Shared<M> {
    pub(crate) fn new(name: Name, manager: M, hooks: Hooks<M>, settings: Settings) -> Self {
        let state = State::new(settings.max_size, settings.longest_pause);
        // A leak threshold asks when a resource was acquired, which is noted
        // under the lock.
        let hot = HotPlace::new(settings.leak_threshold.is_none());
        Self {
            name,
            manager,
            hooks,
            settings,
            serials: Arc::clone(&state.serials),
            state: Mutex::new(state),
            hot,
            handles: AtomicUsize::new(1),
            closing: Notify::new(),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, PoolState<M>> {
        self.state.lock()
    }

    #[inline]
    pub(crate) fn note(&self, location: Location) -> Note {
        Note {
            location: self.settings.is_tracked.then_some(location),
            since: self.settings.leak_threshold.map(|_| Instant::now()),
        }
    }

    /// The state with all that is idle in it.
    pub(crate) fn lock_whole(&self) -> MutexGuard<'_, PoolState<M>> {
        let mut state = self.lock();
        // Shut or not, that does not change while it is locked: what is there
        // is nobody else's, and stays.
        if let Some(item) = self.hot.take() {
            let _stays = state.put(item);
        }
        state
    }

    /// Takes what is idle.
    #[inline]
    pub(crate) fn take(&self, ticket: &mut Option<u64>, location: Location) -> Option<Item<M>> {
        let Some(item) = self.hot.take() else { return self.take_locked(ticket, location) };
        let serial = *ticket.get_or_insert_with(|| self.serials.renew(item.mark.serial()));
        item.mark.hold(serial, self.settings.is_tracked.then_some(location));
        Some(item)
    }

    fn take_locked(&self, ticket: &mut Option<u64>, location: Location) -> Option<Item<M>> {
        let note = self.note(location);
        self.lock().take(ticket, note)
    }

    /// Takes back what was in use.
    #[inline]
    pub(crate) fn release(&self, mut item: Item<M>) {
        match self.ending_of(&mut item) {
            Some(ending) => self.end(item, ending),
            None => self.put(item),
        }
    }

    #[inline]
    pub(crate) fn put(&self, item: Item<M>) {
        if self.hot.is_shut() {
            return self.put_locked(item);
        }
        item.mark.enter(Phase::Idle);
        let (displaced, again) = self.hot.put(item);
        if let Some(item) = displaced {
            self.put_locked(item);
        }
        if let Some(item) = again {
            self.put_locked(item);
        }
    }

    fn put_locked(&self, item: Item<M>) {
        let mut state = self.lock();
        let put = state.put(item);
        if state.wants_none() {
            self.hot.open();
        }
        // The lock is free again before anybody is woken.
        drop(state);
        self.settle(put);
    }

    #[inline]
    pub(crate) fn settle(&self, (wake, item): (Option<Wake>, Option<Item<M>>)) {
        if let Some(wake) = wake {
            wake.call();
        }
        if let Some(item) = item {
            self.end(item, Ending::Closed);
        }
    }

    /// Why a resource that comes back does not stay, if its user, the hook or
    /// the clock says so.
    #[inline]
    fn ending_of(&self, item: &mut Item<M>) -> Option<Ending> {
        if item.is_broken {
            return Some(Ending::Unwanted);
        }
        if let Some(hook) = &self.hooks.after_release
            && self.ask(|| hook(&mut item.resource)) == ResourceFate::Destroy
        {
            return Some(Ending::Unwanted);
        }
        if let Some(now) = self.settings.clock() {
            item.idle_since = None;
            if item.is_expired(now, &self.settings) {
                return Some(Ending::Expired);
            }
            item.idle_since = Some(now);
        }
        None
    }

    /// Destroys a resource; then its place is free.
    #[cold]
    #[allow(clippy::boxed_local, reason = "it stands in a box everywhere else")]
    pub(crate) fn end(&self, item: Item<M>, ending: Ending) {
        let Body { resource, slot, .. } = *item;
        // Nobody may take its place before it is gone.
        let _ = self.guarded(|| self.manager.destroy(resource));
        let wakes = {
            let mut state = self.lock();
            state.counts.destroyed += 1;
            state.counts.unsound += u64::from(ending == Ending::Unsound);
            state.counts.expired += u64::from(ending == Ending::Expired);
            state.vacate(slot)
        };
        drop(wakes);
        series::removed(&self.name, ending.reason());
        events::removed(&self.name, ending.reason());
    }

    /// What a hook says; one that panics wants it destroyed.
    pub(crate) fn ask(&self, hook: impl FnOnce() -> ResourceFate) -> ResourceFate {
        self.guarded(hook).unwrap_or(ResourceFate::Destroy)
    }

    /// Runs a user's code that may panic.
    pub(crate) fn guarded<T>(&self, run: impl FnOnce() -> T) -> Result<T, String> {
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| self.panicked(panic))
    }

    /// Counts a panic; what it said.
    pub(crate) fn panicked(&self, panic: Box<dyn Any + Send>) -> String {
        self.lock().counts.panics += 1;
        series::panicked(&self.name);
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        bury(panic);
        let text = text.unwrap_or_else(|| "something that is not text".to_owned());
        events::panicked(&self.name, &text);
        text
    }

    /// Gives out nothing from now on, and destroys what is idle.
    pub(crate) fn close_now(&self) {
        let (wakes, idle) = {
            let mut state = self.lock();
            let (wakes, mut idle) = state.close();
            idle.extend(self.hot.shut());
            (wakes, idle)
        };
        self.closing.notify_waiters();
        drop(wakes);
        for item in idle {
            self.end(item, Ending::Closed);
        }
    }
}
