mod access;
mod blocking;
mod entry;
mod gate;
#[cfg(test)]
mod gate_tests;
mod guards;
mod line;
mod status;
mod try_now;
mod wait;

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_lock::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};

use crate::atomics::{AtomicBool, AtomicUsize, Mutex};
use crate::error::SyncError;
use crate::holder::Holder;
use crate::name::Name;

use access::Access;
use entry::Entry;
use gate::Gate;
use line::Line;

pub use guards::{AsyncRwLockReadGuard, AsyncRwLockUpgradableReadGuard, AsyncRwLockWriteGuard};
pub use status::AsyncRwLockStatus;
pub(crate) use wait::LONGEST_WAIT;

/// How long a function made by [`synchronized_read`](crate::synchronized_read)
/// or [`synchronized_write`](crate::synchronized_write) waits unless it is
/// said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Many readers or one writer, asynchronous and blocking alike, and nobody
/// waits for it without end.
///
/// It is given by guards alone, and they give it back. Who has waited for too
/// long is told who holds it, and where that one locked it: the writer, or of
/// the readers the number and the one that came last, if it reads still.
///
/// Tasks and threads stand in one line. Writers go first: as soon as one
/// waits, readers that come wait, too, and it waits only for the readers that
/// are in. Among themselves writers go in the order of their arrival. Readers
/// are not starved: when 7 writers went in a row while readers waited, all of
/// these readers go. An upgradable read stands in line with the writers.
///
/// A lock that is given back is handed to the one that is next, and is held by
/// it from then on, whether it runs or not. A future that is next and is not
/// polled, such as one that a `select!` loop keeps and does not look at, holds
/// up the others until their timeouts, which name it.
///
/// Nobody who reads should read again before it has given back the first
/// guard: a writer that came between waits for the first guard, and the second
/// read waits for the writer. It ends with the timeout; feature `lock-order`
/// finds it. For that, a guard that moves to another task or thread counts as
/// held by the one that locked, until it is dropped.
///
/// When it is free, it neither allocates nor arms a timer; async-lock, which
/// keeps the value, allocates when a lock is given back for the first time.
///
/// ```
/// use std::time::Duration;
/// use lyra_sync::{AsyncRwLock, SyncError};
///
/// const SECOND: Duration = Duration::from_secs(1);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), SyncError> {
/// let emotion = AsyncRwLock::named("emotion", vec![0.0, 0.5]);
/// emotion.write(SECOND).await?.push(1.0);
/// assert_eq!(emotion.read_blocking(SECOND)?.len(), 3); // the same lock, from a thread
///
/// let reading = emotion.read(SECOND).await?;
/// let error = emotion.write(Duration::from_millis(10)).await.unwrap_err();
/// assert!(error.to_string().starts_with("emotion: not free within "));
/// assert_eq!(error.holder().unwrap().thread(), "main");
/// assert_eq!(reading[2], 1.0);
/// # Ok(())
/// # }
/// ```
pub struct AsyncRwLock<T: ?Sized> {
    timeout: Duration,
    gate: Gate,
    value: RwLock<T>,
}

impl<T> AsyncRwLock<T> {
    /// A lock without a name.
    pub const fn new(value: T) -> Self {
        Self { timeout: TIMEOUT, gate: new_gate(Name::UNNAMED), value: RwLock::new(value) }
    }

    /// A lock with a name, which its errors say.
    pub fn named(name: impl Into<Name>, value: T) -> Self {
        Self { gate: new_gate(name.into()), ..Self::new(value) }
    }

    /// How long functions wait that are made by
    /// [`synchronized_read`](crate::synchronized_read),
    /// [`synchronized_write`](crate::synchronized_write) and their twins with
    /// an argument: 10 seconds unless it is said, and not at all with zero.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What it protects.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> AsyncRwLock<T> {
    /// Locks to read, waiting for up to `timeout`, counted from the first
    /// poll. Zero: it does not wait.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the holder;
    /// [`NoRuntime`](SyncError::NoRuntime) if it has to wait outside of a tokio
    /// runtime.
    ///
    /// # Panics
    ///
    /// If it has to wait in a tokio runtime that was made without its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment it has left the line, and holds nothing.
    #[track_caller]
    pub fn read(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<AsyncRwLockReadGuard<'_, T>, SyncError>> {
        self.read_at(timeout, Location::caller())
    }

    /// Locks to write, waiting for up to `timeout`, counted from the first
    /// poll. Zero: it does not wait.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment it has left the line, and holds nothing; readers
    /// that waited behind it alone go at once.
    #[track_caller]
    pub fn write(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<AsyncRwLockWriteGuard<'_, T>, SyncError>> {
        self.write_at(timeout, Location::caller())
    }

