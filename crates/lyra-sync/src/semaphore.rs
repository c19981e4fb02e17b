mod blocking;
mod permit;
mod wait;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore as Line, TryAcquireError};

use crate::error::SyncError;
use crate::holder::{Holder, HolderNote};
use crate::name::Name;

pub use permit::{SemaphorePermit, SemaphoreStatus};

/// How long [`Semaphore::acquire`] waits unless it is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A number of permits that tasks and threads share, and nobody waits for
/// without end.
///
/// Whoever waits is served in the order of arrival, whether it asks for one
/// permit or for many, and whether it is a task or a thread: one that asks for
/// many is not passed by those that ask for few, nor by
/// [`try_acquire`](Self::try_acquire). A permit is given back when it is
/// dropped; it borrows nothing, and can move into a task.
///
/// Clones share the permits. Each has a timeout of its own.
///
/// A permit that is given back goes to the one that is next, and is held by it
/// from then on, whether it runs or not: a future that is not polled holds up
/// the others until their timeouts.
///
/// When there are permits, it neither allocates nor arms a timer. It takes no
/// part in the graph of feature `lock-order`: a permit may be given back by
/// another task than the one that took it.
///
/// ```
/// use std::time::Duration;
/// use lyra_sync::{Semaphore, SyncError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), SyncError> {
/// let downloads = Semaphore::named("downloads", 5).with_timeout(Duration::from_secs(10));
/// let permit = downloads.acquire().await?;
/// let task = tokio::spawn(async move {
///     let _permit = permit; // given back when the task ends, however it ends
/// });
/// let three = downloads.acquire_many(3).await?;
/// assert_eq!(downloads.status().permits, 5);
/// drop(three);
///
/// let error = downloads.acquire_many(6).await.unwrap_err();
/// assert_eq!(error.to_string(), "downloads: 6 at once will never be there, of 5");
/// # task.await.unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Semaphore {
    timeout: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    name: Name,
    permits: u32,
    note: HolderNote,
    waiting: AtomicUsize,
    line: Line,
}

impl Semaphore {
    /// So many permits, without a name, with a timeout of 10 seconds.
    ///
    /// With none, every call that asks for one is refused at once. On 32-bit
    /// systems there are at most 536,870,911.
    #[must_use]
    pub fn new(permits: u32) -> Self {
        Self::named(Name::UNNAMED, permits)
    }

    /// So many permits, and a name, which its errors say.
    pub fn named(name: impl Into<Name>, permits: u32) -> Self {
        let permits = permits.min(u32::try_from(Line::MAX_PERMITS).unwrap_or(u32::MAX));
        let shared = Shared {
            name: name.into(),
            permits,
            note: HolderNote::new(),
            waiting: AtomicUsize::new(0),
            line: Line::new(permits as usize),
        };
        Self { timeout: TIMEOUT, shared: Arc::new(shared) }
    }

