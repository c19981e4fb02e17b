//! How a resource is made: outside of the pool's lock, within its own timeout,
//! and to the end, whoever goes away.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{self, Instant};

use super::item::Body;
use super::manager::{BlockingManager, Manager};
use super::shared::Shared;
use super::state::Making;
use crate::events;
use crate::series;

/// Why a resource was not made.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    Error(E),
    TimedOut,
    Panicked(String),
}

impl<E> Failure<E> {
    /// As it is counted.
    fn reason(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::TimedOut => "timed_out",
            Self::Panicked(_) => "panicked",
        }
    }
}

type Made<M> = Result<<M as Manager>::Resource, Failure<<M as Manager>::Error>>;
type Attempt<M> = Pin<Box<dyn Future<Output = Made<M>> + Send>>;

/// There is no runtime to go on with.
#[derive(Debug)]
pub(crate) struct NoRuntime;

/// A slot in which a resource is being made. Dropped, it gives the slot back,
/// and whoever asked looks again.
pub(crate) struct Creation<M: Manager> {
    shared: Arc<Shared<M>>,
    making: Option<Making>,
}

impl<M: Manager> Creation<M> {
    pub(crate) fn new(shared: &Arc<Shared<M>>, making: Making) -> Self {
        Self { shared: Arc::clone(shared), making: Some(making) }
    }

    /// Makes it at once if that needs no waiting; else in a task of its own.
    ///
    /// The task is what lets a creation outlive its caller. To keep the future
    /// in the pool, for whoever waits next to poll it, would need none, but a
    /// handshake that nobody polls runs into the timeout of its peer.
    pub(crate) fn start(self, context: &mut Context<'_>) -> Result<(), NoRuntime> {
        let mut attempt = attempt(Arc::clone(&self.shared));
        match attempt.as_mut().poll(context) {
            Poll::Ready(made) => self.finish(made),
            Poll::Pending => {
                let Ok(handle) = Handle::try_current() else {
                    self.withdraw();
                    return Err(NoRuntime);
                };
                handle.spawn(self.go_on(attempt));
            }
        }
        Ok(())
    }

    /// The same, within the caller's own future.
    pub(crate) async fn run(self) {
        let attempt = attempt(Arc::clone(&self.shared));
        self.go_on(attempt).await;
    }

    async fn go_on(self, mut attempt: Attempt<M>) {
        let made = time::timeout(self.shared.settings.create_timeout, attempt.as_mut()).await;
        // Its place is taken until all of it is gone.
        drop(attempt);
        self.finish(made.unwrap_or(Err(Failure::TimedOut)));
    }

    fn finish(mut self, made: Made<M>) {
        let Some(making) = self.making.take() else { return };
        let shared = &self.shared;
        let made = made.and_then(|resource| shared.greet(resource));
        let failed = made.as_ref().err().map(Failure::reason);
        let (wakes, unwanted) = match made {
            Ok(resource) => {
                let now = shared.settings.clock();
                let body = Body {
                    resource,
                    owner: None,
                    is_broken: false,
                    slot: making.slot,
                    mark: Arc::clone(&shared.lock().slots[making.slot].mark),
                    is_fresh: true,
                    created: now,
                    idle_since: now,
                };
                let (wakes, item) = shared.lock().made(making, Box::new(body));
                (wakes, item.map(Ok))
            }
            Err(failure) => {
                let text = shared.text_of(&failure);
                let mut state = shared.lock();
                state.last_failure = Some(text);
                let (wakes, failure) = state.failed(making, failure, Instant::now());
                (wakes, failure.map(Err))
            }
        };
        drop(wakes);
        match failed {
            None => {
                series::created(&shared.name);
                events::created(&shared.name);
            }
            Some(reason) => {
                series::create_failed(&shared.name, reason);
                events::create_failed(&shared.name, reason);
            }
        }
        if let Some(Ok(item)) = unwanted {
            shared.settle((None, Some(item)));
        }
    }

    fn withdraw(mut self) {
        if let Some(making) = self.making.take() {
            // Bound first: the lock is free again before anybody is woken.
            let wakes = self.shared.lock().withdrawn(making);
            drop(wakes);
        }
    }
}

impl<M: BlockingManager> Creation<M> {
    /// Makes it on this thread.
    pub(crate) fn run_blocking(self, left: Duration) {
        let timeout = left.min(self.shared.settings.create_timeout);
        let made = self.shared.guarded(|| self.shared.manager.create_blocking(timeout));
        self.finish(made.map_err(Failure::Panicked).and_then(|made| made.map_err(Failure::Error)));
    }
}

impl<M: Manager> Drop for Creation<M> {
    fn drop(&mut self) {
        if let Some(making) = self.making.take() {
            let wakes = self.shared.lock().abandoned(making, Instant::now());
            drop(wakes);
            series::create_failed(&self.shared.name, "abandoned");
            events::create_failed(&self.shared.name, "abandoned");
        }
    }
}

impl<M: Manager> Shared<M> {
    /// The hook after creation.
    fn greet(&self, mut resource: M::Resource) -> Made<M> {
        let Some(hook) = &self.hooks.after_create else { return Ok(resource) };
        let failure = match self.guarded(|| hook(&mut resource)) {
            Ok(Ok(())) => return Ok(resource),
            Ok(Err(error)) => Failure::Error(error),
            Err(panic) => Failure::Panicked(panic),
        };
        let _ = self.guarded(|| self.manager.destroy(resource));
        Err(failure)
    }

    fn text_of(&self, failure: &Failure<M::Error>) -> String {
        match failure {
            // The user's own `Display` may panic, too.
            Failure::Error(error) => {
                self.guarded(|| error.to_string()).unwrap_or_else(|panic| panic)
            }
            Failure::TimedOut => format!("not within {:?}", self.settings.create_timeout),
            Failure::Panicked(panic) => format!("a panic: {panic}"),
        }
    }
}

fn attempt<M: Manager>(shared: Arc<Shared<M>>) -> Attempt<M> {
    Box::pin(async move {
        let mut create = pin!(async { shared.manager.create().await });
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| create.as_mut().poll(context))) {
            Ok(polled) => polled.map_err(Failure::Error),
            Err(panic) => Poll::Ready(Err(Failure::Panicked(shared.panicked(panic)))),
        })
        .await
    })
}
