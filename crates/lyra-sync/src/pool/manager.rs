use std::error::Error;
use std::time::Duration;

use lyra_errors::Recovery;

/// Makes the resources of a [`ResourcePool`](crate::ResourcePool), tells
/// whether they still work, and cleans up after them.
///
/// The pool calls it outside of its lock, so it may take its time, and it may
/// even acquire from the same pool. What it does is bounded by the pool's
/// timeouts as far as it awaits; a method that blocks its thread cannot be
/// interrupted. Where it panics, the pool loses nothing.
///
/// ```
/// use std::io;
/// use std::time::Duration;
/// use lyra_sync::{Manager, ResourcePool};
///
/// struct Connection { is_open: bool }
///
/// struct Connector;
///
/// impl Manager for Connector {
///     type Resource = Connection;
///     type Error = io::Error;
///
///     async fn create(&self) -> io::Result<Connection> {
///         Ok(Connection { is_open: true })
///     }
///
///     async fn recycle(&self, connection: &mut Connection) -> io::Result<()> {
///         match connection.is_open {
///             true => Ok(()),
///             false => Err(io::ErrorKind::NotConnected.into()),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ResourcePool::builder(Connector).with_max_size(4).build()?;
/// let timeout = Duration::from_secs(1);
/// pool.acquire(timeout).await?.is_open = false;
/// let connection = pool.acquire(timeout).await?;
/// assert!(connection.is_open, "the broken one was found out, and another one made");
/// # Ok(())
/// # }
/// ```
pub trait Manager: Send + Sync + 'static {
    /// What it makes.
    type Resource: Send + 'static;

    /// Why it could not.
    type Error: Error + Send + Sync + 'static;

    /// Makes a resource.
    ///
    /// It is polled once where it was asked for; if it is not ready then, it
    /// goes on in a task of its own, within the pool's create timeout, even if
    /// its caller goes away. Then it is dropped where it stands.
    fn create(&self) -> impl Future<Output = Result<Self::Resource, Self::Error>> + Send;

    /// Tells whether a resource that was used before still works, and makes it
    /// ready for the next. An error destroys it. By default all are fine.
    ///
    /// It runs when the resource is handed out, as part of the acquire, and
    /// within the pool's recycle timeout. Where it is dropped half done, the
    /// resource is destroyed.
    fn recycle(
        &self,
        resource: &mut Self::Resource,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = resource;
        std::future::ready(Ok(()))
    }

    /// Cleans up. By default it drops the resource.
    ///
    /// It is called wherever the last use ends, in the drop of a guard for
    /// instance, on whatever thread, with or without a runtime: hence it is
    /// synchronous. What has to wait is handed to a task of the manager's own.
    fn destroy(&self, resource: Self::Resource) {
        drop(resource);
    }

    /// Whether to try again makes sense after this error of
    /// [`create`](Self::create). By default it does not: the pool cannot know.
    fn recovery(&self, error: &Self::Error) -> Recovery {
        let _ = error;
        Recovery::Permanent
    }
}

/// A [`Manager`] that can make resources without awaiting: with it,
/// [`acquire_blocking`](crate::ResourcePool::acquire_blocking) serves threads
/// from the same pool and the same line.
pub trait BlockingManager: Manager {
    /// [`create`](Manager::create) for threads. The pool cannot interrupt it:
    /// it should give up by itself after `timeout`.
    ///
    /// # Errors
    ///
    /// The manager's own.
    fn create_blocking(&self, timeout: Duration) -> Result<Self::Resource, Self::Error>;

    /// [`recycle`](Manager::recycle) for threads. The pool cannot interrupt
    /// it: it should give up by itself after `timeout`.
    ///
    /// # Errors
    ///
    /// The manager's own.
    fn recycle_blocking(
        &self,
        resource: &mut Self::Resource,
        timeout: Duration,
    ) -> Result<(), Self::Error> {
        let _ = (resource, timeout);
        Ok(())
    }
}