    /// How long [`acquire`](Self::acquire), [`acquire_many`](Self::acquire_many)
    /// and their blocking twins wait, if they are called on this one or on its
    /// later clones. Zero: they do not wait.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes one permit, waiting in line for up to the semaphore's timeout,
    /// counted from the first poll.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SyncError::Timeout) with the one that took a permit last;
    /// [`Closed`](SyncError::Closed) if it is closed, or is closed meanwhile;
    /// [`TooMany`](SyncError::TooMany) if there are no permits at all;
    /// [`NoRuntime`](SyncError::NoRuntime) if it has to wait outside of a tokio
    /// runtime.
    ///
    /// # Panics
    ///
    /// If it has to wait in a tokio runtime that was made without its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment it has left the line, and has taken nothing.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit, SyncError>> {
        self.acquire_many_for(1, self.timeout)
    }

    /// Takes one permit, waiting in line for up to `timeout`, counted from the
    /// first poll. Zero: it does not wait.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_for(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<SemaphorePermit, SyncError>> {
        self.acquire_many_for(1, timeout)
    }

    /// Takes `count` permits together, waiting in line for up to the
    /// semaphore's timeout, counted from the first poll. Zero of them are there
    /// at once, also where there are no permits at all, unless it is closed.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and [`TooMany`](SyncError::TooMany) at
    /// once if there are fewer than `count` in all.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire): those that were set aside for it go to
    /// the next in line.
    #[track_caller]
    pub fn acquire_many(
        &self,
        count: u32,
    ) -> impl Future<Output = Result<SemaphorePermit, SyncError>> {
        self.acquire_many_for(count, self.timeout)
    }

    /// Takes `count` permits together, waiting in line for up to `timeout`,
    /// counted from the first poll. Zero: it does not wait.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many`](Self::acquire_many).
    #[track_caller]
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> impl Future<Output = Result<SemaphorePermit, SyncError>> {
        let location = Location::caller();
        async move {
            if !self.shared.take(count, location)? {
                self.shared.wait(count, timeout, location).await?;
            }
            Ok(self.permit(count, location))
        }
    }

    /// Takes one permit if it is there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Busy`](SyncError::Busy) with the one that took a permit last;
    /// [`Closed`](SyncError::Closed); [`TooMany`](SyncError::TooMany) if there
    /// are no permits at all.
    #[track_caller]
    pub fn try_acquire(&self) -> Result<SemaphorePermit, SyncError> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits together if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire), and
    /// [`TooMany`](SyncError::TooMany) if there are fewer than `count` in all.
    #[track_caller]
    pub fn try_acquire_many(&self, count: u32) -> Result<SemaphorePermit, SyncError> {
        let location = Location::caller();
        match self.shared.take(count, location)? {
            true => Ok(self.permit(count, location)),
            false => Err(self.shared.busy(location)),
        }
    }

    /// Gives no more permits: whoever waits, and whoever comes, is refused
    /// with [`Closed`](SyncError::Closed). Those that are out stay good.
    pub fn close(&self) {
        self.shared.line.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.line.is_closed()
    }

    /// The name; `unnamed` if it was given none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.name.as_str()
    }

    /// How many permits are there now. While somebody waits for more than are
    /// there, they are set aside for it, and count as taken.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.shared.available()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> SemaphoreStatus {
        SemaphoreStatus {
            permits: self.shared.permits,
            available: self.available(),
            waiting: self.shared.waiting.load(Ordering::Relaxed),
            is_closed: self.is_closed(),
            holder: self.shared.holders().0,
        }
    }

    #[inline]
    fn permit(&self, count: u32, location: lyra_errors::Location) -> SemaphorePermit {
        // Who takes none holds nothing.
        if count > 0 {
            self.shared.note.set(location);
        }
        SemaphorePermit::new(Arc::clone(&self.shared), count)
    }
}

impl Shared {
    /// Whether it could take them without waiting.
    #[inline]
    fn take(&self, count: u32, location: lyra_errors::Location) -> Result<bool, SyncError> {
        if count > self.permits {
            let (name, most) = (self.name.clone(), self.permits);
            return Err(SyncError::TooMany { name, asked: count, most, location });
        }
        match self.line.try_acquire_many(count) {
            Ok(permit) => {
                // The permit of this crate gives them back.
                permit.forget();
                Ok(true)
            }
            Err(TryAcquireError::NoPermits) => Ok(false),
            Err(TryAcquireError::Closed) => Err(self.closed(location)),
        }
    }

    fn give_back(&self, count: u32) {
        self.line.add_permits(count as usize);
    }

    fn available(&self) -> u32 {
        u32::try_from(self.line.available_permits()).unwrap_or(u32::MAX)
    }

    /// How many are not there.
    #[inline]
    fn out(&self) -> u32 {
        self.permits.saturating_sub(self.available())
    }

    /// Who took a permit last, if none came back since; or how many are out.
    fn holders(&self) -> (Option<Holder>, usize) {
        match (self.out() as usize, self.note.read()) {
            (0, _) => (None, 0),
            (out, Some(holder)) => (Some(holder.with_others(out - 1)), 0),
            (out, None) => (None, out),
        }
    }

    fn busy(&self, location: lyra_errors::Location) -> SyncError {
        let (holder, unnamed) = self.holders();
        SyncError::Busy { name: self.name.clone(), holder, unnamed, location }
    }

    fn closed(&self, location: lyra_errors::Location) -> SyncError {
        SyncError::Closed { name: self.name.clone(), location }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("name", &self.name())
            .field("timeout", &self.timeout)
            .field("status", &self.status())
            .finish()
    }
}
