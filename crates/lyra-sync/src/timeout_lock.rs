use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::error::SyncError;
use crate::events;
use crate::holder::{Holder, HolderNote};
use crate::name::Name;
use crate::order::{HeldMark, OrderMark};
use crate::series;

/// How long [`TimeoutLock::lock`] waits unless it is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A lock for threads that nobody waits for without end.
///
/// It is given by a guard alone, and the guard gives it back. Who has waited
/// for too long is told who holds it, and where that thread locked it. A
/// thread that locks what it holds already is told at once, instead of waiting
/// for itself.
///
/// Waiting threads are served roughly in the order of their arrival: a lock
/// that is given back may be taken by a thread that just comes, but twice in a
/// millisecond it is handed to the one that waits longest.
///
/// A panic under the guard gives the lock back, too; [`had_panic`](Self::had_panic)
/// tells of it.
///
/// Not for async code: a task that blocks its thread blocks all others on it.
/// See [`AsyncRwLock`](crate::AsyncRwLock).
///
/// ```
/// use std::time::Duration;
/// use lyra_sync::TimeoutLock;
///
/// let index = TimeoutLock::named("index", vec![1, 2]).with_timeout(Duration::from_secs(5));
/// index.lock()?.push(3);
/// let guard = index.lock_for(Duration::from_millis(50))?;
/// assert_eq!(guard.len(), 3);
/// let error = index.lock().unwrap_err();
/// assert!(error.to_string().starts_with("index: this thread holds it already, since "));
/// # Ok::<(), lyra_sync::SyncError>(())
/// ```
pub struct TimeoutLock<T: ?Sized> {
    name: Name,
    timeout: Duration,
    is_tracked: bool,
    note: HolderNote,
    order: OrderMark,
    had_panic: AtomicBool,
    value: Mutex<T>,
}

/// What a [`TimeoutLock`] protects, for as long as this lives.
#[must_use = "dropped, it gives the lock back at once"]
pub struct TimeoutLockGuard<'a, T: ?Sized> {
    note: Option<&'a HolderNote>,
    had_panic: &'a AtomicBool,
    was_panicking: bool,
    // Before the lock is given back, it is no longer held in the graph.
    _held: HeldMark,
    value: MutexGuard<'a, T>,
}

impl<T> TimeoutLock<T> {
    /// A lock without a name, with a timeout of 10 seconds.
    pub const fn new(value: T) -> Self {
        Self {
            name: Name::UNNAMED,
            timeout: TIMEOUT,
            is_tracked: true,
            note: HolderNote::new(),
            order: OrderMark::new(),
            had_panic: AtomicBool::new(false),
            value: Mutex::new(value),
        }
    }

    /// A lock with a name, which its errors say.
    pub fn named(name: impl Into<Name>, value: T) -> Self {
        Self { name: name.into(), ..Self::new(value) }
    }

    /// How long [`lock`](Self::lock) waits. Zero: it does not wait.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Does not note who holds it, which saves a nanosecond or two. Errors
    /// name no holder then, and a thread that locks what it holds waits for
    /// itself until its timeout.
    #[must_use]
    pub fn without_tracking(mut self) -> Self {
        self.is_tracked = false;
        self
    }

