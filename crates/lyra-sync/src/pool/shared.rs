//! What all handles, guards and creations of a pool share.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lyra_errors::Location;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::creation::Failure;
use super::hooks::{Hooks, ResourceFate};
use super::item::{Body, Item};
use super::manager::Manager;
use super::settings::Settings;
use super::slot::Note;
use super::state::State;
use crate::atomics::{AtomicUsize, Mutex, MutexGuard};
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
        Self {
            name,
            manager,
            hooks,
            settings,
            state: Mutex::new(state),
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

    /// Takes what is idle.
    #[inline]
    pub(crate) fn take(&self, ticket: &mut Option<u64>, location: Location) -> Option<Item<M>> {
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
        // Bound first: the lock is free again before anybody is woken.
        let put = self.lock().put(item);
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
        text.unwrap_or_else(|| "something that is not text".to_owned())
    }

    /// Gives out nothing from now on, and destroys what is idle.
    pub(crate) fn close_now(&self) {
        let (wakes, idle) = self.lock().close();
        self.closing.notify_waiters();
        drop(wakes);
        for item in idle {
            self.end(item, Ending::Closed);
        }
    }
}
