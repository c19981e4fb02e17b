//! The semaphore for threads.

use std::panic::Location;
use std::time::Duration;

use super::{Semaphore, SemaphorePermit};
use crate::error::SyncError;

impl Semaphore {
    /// [`acquire`](Self::acquire) for threads. It stands in the same line, and
    /// needs no runtime.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_blocking(&self) -> Result<SemaphorePermit, SyncError> {
        self.acquire_many_blocking_for(1, self.timeout)
    }

    /// [`acquire_for`](Self::acquire_for) for threads.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_blocking_for(&self, timeout: Duration) -> Result<SemaphorePermit, SyncError> {
        self.acquire_many_blocking_for(1, timeout)
    }

    /// [`acquire_many`](Self::acquire_many) for threads.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    #[track_caller]
    pub fn acquire_many_blocking(&self, count: u32) -> Result<SemaphorePermit, SyncError> {
        self.acquire_many_blocking_for(count, self.timeout)
    }

    /// [`acquire_many_for`](Self::acquire_many_for) for threads.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    #[track_caller]
    pub fn acquire_many_blocking_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<SemaphorePermit, SyncError> {
        let location = Location::caller();
        if !self.shared.take(count, location)? {
            self.shared.wait_blocking(count, timeout, location)?;
        }
        Ok(self.permit(count, location))
    }
}
