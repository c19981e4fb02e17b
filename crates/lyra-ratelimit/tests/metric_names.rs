//! However many services there are, a dashboard gets a bounded number of
//! series. In a process of its own, since the names are counted over it.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../lyra-retry/tests/support/recorder.rs"]
mod recorder;

use lyra_ratelimit::{Quota, ServiceLimits};
use recorder::Recorded;

#[test]
fn the_first_256_names_have_series_of_their_own() {
    let services = ServiceLimits::new();
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || {
        for index in 0..300 {
            let name = format!("service-{index}");
            services.register(&name, Quota::per_minute(1)).unwrap().try_acquire().unwrap();
        }
    });
    assert_eq!(recorded.series().len(), 257);
    assert_eq!(recorded.value("lyra_ratelimit_granted_total service=other"), 44.0);
}
