use std::fmt;
use std::time::Duration;

use super::ResourcePool;
use super::hooks::{Hooks, ResourceFate};
use super::manager::Manager;
use super::settings::Settings;
use super::shared::Shared;
use super::status::HeldResource;
use crate::error::SyncError;
use crate::name::Name;

/// Builds a [`ResourcePool`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | name | `unnamed` | |
/// | max size | 10 | 1 to 1,000,000 |
/// | min idle | 0 | at most the max size |
/// | create timeout | 10 s | over zero |
/// | recycle timeout | 5 s | over zero |
/// | idle timeout | none | over zero |
/// | max lifetime | none | over zero |
/// | leak threshold | none | over zero |
/// | maintenance interval | 30 s | over zero |
/// | longest pause between failing creations | 1 s | zero: no pause |
/// | tracking of holders | on | |
/// | hooks | none | |
///
/// How long a caller waits is said with each acquire. A time beyond 366 days
/// counts as that.
///
/// ```
/// use std::time::Duration;
/// use lyra_sync::{FnManager, ResourcePool};
///
/// let pool = ResourcePool::builder(FnManager::new(|| Vec::<u8>::with_capacity(4_096)))
///     .named("buffers")
///     .with_max_size(4)
///     .with_max_lifetime(Duration::from_secs(3_600))
///     .with_leak_threshold(Duration::from_secs(60))
///     .build()?;
/// assert_eq!(pool.status().max_size, 4);
///
/// let error = ResourcePool::builder(FnManager::new(String::new)).with_max_size(0).build();
/// let error = error.unwrap_err();
/// assert_eq!(error.to_string(), "`max size` is not valid: it has to be over zero, and it is 0");
/// # Ok::<(), lyra_sync::SyncError>(())
/// ```
#[must_use]
pub struct ResourcePoolBuilder<M: Manager> {
    name: Name,
    manager: M,
    settings: Settings,
    hooks: Hooks<M>,
}

impl<M: Manager> ResourcePoolBuilder<M> {
    pub(super) fn new(manager: M) -> Self {
        let (settings, hooks) = (Settings::default(), Hooks::default());
        Self { name: Name::UNNAMED, manager, settings, hooks }
    }

    /// The name that errors say.
    pub fn named(mut self, name: impl Into<Name>) -> Self {
        self.name = name.into();
        self
    }

    /// How many resources there are at most: idle, in use and being created
    /// together, at any moment, and also after the pool was closed.
    pub fn with_max_size(mut self, max_size: usize) -> Self {
        self.settings.max_size = max_size;
        self
    }

    /// How many [`maintain`](ResourcePool::maintain) keeps idle, as far as the
    /// max size allows. Without it none are made before they are asked for.
    pub fn with_min_idle(mut self, min_idle: usize) -> Self {
        self.settings.min_idle = min_idle;
        self
    }

    /// How long a creation may take. It goes on for that long even if its
    /// caller has given up.
    pub fn with_create_timeout(mut self, timeout: Duration) -> Self {
        self.settings.create_timeout = timeout;
        self
    }

    /// How long a [check](Manager::recycle) may take. A resource that takes
    /// longer is destroyed.
    pub fn with_recycle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.recycle_timeout = timeout;
        self
    }

    /// How long a resource may be idle: one that was so for longer is destroyed
    /// by [`maintain`](ResourcePool::maintain), but for the min idle ones: of
    /// these it makes sure by a [check](Manager::recycle) that they still
    /// work. Without maintenance, none is handed out that was idle for longer.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = Some(timeout);
        self
    }

    /// How old a resource may be: one that is older is destroyed by
    /// [`maintain`](ResourcePool::maintain), when it comes back, or instead of
    /// being handed out; never while it is in use.
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.max_lifetime = Some(lifetime);
        self
    }

    /// Notes when each resource is acquired, and tells which are held for at
    /// least so long: [`long_held`](ResourcePool::long_held), and
    /// [`on_long_held`](Self::on_long_held). Each acquire reads the clock then.
    pub fn with_leak_threshold(mut self, threshold: Duration) -> Self {
        self.settings.leak_threshold = Some(threshold);
        self
    }

    /// How often [`maintain`](ResourcePool::maintain) looks.
    pub fn with_maintenance_interval(mut self, interval: Duration) -> Self {
        self.settings.maintenance_interval = interval;
        self
    }

    /// After a failed creation the next one begins 10 ms later, and with each
    /// further failure in a row that time doubles, up to this. Whoever comes
    /// meanwhile waits in line. Without it a queue of waiters, or one caller
    /// that tries again and again, would hammer at what is down.
    pub fn with_longest_pause(mut self, longest: Duration) -> Self {
        self.settings.longest_pause = longest;
        self
    }

    /// Does not note who holds a resource, which saves a few nanoseconds.
    pub fn without_tracking(mut self) -> Self {
        self.settings.is_tracked = false;
        self
    }

    /// Called with each new resource. An error destroys it, and is the error
    /// of the creation.
    pub fn after_create(
        mut self,
        hook: impl Fn(&mut M::Resource) -> Result<(), M::Error> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.after_create = Some(Box::new(hook));
        self
    }

    /// Called before a resource that was used is [checked](Manager::recycle)
    /// and handed out again.
    pub fn before_recycle(
        mut self,
        hook: impl Fn(&mut M::Resource) -> ResourceFate + Send + Sync + 'static,
    ) -> Self {
        self.hooks.before_recycle = Some(Box::new(hook));
        self
    }

    /// Called when a resource comes back, on whatever thread drops its guard.
    pub fn after_release(
        mut self,
        hook: impl Fn(&mut M::Resource) -> ResourceFate + Send + Sync + 'static,
    ) -> Self {
        self.hooks.after_release = Some(Box::new(hook));
        self
    }

    /// Called by [`maintain`](ResourcePool::maintain), once for each acquire
    /// that holds its resource beyond the
    /// [leak threshold](Self::with_leak_threshold).
    pub fn on_long_held(mut self, hook: impl Fn(&HeldResource) + Send + Sync + 'static) -> Self {
        self.hooks.on_long_held = Some(Box::new(hook));
        self
    }

    /// The pool. Nothing is created yet.
    ///
    /// # Errors
    ///
    /// [`Invalid`](SyncError::Invalid), naming the setting that cannot be
    /// meant.
    #[track_caller]
    pub fn build(self) -> Result<ResourcePool<M>, SyncError> {
        let settings = self.settings.checked()?;
        Ok(ResourcePool::of(Shared::new(self.name, self.manager, self.hooks, settings)))
    }
}

impl<M: Manager> fmt::Debug for ResourcePoolBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourcePoolBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}
