//! What is counted, where a recorder is installed.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

// One recorder for the tests of all crates that count.
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../lyra-retry/tests/support/recorder.rs"]
mod recorder;
#[path = "support/models.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use lyra_errors::Metric;
use lyra_gpu::{
    Candidate, GIB, GpuManager, LoadError, Loaded, METRICS, ModelSpec, SimSource, SourceError,
};
use recorder::Recorded;
use support::{LONG, acquire, card, manager, model, secs};

/// What is recorded while this is done, on a clock that is paused.
fn recorded(act: impl Future<Output = ()>) -> Recorded {
    let recorded = Recorded::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorded, || runtime.block_on(act));
    recorded
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // tidy: sleep - the clock is paused
}

fn register(gpu: &GpuManager, sim: &SimSource, spec: &ModelSpec, gib: u64) {
    gpu.register(spec, Loaded::value(sim.take("sim-0", gib * GIB).unwrap())).unwrap();
}

/// Loads, degrades, unloads for every reason, and fails in every way.
async fn do_everything() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let large = ModelSpec::new("large")
        .with_candidate(Candidate::gpu("f16", 200 * GIB))
        .with_candidate(Candidate::gpu("q4", 50 * GIB));
    drop(acquire(&gpu, &sim, &large, LONG).await.unwrap());
    drop(acquire(&gpu, &sim, &model("needs room", 60), LONG).await.unwrap());
    gpu.unload("needs room").unwrap();
    pass(secs(2)).await;
    register(&gpu, &sim, &model("idle", 10).with_idle_ttl(secs(1)), 10);
    pass(secs(5)).await;
    register(&gpu, &sim, &model("under pressure", 10), 10);
    sim.set_stranger("sim-0", 85 * GIB);
    pass(secs(5)).await;
    sim.set_stranger("sim-0", 0);
    for error in [LoadError::new("no such file"), LoadError::out_of_memory("full")] {
        let load = move |_| std::future::ready(Err(error.clone()));
        gpu.acquire(&model("fails", 10), LONG, load).await.unwrap_err();
    }
    register(&gpu, &sim, &model("lost", 10), 10);
    sim.set_fault("sim-0", Some(SourceError::Lost));
    pass(secs(2)).await;
    acquire(&gpu, &sim, &model("lost", 10), secs(1)).await.unwrap_err();
    sim.set_fault("sim-0", None);
    pass(secs(2)).await;
    sim.set_leak("sim-0", 100);
    register(&gpu, &sim, &model("leaks", 10), 10);
    pass(secs(2)).await;
    gpu.unload("leaks").unwrap();
    pass(secs(30)).await;
    sim.set_fault("sim-0", Some(SourceError::TimedOut));
    pass(secs(2)).await;
}

#[test]
fn every_metric_of_the_table_is_recorded_with_every_reason_and_no_other_is() {
    let recorded = recorded(do_everything());
    let mut table = BTreeSet::new();
    for metric in METRICS {
        let mut series = vec![format!("{} {}", metric.kind(), metric.name())];
        for (label, values) in metric.labels() {
            let values = if *label == "device" { &["sim-0"] } else { *values };
            let with = |series: &String| {
                values.iter().map(|value| format!("{series} {label}={value}")).collect::<Vec<_>>()
            };
            series = series.iter().flat_map(with).collect();
        }
        table.extend(series);
    }
    assert_eq!(recorded.series(), table);
    for (series, count) in [
        ("lyra_gpu_degraded_total", 1.0),
        ("lyra_gpu_evictions_total reason=needed", 1.0),
        ("lyra_gpu_evictions_total reason=pressure", 1.0),
        ("lyra_gpu_evictions_total reason=idle", 1.0),
        ("lyra_gpu_evictions_total reason=asked", 2.0),
        ("lyra_gpu_evictions_total reason=lost", 1.0),
        ("lyra_gpu_load_failed_total reason=error", 1.0),
        ("lyra_gpu_load_failed_total reason=out_of_memory", 2.0),
        ("lyra_gpu_unload_unverified_total", 1.0),
    ] {
        assert_eq!(recorded.value(series), count, "{series}");
    }
    let unloads = recorded.values("lyra_gpu_unload_seconds");
    assert_eq!(unloads.len(), 8, "five that left, and three loads that failed");
}

#[test]
fn the_gauges_are_those_of_the_status() {
    let recorded = recorded(async {
        let sim = card();
        let gpu = manager(&sim);
        register(&gpu, &sim, &model("chat", 20), 20);
        sim.set_stranger("sim-0", 75 * GIB);
        gpu.check().await;
    });
    let value = |name: &str| recorded.value(&format!("lyra_gpu_{name} device=sim-0"));
    let gib = |name: &str| value(&format!("memory_{name}_bytes")) / f64::from(1 << 30);
    assert_eq!((gib("total"), gib("used"), gib("free")), (100.0, 95.0, 5.0));
    let ready = "lyra_gpu_memory_committed_bytes device=sim-0 state=ready";
    let unloading = "lyra_gpu_memory_committed_bytes device=sim-0 state=unloading";
    let committed = recorded.value(ready) + recorded.value(unloading);
    assert_eq!(committed / f64::from(1 << 30), 20.0);
    assert_eq!(value("pressure_level"), 2.0);
}

#[test]
fn every_help_text_reaches_the_recorder() {
    let recorded = recorded(async { METRICS.iter().for_each(Metric::describe) });
    let rows = METRICS
        .iter()
        .map(|metric| format!("{} {}: {}", metric.kind(), metric.name(), metric.help()))
        .collect();
    assert_eq!(recorded.described(), rows);
}