    /// What it protects.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> TimeoutLock<T> {
    /// Locks, waiting for up to the lock's timeout.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the holder;
    /// [`Reentrant`](SyncError::Reentrant) if this thread holds it.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Result<TimeoutLockGuard<'_, T>, SyncError> {
        self.lock_for(self.timeout)
    }

    /// Locks, waiting for up to `timeout`. Zero: it does not wait.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    #[inline]
    #[track_caller]
    pub fn lock_for(&self, timeout: Duration) -> Result<TimeoutLockGuard<'_, T>, SyncError> {
        self.lock_at(timeout, Location::caller())
    }

    /// Locks if it is free now.
    ///
    /// # Errors
    ///
    /// [`Busy`](SyncError::Busy) with the holder;
    /// [`Reentrant`](SyncError::Reentrant) if this thread holds it.
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Result<TimeoutLockGuard<'_, T>, SyncError> {
        match self.value.try_lock() {
            Some(value) => Ok(self.guard(value, Location::caller())),
            None => Err(self.busy(Location::caller())),
        }
    }

    /// What it protects, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The name; `unnamed` if it was given none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Who holds it now, if anybody, and if that is noted.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.note.read()
    }

    /// Whether it is held now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.value.is_locked()
    }

    /// Whether a thread panicked while it held the lock: what it protects may
    /// be half done.
    #[must_use]
    pub fn had_panic(&self) -> bool {
        self.had_panic.load(Ordering::Relaxed)
    }

    /// Forgets that a thread panicked: what it protects was mended.
    pub fn clear_panic(&self) {
        self.had_panic.store(false, Ordering::Relaxed);
    }

    /// Locks for a caller at `location`.
    #[inline]
    pub(crate) fn lock_at(
        &self,
        timeout: Duration,
        location: lyra_errors::Location,
    ) -> Result<TimeoutLockGuard<'_, T>, SyncError> {
        if !timeout.is_zero() {
            self.order.ask(&self.name, location);
        }
        match self.value.try_lock() {
            Some(value) => Ok(self.guard(value, location)),
            None => self.wait(timeout, location),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    #[inline]
    fn guard<'a>(
        &'a self,
        value: MutexGuard<'a, T>,
        location: lyra_errors::Location,
    ) -> TimeoutLockGuard<'a, T> {
        let note = self.is_tracked.then_some(&self.note);
        if let Some(note) = note {
            note.set(location);
        }
        let was_panicking = thread::panicking();
        let held = self.order.held(&self.name, location);
        TimeoutLockGuard { note, had_panic: &self.had_panic, was_panicking, _held: held, value }
    }

    #[cold]
    fn wait(
        &self,
        timeout: Duration,
        location: lyra_errors::Location,
    ) -> Result<TimeoutLockGuard<'_, T>, SyncError> {
        if self.is_tracked && self.note.is_this_thread() {
            return Err(self.busy(location));
        }
        let _wait = (!timeout.is_zero()).then(|| series::wait("lock", &self.name));
        let started = Instant::now();
        // A time that the system cannot express is as good as none.
        let value = match started.checked_add(timeout) {
            Some(deadline) => self.value.try_lock_until(deadline),
            None => Some(self.value.lock()),
        };
        match value {
            Some(value) => Ok(self.guard(value, location)),
            None => Err(self.timed_out(started.elapsed(), location)),
        }
    }

    fn timed_out(&self, waited: Duration, location: lyra_errors::Location) -> SyncError {
        let (name, holder) = (self.name.clone(), self.holder());
        series::timed_out("lock", &name);
        events::timed_out("lock", &name, waited, holder.as_ref(), location);
        SyncError::Timeout { name, waited, holder, unnamed: 0, location }
    }

    #[cold]
    fn busy(&self, location: lyra_errors::Location) -> SyncError {
        let (name, holder) = (self.name.clone(), self.holder());
        match self.is_tracked && self.note.is_this_thread() {
            true => SyncError::Reentrant { name, holder, location },
            false => SyncError::Busy { name, holder, unnamed: 0, location },
        }
    }
}

impl<T: ?Sized> Drop for TimeoutLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(note) = self.note {
            note.clear();
        }
        if !self.was_panicking && thread::panicking() {
            self.had_panic.store(true, Ordering::Relaxed);
        }
    }
}

impl<T: ?Sized> Deref for TimeoutLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for TimeoutLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for TimeoutLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Default> Default for TimeoutLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for TimeoutLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TimeoutLock");
        shown.field("name", &self.name());
        match self.value.try_lock() {
            Some(value) => shown.field("value", &&*value),
            None => shown.field("holder", &self.holder()),
        };
        shown.finish_non_exhaustive()
    }
}
