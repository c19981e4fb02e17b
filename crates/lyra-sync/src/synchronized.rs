//! Functions that run under a lock.

use std::fmt;
use std::panic::Location;

use crate::async_rw_lock::AsyncRwLock;
use crate::error::SyncError;
use crate::timeout_lock::TimeoutLock;

/// Makes a function of `work` that runs under `lock`.
///
/// Each call waits for up to the lock's timeout, and gives what `work` gave;
/// its errors are those of [`TimeoutLock::lock`]. The place of the lock that
/// errors name is that of this call, which made the function.
///
/// ```
/// use lyra_sync::{TimeoutLock, synchronized};
///
/// let visits = TimeoutLock::named("visits", 0);
/// let visit = synchronized(&visits, |count| {
///     *count += 1;
///     *count
/// });
/// assert_eq!(visit()?, 1);
/// assert_eq!(visit()?, 2);
/// # Ok::<(), lyra_sync::SyncError>(())
/// ```
#[track_caller]
pub fn synchronized<T: ?Sized, R>(
    lock: &TimeoutLock<T>,
    work: impl Fn(&mut T) -> R,
) -> impl Fn() -> Result<R, SyncError> {
    let location = Location::caller();
    move || lock.lock_at(lock.timeout(), location).map(|mut state| work(&mut state))
}

/// [`synchronized`] for a function with an argument; several go as a tuple.
///
/// ```
/// use lyra_sync::{TimeoutLock, synchronized_with};
///
/// let notes = TimeoutLock::new(Vec::new());
/// let note = synchronized_with(&notes, |notes, (day, text)| notes.push(format!("{day}: {text}")));
/// note((1, "rain"))?;
/// note((2, "sun"))?;
/// assert_eq!(*notes.lock()?, ["1: rain", "2: sun"]);
/// # Ok::<(), lyra_sync::SyncError>(())
/// ```
#[track_caller]
pub fn synchronized_with<T: ?Sized, A, R>(
    lock: &TimeoutLock<T>,
    work: impl Fn(&mut T, A) -> R,
) -> impl Fn(A) -> Result<R, SyncError> {
    let location = Location::caller();
    move |argument| {
        lock.lock_at(lock.timeout(), location).map(|mut state| work(&mut state, argument))
    }
}

/// Makes a function of `work` that reads under `lock`:
/// [`call`](SynchronizedRead::call) runs it.
///
/// Each call waits for up to the lock's timeout, which
/// [`with_timeout`](AsyncRwLock::with_timeout) sets, and gives what `work`
/// gave.
///
/// ```
/// use lyra_sync::{AsyncRwLock, synchronized_read, synchronized_write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lyra_sync::SyncError> {
/// let emotion = AsyncRwLock::named("emotion", 0.5);
/// let mood = synchronized_read(&emotion, async |joy| if *joy > 0.6 { "glad" } else { "calm" });
/// let praise = synchronized_write(&emotion, async |joy| *joy += 0.2);
/// assert_eq!(mood.call().await?, "calm");
/// praise.call().await?;
/// assert_eq!(mood.call().await?, "glad");
/// # Ok(())
/// # }
/// ```
pub fn synchronized_read<T: ?Sized, R, F: AsyncFn(&T) -> R>(
    lock: &AsyncRwLock<T>,
    work: F,
) -> SynchronizedRead<'_, T, F> {
    SynchronizedRead { lock, work }
}

/// [`synchronized_read`] for a function with an argument; several go as a
/// tuple.
///
/// ```
/// use lyra_sync::{AsyncRwLock, synchronized_read_with};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lyra_sync::SyncError> {
/// let primes = AsyncRwLock::new(vec![2, 3, 5, 7]);
/// let nth = synchronized_read_with(&primes, async |primes, n: usize| primes.get(n).copied());
/// assert_eq!(nth.call_with(2).await?, Some(5));
/// # Ok(())
/// # }
/// ```
pub fn synchronized_read_with<T: ?Sized, A, R, F: AsyncFn(&T, A) -> R>(
    lock: &AsyncRwLock<T>,
    work: F,
) -> SynchronizedRead<'_, T, F> {
    SynchronizedRead { lock, work }
}

/// Makes a function of `work` that writes under `lock`:
/// [`call`](SynchronizedWrite::call) runs it. Otherwise as
/// [`synchronized_read`], where an example is.
pub fn synchronized_write<T: ?Sized, R, F: AsyncFn(&mut T) -> R>(
    lock: &AsyncRwLock<T>,
    work: F,
) -> SynchronizedWrite<'_, T, F> {
    SynchronizedWrite { lock, work }
}

