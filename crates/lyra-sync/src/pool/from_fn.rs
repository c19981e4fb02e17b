use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use super::ResourcePool;
use super::manager::{BlockingManager, Manager};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A [`Manager`] that is a closure without awaits: for what is made in memory,
/// or quickly.
///
/// Its type says what it makes and how that fails, not which closure it is, so
/// a pool of it can stand in a struct.
///
/// ```
/// use std::collections::HashMap;
/// use lyra_sync::{FnManager, ResourcePool};
///
/// struct Agent {
///     scratchpads: ResourcePool<FnManager<HashMap<String, String>>>,
/// }
///
/// let agent = Agent { scratchpads: ResourcePool::from_fn(4, HashMap::new) };
/// # drop(agent.scratchpads);
/// ```
pub struct FnManager<T, E = Infallible>(Box<dyn Fn() -> Result<T, E> + Send + Sync>);

/// A [`Manager`] that is a closure which gives a future.
///
/// Like [`FnManager`], it has no closure in its type.
pub struct AsyncFnManager<T, E>(Box<dyn Fn() -> BoxFuture<Result<T, E>> + Send + Sync>);

impl<T> FnManager<T> {
    /// With a closure that cannot fail.
    pub fn new(create: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Box::new(move || Ok(create())))
    }
}

impl<T, E> FnManager<T, E> {
    /// With a closure that can fail.
    pub fn fallible(create: impl Fn() -> Result<T, E> + Send + Sync + 'static) -> Self {
        Self(Box::new(create))
    }
}

impl<T, E> AsyncFnManager<T, E> {
    /// With a closure such as `|| connect()` for an `async fn connect`, or
    /// `move || async move { … }`.
    pub fn new<F, Fut>(create: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self(Box::new(move || Box::pin(create())))
    }
}

impl<T, E> Manager for FnManager<T, E>
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    type Resource = T;
    type Error = E;

    async fn create(&self) -> Result<T, E> {
        (self.0)()
    }
}

impl<T, E> BlockingManager for FnManager<T, E>
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    fn create_blocking(&self, _: Duration) -> Result<T, E> {
        (self.0)()
    }
}

impl<T, E> Manager for AsyncFnManager<T, E>
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    type Resource = T;
    type Error = E;

    fn create(&self) -> impl Future<Output = Result<T, E>> + Send {
        (self.0)()
    }
}

impl<T: Send + 'static> ResourcePool<FnManager<T>> {
    /// A pool of what a closure makes at once and without fail.
    ///
    /// All else is as [the builder](crate::ResourcePoolBuilder)'s defaults say; with
    /// [`FnManager::new`] it takes settings.
    ///
    /// # Panics
    ///
    /// If `max_size` is not in 1 to 1,000,000; the builder gives an error
    /// instead.
    #[track_caller]
    pub fn from_fn(max_size: usize, create: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::from_try_fn(max_size, move || Ok::<_, Infallible>(create()))
    }
}

impl<T, E> ResourcePool<FnManager<T, E>>
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    /// A pool of what a closure makes at once, if it does not fail.
    ///
    /// # Panics
    ///
    /// As [`from_fn`](Self::from_fn).
    #[track_caller]
    pub fn from_try_fn(
        max_size: usize,
        create: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        Self::with_defaults(max_size, FnManager::fallible(create))
    }
}

impl<T, E> ResourcePool<AsyncFnManager<T, E>>
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    /// A pool of what an asynchronous closure makes.
    ///
    /// # Panics
    ///
    /// As [`from_fn`](Self::from_fn).
    ///
    /// ```
    /// use std::io;
    /// use std::time::Duration;
    /// use lyra_sync::ResourcePool;
    ///
    /// struct Connection;
    ///
    /// async fn connect() -> io::Result<Connection> {
    ///     Ok(Connection)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ResourcePool::from_async_fn(10, || connect());
    /// let connection = pool.acquire(Duration::from_secs(10)).await?;
    /// # drop(connection);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn from_async_fn<F, Fut>(max_size: usize, create: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self::with_defaults(max_size, AsyncFnManager::new(create))
    }
}

impl<M: Manager> ResourcePool<M> {
    #[track_caller]
    fn with_defaults(max_size: usize, manager: M) -> Self {
        match Self::builder(manager).with_max_size(max_size).build() {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }
}

impl<T, E> fmt::Debug for FnManager<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnManager").finish_non_exhaustive()
    }
}

impl<T, E> fmt::Debug for AsyncFnManager<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFnManager").finish_non_exhaustive()
    }
}
