//! What callers hold.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::time::Duration;

use super::access::Access;
use super::entry::Entry;
use super::{Reading, ReadingUpgradably, Writing};
use crate::error::SyncError;

/// What an [`AsyncRwLock`](crate::AsyncRwLock) protects, to read, for as long
/// as this lives.
#[must_use = "dropped, it gives the lock back at once"]
pub struct AsyncRwLockReadGuard<'a, T: ?Sized> {
    // In this order: the value is given back before its gate is opened.
    value: Reading<'a, T>,
    _entry: Entry<'a>,
}

/// What an [`AsyncRwLock`](crate::AsyncRwLock) protects, for as long as this
/// lives.
#[must_use = "dropped, it gives the lock back at once"]
pub struct AsyncRwLockWriteGuard<'a, T: ?Sized> {
    value: Writing<'a, T>,
    entry: Entry<'a>,
}

/// What an [`AsyncRwLock`](crate::AsyncRwLock) protects, to read and perhaps
/// to write later, for as long as this lives.
#[must_use = "dropped, it gives the lock back at once"]
pub struct AsyncRwLockUpgradableReadGuard<'a, T: ?Sized> {
    value: ReadingUpgradably<'a, T>,
    entry: Entry<'a>,
}

impl<'a, T: ?Sized> AsyncRwLockReadGuard<'a, T> {
    #[inline]
    pub(super) fn new(value: Reading<'a, T>, entry: Entry<'a>) -> Self {
        Self { value, _entry: entry }
    }
}

impl<'a, T: ?Sized> AsyncRwLockWriteGuard<'a, T> {
    #[inline]
    pub(super) fn new(value: Writing<'a, T>, entry: Entry<'a>) -> Self {
        Self { value, entry }
    }

    /// Goes on reading, without letting a writer come between. Waiting readers
    /// join it, unless writers wait.
    pub fn downgrade(self) -> AsyncRwLockReadGuard<'a, T> {
        let Self { value, mut entry } = self;
        let value = Writing::downgrade(value);
        entry.lower(Access::Read);
        AsyncRwLockReadGuard::new(value, entry)
    }

    /// Goes on reading, without letting a writer come between, and may upgrade
    /// again. Waiting readers join it, unless writers wait.
    pub fn downgrade_to_upgradable(self) -> AsyncRwLockUpgradableReadGuard<'a, T> {
        let Self { value, mut entry } = self;
        let value = Writing::downgrade_to_upgradable(value);
        entry.lower(Access::Upgradable);
        AsyncRwLockUpgradableReadGuard::new(value, entry)
    }
}

impl<'a, T: ?Sized> AsyncRwLockUpgradableReadGuard<'a, T> {
    #[inline]
    pub(super) fn new(value: ReadingUpgradably<'a, T>, entry: Entry<'a>) -> Self {
        Self { value, entry }
    }

    /// Goes on to write as soon as the other readers have left, waiting for up
    /// to `timeout`, counted from the first poll; no reader enters meanwhile.
    /// Zero: it does not wait.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the reader that came last, and how
    /// many there are, this one included;
    /// [`NoRuntime`](SyncError::NoRuntime) if it has to wait outside of a tokio
    /// runtime. The lock is given back then, the read as well;
    /// [`try_upgrade`](Self::try_upgrade) keeps it.
    ///
    /// # Panics
    ///
    /// If it has to wait in a tokio runtime that was made without its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, the lock is given back, the read as well.
    #[track_caller]
    pub fn upgrade(
        self,
        timeout: Duration,
    ) -> impl Future<Output = Result<AsyncRwLockWriteGuard<'a, T>, SyncError>> {
        let location = Location::caller();
        async move {
            let gate = self.entry.gate;
            if !gate.enter_now(Access::Upgrade, timeout, location) {
                gate.wait(Access::Upgrade, timeout, location).await?;
            }
            Ok(self.raised(location))
        }
    }

    /// [`upgrade`](Self::upgrade) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout), as [`upgrade`](Self::upgrade); the lock
    /// is given back then, the read as well.
    #[track_caller]
    pub fn upgrade_blocking(
        self,
        timeout: Duration,
    ) -> Result<AsyncRwLockWriteGuard<'a, T>, SyncError> {
        let (gate, location) = (self.entry.gate, Location::caller());
        if !gate.enter_now(Access::Upgrade, timeout, location) {
            gate.wait_blocking(Access::Upgrade, timeout, location)?;
        }
        Ok(self.raised(location))
    }

    /// Goes on to write if there is no other reader.
    ///
    /// # Errors
    ///
    /// This guard, unchanged.
    #[track_caller]
    pub fn try_upgrade(self) -> Result<AsyncRwLockWriteGuard<'a, T>, Self> {
        let location = Location::caller();
        match self.entry.gate.try_enter(Access::Upgrade, location) {
            true => Ok(self.raised(location)),
            false => Err(self),
        }
    }

    /// Goes on reading like any reader. Another may read upgradably now.
    pub fn downgrade(self) -> AsyncRwLockReadGuard<'a, T> {
        let Self { value, mut entry } = self;
        let value = ReadingUpgradably::downgrade(value);
        entry.lower(Access::Read);
        AsyncRwLockReadGuard::new(value, entry)
    }

    /// For one that the gate has let in to write.
    fn raised(self, location: lyra_errors::Location) -> AsyncRwLockWriteGuard<'a, T> {
        let Self { value, mut entry } = self;
        entry.raised(location);
        let value = super::alone(ReadingUpgradably::try_upgrade(value).ok());
        AsyncRwLockWriteGuard::new(value, entry)
    }
}

impl<T: ?Sized> Deref for AsyncRwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> Deref for AsyncRwLockUpgradableReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> Deref for AsyncRwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for AsyncRwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for AsyncRwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for AsyncRwLockUpgradableReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for AsyncRwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
