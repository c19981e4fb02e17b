//! Our side: the limiter, the registry of services, and a handle from it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use lyra_ratelimit::{RateLimiter, ServiceLimits};

use super::calls::{Turns, await_each, repeat};
use super::contenders::{Contender, Wait, Waiting};
use super::quota::Quota;
use crate::harness::Group;

/// Longer than any wait here: ours refuses at once who would wait longer than
/// it may, and the peers know no such limit.
const PATIENCE: Duration = Duration::from_secs(60);

impl Quota {
    fn of_ours(&self) -> lyra_ratelimit::Quota {
        lyra_ratelimit::Quota::new(u64::from(self.tokens), self.period)
            .with_burst(u64::from(self.burst))
    }

    fn limiter(&self) -> RateLimiter {
        RateLimiter::builder(self.of_ours()).build().expect("the peers take these numbers, too")
    }
}

/// Adds a call of ours that tries, with this quota, and expects this answer.
pub(super) fn try_acquire(group: Group, quota: Quota, is_granted: bool) -> Group {
    let limiter = quota.limiter();
    if !is_granted {
        let _ = limiter.try_acquire();
    }
    group.ours("", repeat(is_granted, move || limiter.try_acquire().is_ok()))
}

/// Adds the same call by two threads.
pub(super) fn contended(group: Group, quota: Quota) -> Group {
    let limiter = quota.limiter();
    group.ours_contended("", repeat(true, move || limiter.try_acquire().is_ok()))
}

/// Adds a call that may wait and need not.
pub(super) fn awaited(group: Group, quota: Quota) -> Group {
    let limiter = quota.limiter();
    let call = async move || limiter.acquire(PATIENCE).await.is_ok();
    group.ours("", await_each(call))
}

/// Adds calls by the names of services, and by handles that were resolved.
pub(super) fn by_name(group: Group, quota: Quota, names: &[&'static str]) -> Group {
    let services = ServiceLimits::new();
    for name in names {
        services.register(name, quota.of_ours()).expect("the names and the numbers are ordinary");
    }
    let mut handles = Turns::of(
        names.iter().map(|name| services.handle(name).expect("it has just been registered")),
    );
    let mut names = Turns::of(names.to_vec());
    group
        .ours("", move |calls| {
            for _ in 0..calls {
                let is_granted = black_box(services.try_acquire(names.next()).is_ok());
                assert!(is_granted, "the quota refuses nobody");
            }
        })
        .ours("by a handle", move |calls| {
            for _ in 0..calls {
                let is_granted = black_box(handles.next().try_acquire().is_ok());
                assert!(is_granted, "the quota refuses nobody");
            }
        })
}

/// Ours among those that can wait.
pub(super) fn contender() -> Contender {
    Contender { name: "ours", is_ours: true, limiter: |quota| Arc::new(quota.limiter()) }
}

impl Waiting for RateLimiter {
    fn acquire(&self, tokens: u32) -> Wait<'_> {
        Box::pin(async move {
            let granted = self.acquire_n(u64::from(tokens), PATIENCE).await;
            granted.expect("no turn is further away than the longest wait");
        })
    }

    fn try_acquire(&self) -> bool {
        RateLimiter::try_acquire(self).is_ok()
    }
}
