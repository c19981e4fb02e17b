//! One failure, a wait that is skipped, then success: what the machinery
//! itself costs once it is needed.
//!
//! Blocking alone: an async wait is a timer's, whose steps of 1 ms would be
//! all one sees. A program never hurries through this path, so no goal hangs
//! on it; what each crate does here differs, too: ours reads the clock, and
//! keeps the history of attempts.

use std::hint::black_box;
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};
use lyra_retry::{Jitter, RetryPolicy, Sleeper};

use super::{AREA, Busy};
use crate::harness::Group;

/// Works out the wait like any other, and skips it: our policies refuse a
/// delay of nothing.
struct Skip;

impl Sleeper for Skip {
    fn sleep(&self, wait: Duration) {
        black_box(wait);
    }
}

pub(super) fn blocking() -> Group {
    Group::new(AREA, "one failure, its wait skipped, blocking")
        .ours("", {
            let policy = RetryPolicy::exponential()
                .with_jitter(Jitter::None)
                .with_sleeper(Skip)
                .build()
                .expect("the numbers are those of the preset");
            move |calls| {
                for _ in 0..calls {
                    let _ = black_box(black_box(&policy).run_blocking(fails_once()));
                }
            }
        })
        .peer("backon", {
            let builder = ExponentialBuilder::default();
            move |calls| {
                for _ in 0..calls {
                    let call = fails_once().retry(*black_box(&builder)).sleep(|wait| {
                        black_box(wait);
                    });
                    let _ = black_box(call.call());
                }
            }
        })
        .peer("backoff", |calls| {
            for _ in 0..calls {
                let mut operation = fails_once();
                let operation = || operation().map_err(backoff::Error::transient);
                // Its sleeper can't be replaced, but it has a wait of nothing.
                let _ = black_box(backoff::retry(backoff::backoff::Zero {}, operation));
            }
        })
        .peer("a loop by hand", |calls| {
            for _ in 0..calls {
                let mut operation = fails_once();
                let _ = black_box((0..4).find_map(|_| operation().ok()));
            }
        })
}

/// An operation that fails and then succeeds, which the compiler can't know.
fn fails_once() -> impl FnMut() -> Result<u64, Busy> {
    let mut is_first = true;
    move || match black_box(std::mem::replace(&mut is_first, false)) {
        true => Err(Busy),
        false => black_box(Ok(7)),
    }
}
