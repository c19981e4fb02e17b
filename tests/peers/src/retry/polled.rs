//! Success at once, async: awaited inside of an async block, as a host does.
//! One poll and no runtime, because a future that is ready has no business
//! with one.

use std::hint::black_box;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backon::{ExponentialBuilder, Retryable};
use lyra_retry::RetryPolicy;
use tokio_retry2::strategy::ExponentialFactorBackoff;
use tokio_retry2::{Retry, RetryError};

use super::{AREA, Busy, succeed};
use crate::harness::{Group, at_once};

pub(super) fn success() -> Group {
    Group::new(AREA, "success at once, async")
        .ours("", {
            let policy = RetryPolicy::promised();
            move |calls| {
                at_once(async {
                    for _ in 0..calls {
                        let _ = black_box(black_box(&policy).run(async || succeed()).await);
                    }
                });
            }
        })
        .ours("with a predicate", {
            let policy = RetryPolicy::promised();
            move |calls| {
                at_once(async {
                    for _ in 0..calls {
                        let call = black_box(&policy).retry(async || succeed());
                        let _ = black_box(call.when(|e| *e == Busy).await);
                    }
                });
            }
        })
        .peer("backon", {
            let builder = ExponentialBuilder::default();
            move |calls| {
                at_once(async {
                    for _ in 0..calls {
                        let call = (|| async { succeed() }).retry(*black_box(&builder));
                        let _ = black_box(call.await);
                    }
                });
            }
        })
        .peer("backoff", {
            let backoff = ExponentialBackoff::default();
            move |calls| {
                at_once(async {
                    for _ in 0..calls {
                        let operation = || async { succeed().map_err(backoff::Error::transient) };
                        let call = backoff::future::retry(black_box(&backoff).clone(), operation);
                        let _ = black_box(call.await);
                    }
                });
            }
        })
        .peer("tokio-retry2", {
            let strategy = ExponentialFactorBackoff::from_millis(1000, 2.0);
            move |calls| {
                at_once(async {
                    for _ in 0..calls {
                        let operation = || async { succeed().map_err(RetryError::transient) };
                        let call = Retry::spawn(black_box(&strategy).clone().take(3), operation);
                        let _ = black_box(call.await);
                    }
                });
            }
        })
        .peer("a loop by hand", |calls| {
            at_once(async {
                for _ in 0..calls {
                    let _ = black_box(by_hand(|| async { succeed() }).await);
                }
            });
        })
}

/// What one writes who takes no crate: the floor.
async fn by_hand<F>(mut operation: impl FnMut() -> F) -> Result<u64, Busy>
where
    F: Future<Output = Result<u64, Busy>>,
{
    let mut delay = Duration::from_secs(1);
    for _ in 0..3 {
        match operation().await {
            Ok(value) => return Ok(value),
            Err(Busy) => tokio::time::sleep(delay).await, // tidy: sleep - it is never reached
        }
        delay *= 2;
    }
    operation().await
}
