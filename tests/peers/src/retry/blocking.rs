//! Success at once, blocking.

use std::hint::black_box;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backon::{BlockingRetryable, ExponentialBuilder};
use lyra_retry::RetryPolicy;

use super::{AREA, Busy, succeed};
use crate::harness::Group;

pub(super) fn success() -> Group {
    Group::new(AREA, "success at once, blocking")
        .ours("", {
            let policy = RetryPolicy::promised();
            move |calls| {
                for _ in 0..calls {
                    let _ = black_box(black_box(&policy).run_blocking(succeed));
                }
            }
        })
        .ours("with a predicate", {
            let policy = RetryPolicy::promised();
            move |calls| {
                for _ in 0..calls {
                    let call = black_box(&policy).retry_blocking(succeed).when(|e| *e == Busy);
                    let _ = black_box(call.call());
                }
            }
        })
        .peer("backon", {
            let builder = ExponentialBuilder::default();
            move |calls| {
                for _ in 0..calls {
                    let _ = black_box(succeed.retry(*black_box(&builder)).call());
                }
            }
        })
        .peer("backoff", {
            let backoff = ExponentialBackoff::default();
            move |calls| {
                for _ in 0..calls {
                    let operation = || succeed().map_err(backoff::Error::transient);
                    let _ = black_box(backoff::retry(black_box(&backoff).clone(), operation));
                }
            }
        })
        .peer("a loop by hand", |calls| {
            for _ in 0..calls {
                let _ = black_box(by_hand(succeed));
            }
        })
}

/// What one writes who takes no crate: the floor.
fn by_hand(mut operation: impl FnMut() -> Result<u64, Busy>) -> Result<u64, Busy> {
    let mut delay = Duration::from_secs(1);
    for _ in 0..3 {
        match operation() {
            Ok(value) => return Ok(value),
            Err(Busy) => std::thread::sleep(delay), // tidy: sleep - it is never reached
        }
        delay *= 2;
    }
    operation()
}