    /// Locks to read and perhaps to write later, waiting for up to `timeout`,
    /// counted from the first poll. Readers may be in beside it, but no writer
    /// and no other of its kind: what it read is still so when it upgrades.
    /// Zero: it does not wait.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use lyra_sync::{AsyncRwLock, SyncError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), SyncError> {
    /// # let second = Duration::from_secs(1);
    /// let names = AsyncRwLock::new(vec!["Ada"]);
    /// let reading = names.upgradable_read(second).await?;
    /// if !reading.contains(&"Grace") {
    ///     reading.upgrade(second).await?.push("Grace"); // nobody came between
    /// }
    /// assert_eq!(*names.try_read()?, ["Ada", "Grace"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment it has left the line, and holds nothing.
    #[track_caller]
    pub fn upgradable_read(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<AsyncRwLockUpgradableReadGuard<'_, T>, SyncError>> {
        let location = Location::caller();
        async move {
            if !self.gate.enter_now(Access::Upgradable, timeout, location) {
                self.gate.wait(Access::Upgradable, timeout, location).await?;
            }
            Ok(self.reading_upgradably(location))
        }
    }

    /// What it protects, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The name; `unnamed` if it was given none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.gate.name.as_str()
    }

    /// Who holds it now, if anybody: the writer, or the reader that came last,
    /// if it reads still.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.gate.holder()
    }

    /// Whether anybody reads or writes now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.gate.is_held()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> AsyncRwLockStatus {
        self.gate.status()
    }

    /// Whether somebody panicked while it held the lock to write: what it
    /// protects may be half done. Readers are let in all the same.
    #[must_use]
    pub fn had_panic(&self) -> bool {
        self.gate.had_panic.load(Ordering::Relaxed)
    }

    /// Forgets that somebody panicked: what it protects was mended.
    pub fn clear_panic(&self) {
        self.gate.had_panic.store(false, Ordering::Relaxed);
    }

    /// Locks to read, for a caller at `location`.
    pub(crate) async fn read_at(
        &self,
        timeout: Duration,
        location: lyra_errors::Location,
    ) -> Result<AsyncRwLockReadGuard<'_, T>, SyncError> {
        if !self.gate.enter_now(Access::Read, timeout, location) {
            self.gate.wait(Access::Read, timeout, location).await?;
        }
        Ok(self.reading(location))
    }

    /// Locks to write, for a caller at `location`.
    pub(crate) async fn write_at(
        &self,
        timeout: Duration,
        location: lyra_errors::Location,
    ) -> Result<AsyncRwLockWriteGuard<'_, T>, SyncError> {
        if !self.gate.enter_now(Access::Write, timeout, location) {
            self.gate.wait(Access::Write, timeout, location).await?;
        }
        Ok(self.writing(location))
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    // Each of these is for one that the gate has let in, so that async-lock
    // has nobody to wait for. Its own `write().await` allocates at each call,
    // also when it is free: it compares the state that was before it came with
    // the one that it wants to see after.

    #[inline]
    fn reading(&self, location: lyra_errors::Location) -> AsyncRwLockReadGuard<'_, T> {
        let entry = Entry::new(&self.gate, Access::Read, location);
        AsyncRwLockReadGuard::new(alone(self.value.try_read()), entry)
    }

    #[inline]
    fn writing(&self, location: lyra_errors::Location) -> AsyncRwLockWriteGuard<'_, T> {
        let entry = Entry::new(&self.gate, Access::Write, location);
        AsyncRwLockWriteGuard::new(alone(self.value.try_write()), entry)
    }

    #[inline]
    fn reading_upgradably(
        &self,
        location: lyra_errors::Location,
    ) -> AsyncRwLockUpgradableReadGuard<'_, T> {
        let entry = Entry::new(&self.gate, Access::Upgradable, location);
        AsyncRwLockUpgradableReadGuard::new(alone(self.value.try_upgradable_read()), entry)
    }
}

#[inline]
fn alone<G>(guard: Option<G>) -> G {
    guard.expect("the gate lets in nobody whom the lock has no room for")
}

type Reading<'a, T> = RwLockReadGuard<'a, T>;
type Writing<'a, T> = RwLockWriteGuard<'a, T>;
type ReadingUpgradably<'a, T> = RwLockUpgradableReadGuard<'a, T>;

impl<T: Default> Default for AsyncRwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for AsyncRwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AsyncRwLock");
        shown.field("name", &self.name());
        // Through the gate, like everybody.
        match self.try_read() {
            Ok(value) => shown.field("value", &&*value),
            Err(_) => shown.field("holder", &self.holder()),
        };
        shown.finish_non_exhaustive()
    }
}

const fn new_gate(name: Name) -> Gate {
    Gate::of(name, AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Line::new()))
}
