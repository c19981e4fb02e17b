//! What is counted, where a recorder is installed.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

// One recorder for the tests of all crates that count.
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../lyra-retry/tests/support/recorder.rs"]
mod recorder;

use std::collections::BTreeSet;

use lyra_log::{METRICS, builder};
use recorder::Recorded;
use tracing_subscriber::prelude::*;

#[test]
fn lines_errors_and_bytes_are_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, guard) = builder("agent").with_dir(dir.path()).build().unwrap();
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("one");
            tracing::error!(target: "gpu", "two");
        });
    });
    let series = recorded.series();
    let names = series.iter().map(|series| series.split(' ').nth(1).unwrap());
    let tabled: BTreeSet<&str> = METRICS.iter().map(lyra_errors::Metric::name).collect();
    assert!(names.into_iter().all(|name| tabled.contains(name)), "{series:?}");
    for (series, times) in [
        ("lyra_log_lines_total level=info", 1.0),
        ("lyra_log_lines_total level=error", 1.0),
        ("lyra_log_errors_total target=gpu", 1.0),
    ] {
        assert_eq!(recorded.value(series), times, "{series}");
    }
    let size = |name| std::fs::metadata(dir.path().join(name)).unwrap().len() as f64;
    assert_eq!(recorded.value("lyra_log_bytes_total file=all"), size("agent.log"));
    assert_eq!(recorded.value("lyra_log_bytes_total file=errors"), size("agent_errors.log"));
    drop(guard);
}
