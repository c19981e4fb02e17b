//! What is counted, where a recorder is installed.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

// One recorder for the tests of all crates that count.
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../lyra-retry/tests/support/recorder.rs"]
mod recorder;

use std::collections::BTreeSet;
use std::time::Duration;

use lyra_errors::Metric;
use lyra_ratelimit::{
    Feedback, LimitSet, Limits, METRICS, ManualClock, Quota, RateLimiter, ServiceLimits,
};
use recorder::Recorded;

const SECOND: Duration = Duration::from_secs(1);

fn recorded(act: impl FnOnce()) -> Recorded {
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, act);
    recorded
}

/// Grants, waits, and is refused for every reason that there is.
fn use_everything() {
    let clock = ManualClock::new();
    let limiter = RateLimiter::per_second(1).named("a").with_clock(clock.clone()).build().unwrap();
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap_err();
    limiter.try_acquire_n(2).unwrap_err();
    limiter.acquire_blocking(SECOND / 2).unwrap_err();
    limiter.acquire_blocking(SECOND).unwrap();
    limiter.learn(&Feedback::throttled(None));

    let limits = Limits::new().with_slots("slots", 1);
    let set = LimitSet::builder(limits).named("a").with_clock(clock).build().unwrap();
    let _permit = set.try_enter(&[]).unwrap();
    set.try_enter(&[]).unwrap_err();
    set.enter_blocking(&[], SECOND).unwrap_err();
}

#[test]
fn every_metric_of_the_table_is_recorded_with_every_reason_and_no_other_is() {
    let recorded = recorded(use_everything);
    let mut table = BTreeSet::new();
    for metric in METRICS {
        let series = format!("{} {} service=a", metric.kind(), metric.name());
        match metric.labels() {
            [_] => drop(table.insert(series)),
            [_, (label, values)] => {
                table.extend(values.iter().map(|value| format!("{series} {label}={value}")));
            }
            more => panic!("this test does not know how to combine {more:?}"),
        }
    }
    assert_eq!(recorded.series(), table);
    let sum = |series: &str| recorded.values(series).last().copied().unwrap_or_default();
    assert_eq!(sum("lyra_ratelimit_granted_total service=a"), 3.0);
    assert_eq!(sum("lyra_ratelimit_refused_total service=a reason=timed_out"), 1.0);
    let waits = recorded.values("lyra_ratelimit_wait_seconds service=a");
    assert_eq!(waits, [1.0, 1.0], "in line for a token, and for a slot");
}

#[test]
fn the_counts_are_those_of_the_status() {
    let services = ServiceLimits::builder().with_clock(ManualClock::new()).build().unwrap();
    services.register("api", Quota::per_minute(5)).unwrap();
    let recorded = recorded(|| {
        for _ in 0..8 {
            let _ = services.try_acquire("api");
        }
    });
    let status = &services.status()["api"];
    assert_eq!((status.granted, status.refused), (5, 3));
    assert_eq!(recorded.value("lyra_ratelimit_granted_total service=api"), 5.0);
    assert_eq!(recorded.value("lyra_ratelimit_refused_total service=api reason=not_yet"), 3.0);
}

#[test]
fn services_that_nobody_registered_share_one_series() {
    let services = ServiceLimits::builder().with_clock(ManualClock::new()).build().unwrap();
    let recorded = recorded(|| {
        for stranger in ["x", "y", "z"] {
            services.try_acquire(stranger).unwrap();
        }
        RateLimiter::per_minute(1).build().unwrap().try_acquire().unwrap();
    });
    assert_eq!(recorded.series().len(), 1, "{:?}", recorded.series());
    assert_eq!(recorded.value("lyra_ratelimit_granted_total service=other"), 4.0);
}

#[test]
fn every_help_text_reaches_the_recorder() {
    let recorded = recorded(|| METRICS.iter().for_each(Metric::describe));
    let rows = METRICS
        .iter()
        .map(|metric| format!("{} {}: {}", metric.kind(), metric.name(), metric.help()))
        .collect();
    assert_eq!(recorded.described(), rows);
}
