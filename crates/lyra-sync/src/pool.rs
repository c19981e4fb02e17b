mod blocking;
mod builder;
mod check;
mod close;
mod creation;
mod deadline;
mod error;
mod from_fn;
mod guard;
mod hooks;
mod hot;
mod item;
mod manager;
mod mark;
mod report;
mod settings;
mod shared;
mod slot;
mod state;
mod status;
mod tend;
mod wait;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadline::Deadline;
use item::Item;
use shared::Shared;

pub use builder::ResourcePoolBuilder;
pub use error::{PoolError, PoolUsage};
pub use from_fn::{AsyncFnManager, FnManager};
pub use guard::PoolGuard;
pub use hooks::ResourceFate;
pub use manager::{BlockingManager, Manager};
pub use status::{HeldResource, PoolCounts, PoolStatus};

type Outcome<'a, M> = Result<PoolGuard<'a, M>, PoolError<<M as Manager>::Error>>;

/// A bounded number of resources that callers take turns with: connections,
/// clients, sessions, buffers.
///
/// Whoever acquires gets one that is idle; else, if there is room, one is
/// created; else it waits in line, by the order of arrival, tasks and threads
/// alike, until its own timeout. Nobody overtakes while somebody waits. There
/// are never more resources than the max size, idle, in use and being created
/// together.
///
/// A creation runs outside of the pool's lock, within its own timeout. What it
/// makes goes to whoever waits longest; if its caller has gone away, it goes
/// on, and the resource goes to the next or is idle. Where it fails, the
/// caller that asked for it is told at once, with the manager's error; the
/// others wait on, and after a short pause one of them tries.
///
/// Clones are the same pool. With the last one it closes: what is idle is
/// destroyed then, and guards that are still out stay valid and clean up when
/// they are dropped.
///
/// Times are those of tokio's clock, which a test can pause; the blocking
/// twins wait on the system's.
///
/// ```
/// use std::time::Duration;
/// use lyra_sync::ResourcePool;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ResourcePool::from_fn(2, Vec::<u8>::new);
/// let timeout = Duration::from_millis(20);
/// let mut first = pool.acquire(timeout).await?;
/// first.push(1);
/// let second = pool.acquire(timeout).await?;
///
/// let error = pool.acquire(timeout).await.unwrap_err();
/// assert!(error.to_string().contains("(2 of 2 in use), longest by thread `"));
///
/// drop(first);
/// assert_eq!(pool.acquire(timeout).await?.len(), 1, "it is used again");
/// # drop(second);
/// # Ok(())
/// # }
/// ```
pub struct ResourcePool<M: Manager>(Arc<Shared<M>>);

impl<M: Manager> ResourcePool<M> {
    /// A pool of what this manager makes.
    pub fn builder(manager: M) -> ResourcePoolBuilder<M> {
        ResourcePoolBuilder::new(manager)
    }