/// [`synchronized_write`] for a function with an argument; several go as a
/// tuple.
///
/// ```
/// use std::collections::HashMap;
/// use lyra_sync::{AsyncRwLock, synchronized_write_with};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), lyra_sync::SyncError> {
/// let ages = AsyncRwLock::new(HashMap::new());
/// let insert = synchronized_write_with(&ages, async |ages, (name, age)| ages.insert(name, age));
/// assert_eq!(insert.call_with(("Ada", 36)).await?, None);
/// assert_eq!(insert.call_with(("Ada", 37)).await?, Some(36));
/// # Ok(())
/// # }
/// ```
pub fn synchronized_write_with<T: ?Sized, A, R, F: AsyncFn(&mut T, A) -> R>(
    lock: &AsyncRwLock<T>,
    work: F,
) -> SynchronizedWrite<'_, T, F> {
    SynchronizedWrite { lock, work }
}

/// A function that reads under a lock; [`synchronized_read`] makes it.
//
// These two are types of their own, and not `impl AsyncFn`, since of that
// nobody can say whether its futures are `Send`, and a task needs that.
#[must_use = "it does nothing unless it is called"]
pub struct SynchronizedRead<'a, T: ?Sized, F> {
    lock: &'a AsyncRwLock<T>,
    work: F,
}

/// A function that writes under a lock; [`synchronized_write`] makes it.
#[must_use = "it does nothing unless it is called"]
pub struct SynchronizedWrite<'a, T: ?Sized, F> {
    lock: &'a AsyncRwLock<T>,
    work: F,
}

impl<T: ?Sized, F> SynchronizedRead<'_, T, F> {
    /// Runs the function, waiting for the lock up to its timeout.
    ///
    /// # Errors
    ///
    /// As [`AsyncRwLock::read`].
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it has done nothing. Dropped later, the
    /// function is dropped where it awaits, and the lock is given back.
    #[track_caller]
    pub fn call<R>(&self) -> impl Future<Output = Result<R, SyncError>>
    where
        F: AsyncFn(&T) -> R,
    {
        let location = Location::caller();
        async move {
            let state = self.lock.read_at(self.lock.timeout(), location).await?;
            Ok((self.work)(&*state).await)
        }
    }

    /// Runs the function with its argument; otherwise as [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// As [`AsyncRwLock::read`].
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    #[track_caller]
    pub fn call_with<A, R>(&self, argument: A) -> impl Future<Output = Result<R, SyncError>>
    where
        F: AsyncFn(&T, A) -> R,
    {
        let location = Location::caller();
        async move {
            let state = self.lock.read_at(self.lock.timeout(), location).await?;
            Ok((self.work)(&*state, argument).await)
        }
    }
}

impl<T: ?Sized, F> SynchronizedWrite<'_, T, F> {
    /// Runs the function, waiting for the lock up to its timeout.
    ///
    /// # Errors
    ///
    /// As [`AsyncRwLock::write`].
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it has done nothing. Dropped later, the
    /// function is dropped where it awaits, so that its work may be half done,
    /// and the lock is given back.
    #[track_caller]
    pub fn call<R>(&self) -> impl Future<Output = Result<R, SyncError>>
    where
        F: AsyncFn(&mut T) -> R,
    {
        let location = Location::caller();
        async move {
            let mut state = self.lock.write_at(self.lock.timeout(), location).await?;
            Ok((self.work)(&mut *state).await)
        }
    }

    /// Runs the function with its argument; otherwise as [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// As [`AsyncRwLock::write`].
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    #[track_caller]
    pub fn call_with<A, R>(&self, argument: A) -> impl Future<Output = Result<R, SyncError>>
    where
        F: AsyncFn(&mut T, A) -> R,
    {
        let location = Location::caller();
        async move {
            let mut state = self.lock.write_at(self.lock.timeout(), location).await?;
            Ok((self.work)(&mut *state, argument).await)
        }
    }
}

impl<T: ?Sized, F> fmt::Debug for SynchronizedRead<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynchronizedRead").field("lock", &self.lock.name()).finish_non_exhaustive()
    }
}

impl<T: ?Sized, F> fmt::Debug for SynchronizedWrite<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynchronizedWrite").field("lock", &self.lock.name()).finish_non_exhaustive()
    }
}
