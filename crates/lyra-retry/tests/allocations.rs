//! A success on the first try allocates nothing, on either side.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/counting.rs"]
mod counting;

use std::hint::black_box;
use std::time::Duration;

use counting::allocations;
use lyra_errors::Error;
use lyra_retry::{CircuitBreaker, RetryBudget, RetryPolicy};

fn policies() -> Vec<RetryPolicy> {
    let full = RetryPolicy::exponential()
        .with_attempt_timeout(Duration::from_secs(1))
        .with_deadline(Duration::from_secs(2))
        .with_budget(RetryBudget::new())
        .with_breaker(CircuitBreaker::ratio(50, 10).build().unwrap())
        .build()
        .unwrap();
    vec![RetryPolicy::promised(), RetryPolicy::network(), full]
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(black_box(Box::new(1)))) > 0);
}

#[test]
fn a_blocking_success_allocates_nothing() {
    for policy in policies() {
        let count = allocations(|| {
            for n in 0..100 {
                assert!(policy.run_blocking(|| Ok::<_, Error>(black_box(n))).is_ok());
            }
        });
        assert_eq!(count, 0, "{policy:?}");
    }
}

#[test]
fn a_policy_and_a_context_are_made_without_allocating() {
    assert_eq!(allocations(|| drop(black_box(RetryPolicy::network()))), 0);
    let policy = RetryPolicy::network();
    assert_eq!(allocations(|| drop(black_box(policy.context()))), 0);
}

#[cfg(feature = "tokio")]
mod async_side {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_success_at_once_allocates_nothing() {
        for policy in policies() {
            let mut cx = Context::from_waker(Waker::noop());
            let count = allocations(|| {
                for n in 0..100 {
                    let call = pin!(policy.run(|| async move { Ok::<_, Error>(black_box(n)) }));
                    assert!(matches!(call.poll(&mut cx), Poll::Ready(Ok(_))));
                }
            });
            assert_eq!(count, 0, "{policy:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_after_a_wait_of_the_first_attempt_allocates_nothing() {
        // The runtime makes its own lists and timers at their first use.
        tokio::task::yield_now().await;
        let _ = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await;
        for policy in policies() {
            let before = counting::so_far();
            for _ in 0..10 {
                let answer = policy
                    .run(|| async {
                        tokio::task::yield_now().await;
                        Ok::<_, Error>(())
                    })
                    .await;
                assert!(answer.is_ok());
            }
            assert_eq!(counting::so_far() - before, 0, "{policy:?}");
        }
    }
}

#[cfg(feature = "metrics")]
mod with_a_recorder {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    /// Has its one counter ready, so that all allocations are the caller's.
    struct Ready(Arc<AtomicU64>);

    impl Recorder for Ready {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::clone(&self.0))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn a_success_that_is_counted_allocates_nothing() {
        let counter = Arc::new(AtomicU64::new(0));
        let recorder = Ready(Arc::clone(&counter));
        for policy in policies() {
            counter.store(0, Ordering::Relaxed);
            let count = metrics::with_local_recorder(&recorder, || {
                allocations(|| {
                    for n in 0..100 {
                        assert!(policy.run_blocking(|| Ok::<_, Error>(black_box(n))).is_ok());
                    }
                })
            });
            assert_eq!((count, counter.load(Ordering::Relaxed)), (0, 100), "{policy:?}");
        }
    }
}
