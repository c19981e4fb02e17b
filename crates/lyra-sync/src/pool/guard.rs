use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::item::{Body, Item};
use super::manager::Manager;
use super::shared::Shared;
use crate::events;
use crate::series;

/// A resource of a [`ResourcePool`](crate::ResourcePool), for as long as this
/// lives; then it goes back.
///
/// It borrows the pool, which costs nothing; [`into_owned`](Self::into_owned)
/// makes it one that can be stored, and sent to a task of its own. Where the
/// pool was closed meanwhile, or dropped, the resource is destroyed when it
/// comes back. It needs no runtime for that. A guard that is [forgotten](std::mem::forget) keeps its
/// place in the pool for ever, and [`ResourcePool::status`] shows it.
///
/// [`ResourcePool::status`]: crate::ResourcePool::status
#[must_use = "dropped, it gives the resource back at once"]
pub struct PoolGuard<'a, M: Manager> {
    /// None where the item knows it. To count one handle up and down takes as
    /// long as to take and return a resource, so it is left to those who need
    /// it.
    shared: Option<&'a Arc<Shared<M>>>,
    item: Option<Item<M>>,
}

const PRESENT: &str = "it is there until the guard is dropped or detached";
const OWNED: &str = "a guard borrows its pool, or its item knows it";

impl<'a, M: Manager> PoolGuard<'a, M> {
    #[inline]
    pub(crate) fn new(shared: &'a Arc<Shared<M>>, item: Item<M>) -> Self {
        Self { shared: Some(shared), item: Some(item) }
    }

    /// The same guard without a borrow of the pool. It does not keep the pool
    /// open: once the last handle is gone, the resource is destroyed when it
    /// comes back.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lyra_sync::{PoolGuard, ResourcePool};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ResourcePool::from_fn(2, Vec::<u8>::new);
    /// let mut buffer = PoolGuard::into_owned(pool.acquire(Duration::from_secs(1)).await?);
    /// let task = tokio::spawn(async move { buffer.push(1) });
    /// task.await?;
    /// assert_eq!(pool.status().idle, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_owned(mut guard: Self) -> PoolGuard<'static, M> {
        let owner = guard.shared.map(Arc::clone);
        let body = guard.body();
        body.owner = body.owner.take().or(owner);
        PoolGuard { shared: None, item: guard.item.take() }
    }

    /// Says that the resource is not to be used any more: it will be destroyed
    /// instead of going back.
    ///
    /// A function of the type and not a method, as it might hide one of the
    /// resource's.
    pub fn mark_broken(guard: &mut Self) {
        guard.body().is_broken = true;
    }

    /// Takes the resource out of the pool for good, which has room for another
    /// one then. Nobody calls the manager's clean-up for it.
    #[must_use]
    pub fn detach(mut guard: Self) -> M::Resource {
        let Body { resource, slot, owner, .. } = *guard.item.take().expect(PRESENT);
        let shared = owner.as_ref().or(guard.shared).expect(OWNED);
        let wakes = {
            let mut state = shared.lock();
            state.counts.detached += 1;
            state.vacate(slot)
        };
        drop(wakes);
        series::removed(&shared.name, "detached");
        events::removed(&shared.name, "detached");
        resource
    }

    fn body(&mut self) -> &mut Body<M::Resource, Arc<Shared<M>>> {
        self.item.as_mut().expect(PRESENT)
    }
}

impl<M: Manager> Drop for PoolGuard<'_, M> {
    #[inline]
    fn drop(&mut self) {
        let Some(mut item) = self.item.take() else { return };
        match self.shared {
            Some(shared) => shared.release(item),
            None => item.owner.take().expect(OWNED).release(item),
        }
    }
}

impl<M: Manager> Deref for PoolGuard<'_, M> {
    type Target = M::Resource;

    #[inline]
    fn deref(&self) -> &M::Resource {
        &self.item.as_ref().expect(PRESENT).resource
    }
}

impl<M: Manager> DerefMut for PoolGuard<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Resource {
        &mut self.item.as_mut().expect(PRESENT).resource
    }
}

impl<M: Manager> fmt::Debug for PoolGuard<'_, M>
where
    M::Resource: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
