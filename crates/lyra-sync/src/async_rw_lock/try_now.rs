//! The lock for those who do not wait.

use std::panic::Location;

use super::access::Access;
use super::{
    AsyncRwLock, AsyncRwLockReadGuard, AsyncRwLockUpgradableReadGuard, AsyncRwLockWriteGuard,
};
use crate::error::SyncError;

impl<T: ?Sized> AsyncRwLock<T> {
    /// Locks to read if nobody writes, and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Busy`](SyncError::Busy) with the holder.
    #[track_caller]
    pub fn try_read(&self) -> Result<AsyncRwLockReadGuard<'_, T>, SyncError> {
        let location = Location::caller();
        self.try_enter(Access::Read, location)?;
        Ok(self.reading(location))
    }

    /// Locks to write if it is free, and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Busy`](SyncError::Busy) with the holder.
    #[track_caller]
    pub fn try_write(&self) -> Result<AsyncRwLockWriteGuard<'_, T>, SyncError> {
        let location = Location::caller();
        self.try_enter(Access::Write, location)?;
        Ok(self.writing(location))
    }

    /// Locks to read and perhaps to write later, if nobody writes or reads so,
    /// and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Busy`](SyncError::Busy) with the holder.
    #[track_caller]
    pub fn try_upgradable_read(&self) -> Result<AsyncRwLockUpgradableReadGuard<'_, T>, SyncError> {
        let location = Location::caller();
        self.try_enter(Access::Upgradable, location)?;
        Ok(self.reading_upgradably(location))
    }

    #[inline]
    fn try_enter(&self, access: Access, location: lyra_errors::Location) -> Result<(), SyncError> {
        match self.gate.try_enter(access, location) {
            true => Ok(()),
            false => {
                let (holder, unnamed) = self.gate.holders();
                Err(SyncError::Busy { name: self.gate.name.clone(), holder, unnamed, location })
            }
        }
    }
}
