//! What one call costs.

use std::hint::black_box;

use super::quota::Quota;
use super::reference::MutexBucket;
use super::{AREA, ours};
use crate::harness::{Group, at_once};

/// As many services as an agent calls.
const NAMES: [&str; 6] = ["wolfram", "arxiv", "wikipedia", "chroma", "embeddings", "search"];

pub(super) fn groups() -> Vec<Group> {
    vec![
        trying("granted, always full", Quota::ALWAYS_FULL, true),
        trying("granted, in use", Quota::IN_USE, true),
        awaited("granted, in use, awaited", Quota::IN_USE),
        trying("refused", Quota::EMPTY, false),
        by_name("granted by name, always full", Quota::ALWAYS_FULL),
        by_name("granted by name, in use", Quota::IN_USE),
        contended("granted, in use, two threads", Quota::IN_USE),
    ]
}

/// Repeats a call, whose answer must be this one nearly always: a limiter that
/// refuses is faster than one that grants, and would be measured as such.
pub(super) fn repeat(is_granted: bool, call: impl Fn() -> bool) -> impl Fn(u64) {
    move |calls| {
        let unexpected = (0..calls).filter(|_| black_box(call()) != is_granted).count();
        // The one token of a minute may return at any time.
        assert!(unexpected <= 1, "{unexpected} of {calls} calls were answered otherwise");
    }
}

/// Awaits a call again and again, which is granted at once each time.
pub(super) fn await_each(call: impl AsyncFn() -> bool) -> impl Fn(u64) {
    move |calls| {
        at_once(async {
            for _ in 0..calls {
                assert!(black_box(call().await), "the quota refuses nobody");
            }
        });
    }
}

/// Things that take turns.
pub(super) struct Turns<T> {
    all: Vec<T>,
    next: usize,
}

impl<T> Turns<T> {
    pub(super) fn of(all: impl IntoIterator<Item = T>) -> Self {
        Self { all: all.into_iter().collect(), next: 0 }
    }

    pub(super) fn next(&mut self) -> &T {
        let this = self.next;
        self.next = if this + 1 == self.all.len() { 0 } else { this + 1 };
        &self.all[this]
    }
}

fn trying(case: &'static str, quota: Quota, is_granted: bool) -> Group {
    let direct = governor::RateLimiter::direct(quota.of_governor());
    let fair = quota.of_leaky_bucket(true);
    let unfair = quota.of_leaky_bucket(false);
    let ratelimit = quota.of_ratelimit();
    let mutex = MutexBucket::new(quota);
    if !is_granted {
        // What they begin with.
        let _ = (direct.check(), fair.try_acquire(1), unfair.try_acquire(1));
        let _ = (ratelimit.try_wait(), mutex.try_acquire());
    }
    ours::try_acquire(Group::new(AREA, case), quota, is_granted)
        .peer("governor direct", repeat(is_granted, move || direct.check().is_ok()))
        .peer("leaky-bucket fair", repeat(is_granted, move || fair.try_acquire(1)))
        .peer("leaky-bucket unfair", repeat(is_granted, move || unfair.try_acquire(1)))
        .peer("ratelimit", repeat(is_granted, move || ratelimit.try_wait().is_ok()))
        .peer("a bucket behind a mutex", repeat(is_granted, move || mutex.try_acquire()))
}

fn awaited(case: &'static str, quota: Quota) -> Group {
    let direct = governor::RateLimiter::direct(quota.of_governor());
    let fair = quota.of_leaky_bucket(true);
    let direct = async move || {
        direct.until_ready().await;
        true
    };
    let fair = async move || {
        fair.acquire_one().await;
        true
    };
    ours::awaited(Group::new(AREA, case), quota)
        .peer("governor direct", await_each(direct))
        .peer("leaky-bucket fair", await_each(fair))
}

fn by_name(case: &'static str, quota: Quota) -> Group {
    let keyed = governor::RateLimiter::keyed(quota.of_governor());
    // Its keys are owned strings, and it is asked by reference to one.
    let mut names = Turns::of(NAMES.map(str::to_owned));
    let group = ours::by_name(Group::new(AREA, case), quota, &NAMES);
    group.peer("governor keyed", move |calls| {
        for _ in 0..calls {
            let is_granted = black_box(keyed.check_key(names.next()).is_ok());
            assert!(is_granted, "the quota refuses nobody");
        }
    })
}

fn contended(case: &'static str, quota: Quota) -> Group {
    let direct = governor::RateLimiter::direct(quota.of_governor());
    let fair = quota.of_leaky_bucket(true);
    let ratelimit = quota.of_ratelimit();
    let mutex = MutexBucket::new(quota);
    ours::contended(Group::new(AREA, case), quota)
        .peer_contended("governor direct", repeat(true, move || direct.check().is_ok()))
        .peer_contended("leaky-bucket fair", repeat(true, move || fair.try_acquire(1)))
        .peer_contended("ratelimit", repeat(true, move || ratelimit.try_wait().is_ok()))
        .peer_contended("a bucket behind a mutex", repeat(true, move || mutex.try_acquire()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_take_their_turns() {
        let mut turns = Turns::of([1, 2, 3]);
        assert_eq!([(); 5].map(|()| *turns.next()), [1, 2, 3, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "answered otherwise")]
    fn a_limiter_that_refuses_is_no_measurement_of_one_that_grants() {
        repeat(true, || false)(2);
    }
}