    /// For a user, who has had it from now on.
    #[inline]
    fn guard(&self, mut item: Item<M>) -> PoolGuard<'_, M> {
        item.is_fresh = false;
        PoolGuard::new(&self.0, item)
    }

    fn of(shared: Shared<M>) -> Self {
        Self(Arc::new(shared))
    }

    /// Gives a resource that passed its check, waiting for up to `timeout`:
    /// in line, for a creation, and for the check, all together. Zero: it
    /// waits for nothing, and takes what is idle or can be made at once.
    ///
    /// The timers are tokio's, which have steps of a millisecond: a timeout
    /// comes up to that much late, never early.
    ///
    /// # Errors
    ///
    /// [`Timeout`](PoolError::Timeout) with the one who holds a resource for
    /// the longest time; [`CreateFailed`](PoolError::CreateFailed),
    /// [`CreateTimedOut`](PoolError::CreateTimedOut) and
    /// [`CreatePanicked`](PoolError::CreatePanicked), if that became of the
    /// creation that this call asked for; [`Closed`](PoolError::Closed);
    /// [`NoRuntime`](PoolError::NoRuntime) if it has to wait outside of a
    /// tokio runtime.
    ///
    /// # Panics
    ///
    /// If it has to wait in a tokio runtime that was made without its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it leaves the line, and what it was given goes
    /// to the next. A creation that it asked for goes on. A resource that is
    /// being [checked](Manager::recycle) is destroyed, as nobody knows in what
    /// state it is: allow timeouts that are longer than a check takes.
    ///
    /// A waiter that is not polled, in a branch of `select!` that was left
    /// standing for instance, keeps what it was given until it is polled or
    /// dropped.
    #[track_caller]
    pub fn acquire(&self, timeout: Duration) -> impl Future<Output = Outcome<'_, M>> + Send {
        let location = Location::caller();
        async move {
            let (mut ticket, mut deadline) = (None, Deadline::new(timeout));
            loop {
                let item = match self.0.take(&mut ticket, location) {
                    Some(item) => item,
                    None => self.0.wait_boxed(ticket, &mut deadline, location).await?,
                };
                match self.0.check(item, &mut deadline).await {
                    Ok(item) => return Ok(self.guard(item)),
                    Err(refused) => self.0.refused(refused, &mut deadline, location)?,
                }
                // Where all that is made is refused at once, the other tasks
                // have their turns all the same.
                tokio::task::consume_budget().await;
            }
        }
    }

    /// Gives a resource that is idle now; it creates none.
    ///
    /// It is not [checked](Manager::recycle), as that may have to wait; what
    /// expired and what the hook before it refuses is not given.
    ///
    /// # Errors
    ///
    /// [`Busy`](PoolError::Busy) or [`Closed`](PoolError::Closed).
    #[track_caller]
    pub fn try_acquire(&self) -> Outcome<'_, M> {
        let location = Location::caller();
        let mut ticket = None;
        while let Some(item) = self.0.take(&mut ticket, location) {
            if let Ok(item) = self.0.check_at_once(item) {
                return Ok(self.guard(item));
            }
        }
        Err(self.0.busy(location))
    }

    /// Closes the pool at once, and waits for up to `timeout` until everything
    /// came back.
    ///
    /// From the first poll on, whoever waits gets [`Closed`](PoolError::Closed),
    /// and so does whoever acquires; a waiter that was handed a resource just
    /// before gets that. What is idle is destroyed, in this call and outside of
    /// its timeout, as [`destroy`](Manager::destroy) cannot be interrupted;
    /// what comes back or is still being created, when it comes. To close it
    /// twice waits again.
    ///
    /// # Errors
    ///
    /// [`NotReturned`](PoolError::NotReturned), with everyone who still holds
    /// a resource; it will be cleaned up all the same, if it ever comes back.
    /// [`NoRuntime`](PoolError::NoRuntime) if it has to wait outside of a
    /// tokio runtime.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropped after the first poll, the pool is closed, and nobody waits for
    /// what is out.
    #[track_caller]
    pub fn close(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), PoolError<M::Error>>> + Send {
        let location = Location::caller();
        async move { self.0.close(timeout, location).await }
    }

    /// [`close`](Self::close) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`NotReturned`](PoolError::NotReturned).
    #[track_caller]
    pub fn close_blocking(&self, timeout: Duration) -> Result<(), PoolError<M::Error>> {
        self.0.close_blocking(timeout, Location::caller())
    }

    /// Tends the pool, at once and then at each maintenance interval, until it
    /// is closed or its last handle is gone. It holds no handle itself.
    ///
    /// Each time it calls [`on_long_held`](ResourcePoolBuilder::on_long_held),
    /// destroys what expired, [checks](Manager::recycle) what is idle, and
    /// creates what lacks of the min idle. Nothing of that happens by itself:
    /// the program decides where it runs, with `tokio::spawn` for instance.
    /// One of them is enough.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it loses nothing; a resource that is being
    /// checked is destroyed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lyra_sync::{FnManager, ResourcePool};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ResourcePool::builder(FnManager::new(String::new)).with_min_idle(3).build()?;
    /// let maintenance = tokio::spawn(pool.maintain());
    /// # tokio::time::sleep(Duration::from_secs(1)).await;
    /// assert_eq!(pool.status().idle, 3);
    /// pool.close(Duration::from_secs(1)).await?;
    /// maintenance.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn maintain(&self) -> impl Future<Output = ()> + Send + 'static + use<M> {
        let shared = Arc::clone(&self.0);
        async move { shared.tend_on().await }
    }

    /// Tends the pool once, as [`maintain`](Self::maintain) does: for programs
    /// that have a schedule of their own.
    ///
    /// # Cancel safety
    ///
    /// As [`maintain`](Self::maintain).
    pub async fn maintain_once(&self) {
        self.0.tend().await;
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        self.0.status()
    }

    /// Who holds a resource for longer than the
    /// [leak threshold](ResourcePoolBuilder::with_leak_threshold), the longest
    /// first; nobody, if it is not set.
    #[must_use]
    pub fn long_held(&self) -> Vec<HeldResource> {
        self.0.long_held(false)
    }

    /// The name; `unnamed` if it was given none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// The manager.
    #[must_use]
    pub fn manager(&self) -> &M {
        &self.0.manager
    }
}

impl<M: Manager> Clone for ResourcePool<M> {
    fn clone(&self) -> Self {
        self.0.handles.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<M: Manager> Drop for ResourcePool<M> {
    fn drop(&mut self) {
        // As for an Arc: what other handles did happened before.
        if self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.close_now();
        }
    }
}

impl<M: Manager> fmt::Debug for ResourcePool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourcePool").field(&self.status()).finish()
    }
}
