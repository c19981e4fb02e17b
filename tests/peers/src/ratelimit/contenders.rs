//! Those that can wait, behind one face, so that each is put to the same test.

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::ours;
use super::quota::Quota;
use crate::harness::Figure;

/// Boxed: waits last milliseconds here, and nobody measures their call.
pub(super) type Wait<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

pub(super) trait Waiting: Send + Sync {
    fn acquire(&self, tokens: u32) -> Wait<'_>;

    fn try_acquire(&self) -> bool;
}

pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) is_ours: bool,
    /// A new limiter, whose bucket is full.
    pub(super) limiter: fn(Quota) -> Arc<dyn Waiting>,
}

impl Contender {
    pub(super) fn figure(&self, value: f64) -> Figure {
        Figure { name: self.name, is_ours: self.is_ours, value }
    }
}

pub(super) fn all() -> Vec<Contender> {
    let peers = [
        Contender {
            name: "governor direct",
            is_ours: false,
            limiter: |quota| Arc::new(Governor(governor::RateLimiter::direct(quota.of_governor()))),
        },
        Contender {
            name: "leaky-bucket fair",
            is_ours: false,
            limiter: |quota| Arc::new(quota.of_leaky_bucket(true)),
        },
    ];
    std::iter::once(ours::contender()).chain(peers).collect()
}

struct Governor(governor::DefaultDirectRateLimiter);

impl Waiting for Governor {
    fn acquire(&self, tokens: u32) -> Wait<'_> {
        Box::pin(async move {
            let tokens = NonZeroU32::new(tokens).expect("nobody waits for nothing");
            self.0.until_n_ready(tokens).await.expect("the burst is as large as any cost");
        })
    }

    fn try_acquire(&self) -> bool {
        self.0.check().is_ok()
    }
}

impl Waiting for leaky_bucket::RateLimiter {
    fn acquire(&self, tokens: u32) -> Wait<'_> {
        Box::pin(leaky_bucket::RateLimiter::acquire(self, tokens as usize))
    }

    fn try_acquire(&self) -> bool {
        leaky_bucket::RateLimiter::try_acquire(self, 1)
    }
}

/// Takes what there is, and says how much it was.
pub(super) fn drain(limiter: &dyn Waiting) -> u32 {
    let mut taken = 0;
    while limiter.try_acquire() {
        taken += 1;
    }
    taken
}

/// Starts a task that waits for a token and then does this. Returns once it
/// has been polled, and so stands where it will stand.
pub(super) async fn enqueue(
    limiter: &Arc<dyn Waiting>,
    tasks: &mut JoinSet<()>,
    then: impl FnOnce() + Send + 'static,
) {
    let (polled, was_polled) = oneshot::channel();
    let limiter = Arc::clone(limiter);
    tasks.spawn(async move {
        let mut wait = limiter.acquire(1);
        let first = poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await;
        // Nobody listens any more only where the whole run was dropped.
        let _ = polled.send(());
        if first.is_pending() {
            wait.await;
        }
        then();
    });
    was_polled.await.expect("the task sends before it can end");
}
