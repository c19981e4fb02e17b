//! The lock for threads.

use std::panic::Location;
use std::time::Duration;

use super::access::Access;
use super::{
    AsyncRwLock, AsyncRwLockReadGuard, AsyncRwLockUpgradableReadGuard, AsyncRwLockWriteGuard,
};
use crate::error::SyncError;

impl<T: ?Sized> AsyncRwLock<T> {
    /// [`read`](Self::read) for threads: blocks for up to `timeout`. It stands
    /// in the same line, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the holder.
    #[track_caller]
    pub fn read_blocking(
        &self,
        timeout: Duration,
    ) -> Result<AsyncRwLockReadGuard<'_, T>, SyncError> {
        let location = Location::caller();
        if !self.gate.enter_now(Access::Read, timeout, location) {
            self.gate.wait_blocking(Access::Read, timeout, location)?;
        }
        Ok(self.reading(location))
    }

    /// [`write`](Self::write) for threads: blocks for up to `timeout`. It
    /// stands in the same line, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the holder.
    #[track_caller]
    pub fn write_blocking(
        &self,
        timeout: Duration,
    ) -> Result<AsyncRwLockWriteGuard<'_, T>, SyncError> {
        let location = Location::caller();
        if !self.gate.enter_now(Access::Write, timeout, location) {
            self.gate.wait_blocking(Access::Write, timeout, location)?;
        }
        Ok(self.writing(location))
    }

    /// [`upgradable_read`](Self::upgradable_read) for threads: blocks for up
    /// to `timeout`. It stands in the same line, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the holder.
    #[track_caller]
    pub fn upgradable_read_blocking(
        &self,
        timeout: Duration,
    ) -> Result<AsyncRwLockUpgradableReadGuard<'_, T>, SyncError> {
        let location = Location::caller();
        if !self.gate.enter_now(Access::Upgradable, timeout, location) {
            self.gate.wait_blocking(Access::Upgradable, timeout, location)?;
        }
        Ok(self.reading_upgradably(location))
    }
}
