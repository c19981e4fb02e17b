//! The look at a resource that was used before, as it is handed out.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time::{self, Instant};

use super::deadline::Deadline;
use super::error::PoolError;
use super::hooks::ResourceFate;
use super::item::Item;
use super::manager::{BlockingManager, Manager};
use super::shared::{Ending, Shared};
use crate::atomics;

/// Why a resource was destroyed instead of being handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another one may do.
    Unsound,
    /// The caller's own time was up.
    TimeIsUp,
    /// Nothing could time it.
    NoRuntime,
}

/// A resource that is being checked; dropped half done, it is destroyed.
struct Checking<'a, M: Manager> {
    shared: &'a Shared<M>,
    item: Option<Item<M>>,
}

impl<M: Manager> Drop for Checking<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.shared.end(item, Ending::Unsound);
        }
    }
}

impl<M: Manager> Shared<M> {
    /// Checks it within the recycle timeout and the caller's deadline.
    #[inline]
    pub(crate) async fn check(
        &self,
        item: Item<M>,
        deadline: &mut Deadline,
    ) -> Result<Item<M>, Refused> {
        let item = self.check_at_once(item)?;
        if item.is_fresh {
            return Ok(item);
        }
        self.recycle(item, Some(deadline)).await
    }

    /// The same in the background: nothing but the recycle timeout bounds it.
    pub(crate) async fn check_cold(&self, item: Item<M>) -> Option<Item<M>> {
        self.recycle(item, None).await.ok()
    }

    #[inline]
    async fn recycle(
        &self,
        item: Item<M>,
        deadline: Option<&mut Deadline>,
    ) -> Result<Item<M>, Refused> {
        let mut checking = Checking { shared: self, item: Some(item) };
        if let Some(item) = &mut checking.item {
            let mut recycle = pin!(async { self.manager.recycle(&mut item.resource).await });
            // No more than a yes or no leaves it: to move a larger result took
            // longer than to take the lock.
            let mut is_sound = poll_fn(|context| {
                match catch_unwind(AssertUnwindSafe(|| recycle.as_mut().poll(context))) {
                    Ok(polled) => polled.map(|done| done.is_ok()),
                    Err(panic) => self.unsound_by(panic),
                }
            });
            // Nearly always it is done at once; only else is there a clock to
            // read and a timer to set.
            let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut is_sound).poll(context)));
            let is_sound = match polled.await {
                Poll::Ready(is_sound) => is_sound,
                Poll::Pending => self.in_time(is_sound, deadline).await?,
            };
            if !is_sound {
                return Err(Refused::Unsound);
            }
        }
        checking.item.take().ok_or(Refused::Unsound)
    }

    /// The rest of a check that has to wait; out of line, as the usual way is
    /// not to carry a timer.
    #[cold]
    fn in_time<'a>(
        &'a self,
        is_sound: impl Future<Output = bool> + Send + 'a,
        deadline: Option<&'a mut Deadline>,
    ) -> Pin<Box<dyn Future<Output = Result<bool, Refused>> + Send + 'a>> {
        Box::pin(async move {
            if Handle::try_current().is_err() {
                return Err(Refused::NoRuntime);
            }
            let end = Instant::now() + self.settings.recycle_timeout;
            let callers = deadline.map_or(end, Deadline::at);
            match time::timeout_at(end.min(callers), is_sound).await {
                Ok(is_sound) => Ok(is_sound),
                Err(_) if callers < end => Err(Refused::TimeIsUp),
                Err(_) => Err(Refused::Unsound),
            }
        })
    }

    /// Another one may do, unless the caller's time is up.
    #[cold]
    pub(crate) fn refused(
        &self,
        refused: Refused,
        deadline: &mut Deadline,
        location: Location,
    ) -> Result<(), PoolError<M::Error>> {
        match refused {
            Refused::Unsound if deadline.allows_another(self.settings.max_size) => Ok(()),
            Refused::Unsound | Refused::TimeIsUp => {
                let waited = deadline.started().elapsed();
                self.lock().counts.timed_out += 1;
                Err(self.timed_out(waited, location))
            }
            Refused::NoRuntime => Err(self.no_runtime(location)),
        }
    }

    #[cold]
    fn unsound_by(&self, panic: Box<dyn std::any::Any + Send>) -> Poll<bool> {
        self.panicked(panic);
        Poll::Ready(false)
    }

    /// What needs no waiting: whether it expired, and the hook. A fresh one
    /// passes without.
    #[inline]
    pub(crate) fn check_at_once(&self, mut item: Item<M>) -> Result<Item<M>, Refused> {
        if let Some(now) = self.settings.clock()
            && item.is_expired(now, &self.settings)
        {
            self.end(item, Ending::Expired);
            return Err(Refused::Unsound);
        }
        if let Some(hook) = &self.hooks.before_recycle
            && !item.is_fresh
            && self.ask(|| hook(&mut item.resource)) == ResourceFate::Destroy
        {
            self.end(item, Ending::Unsound);
            return Err(Refused::Unsound);
        }
        Ok(item)
    }
}

impl<M: BlockingManager> Shared<M> {
    /// Checks it on this thread, for a caller who began then, or now.
    pub(crate) fn check_blocking(
        &self,
        item: Item<M>,
        started: &mut Option<atomics::Instant>,
        timeout: Duration,
    ) -> Result<Item<M>, Refused> {
        let mut item = self.check_at_once(item)?;
        if item.is_fresh {
            return Ok(item);
        }
        let started = started.get_or_insert_with(atomics::Instant::now);
        let left = timeout.saturating_sub(started.elapsed());
        let timeout = left.min(self.settings.recycle_timeout);
        match self.guarded(|| self.manager.recycle_blocking(&mut item.resource, timeout)) {
            Ok(Ok(())) => Ok(item),
            _ => {
                self.end(item, Ending::Unsound);
                Err(Refused::Unsound)
            }
        }
    }
}
