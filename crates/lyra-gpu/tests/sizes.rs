//! Sizes that nobody can mean do not get the sums wrong.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use lyra_errors::Classify;
use lyra_gpu::{
    Candidate, DeviceId, DeviceInfo, DeviceKind, DeviceSource, EventKind, GIB, GpuError,
    GpuManager, LoadError, LoadVerdict, Loaded, MemoryReading, ModelSpec, SourceError,
};
use support::{LONG, card, manager, model, secs};
use tokio::time::sleep;

fn code(result: Result<impl Sized, GpuError>) -> &'static str {
    result.err().map_or("ok", |error| error.code().id())
}

#[test]
fn a_size_above_a_pib_is_refused() {
    let gpu = manager(&card());
    let sized = |peaks: &[u64]| ModelSpec::new("a").with_candidate(Candidate::split("v", peaks));
    for bad in [&[u64::MAX][..], &[(1 << 50) + 1], &[1 << 49, 1 << 49, 1]] {
        assert_eq!(code(gpu.try_reserve(&sized(bad))), "gpu.invalid", "{bad:?}");
        assert_eq!(code(gpu.register(&sized(bad), Loaded::value(()))), "gpu.invalid", "{bad:?}");
    }
    let error = gpu.try_reserve(&sized(&[u64::MAX])).unwrap_err();
    assert!(error.to_string().contains("1 PiB"), "{error}");
    assert_eq!(code(gpu.try_reserve(&sized(&[1 << 50]))), "gpu.too_large");
    let largest = 85 * GIB;
    assert_eq!(gpu.can_load_model(u64::MAX), LoadVerdict::TooLarge { largest });
    let none = Candidate::split("none", []);
    assert_eq!(gpu.can_load(&none), LoadVerdict::NoGpu);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_saw_more_than_there_is_counts_for_all_there_is() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let loading = gpu.try_reserve(&model("loading", 60)).unwrap();
    let mut events = gpu.subscribe();
    // With what is loading, the sum of it would begin again from zero.
    for (name, observed) in [("most", u64::MAX), ("wraps", u64::MAX - 60 * GIB + 1)] {
        let card = sim.clone();
        let spec = model(name, 4);
        let liar = gpu.acquire(&spec, LONG, move |_| {
            let memory = card.take("sim-0", 4 * GIB).map_err(LoadError::out_of_memory);
            async move { Ok(Loaded::value(memory?).with_observed(observed)) }
        });
        let liar = liar.await.unwrap();
        assert_eq!(gpu.status().devices[0].committed, 160 * GIB);
        assert_eq!(code(gpu.try_reserve(&model("more", 20))), "gpu.no_room");
        let exceeded = |kind: EventKind| matches!(kind, EventKind::EstimateExceeded { observed, .. } if observed == 100 * GIB);
        assert!(std::iter::from_fn(|| events.try_recv().ok()).any(|event| exceeded(event.kind)));
        drop(liar);
        gpu.unregister(name).unwrap();
    }
    sim.set_stranger("sim-0", 10 * GIB);
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().devices[0].used, 10 * GIB, "the monitor reads on");
    drop(loading);
}

#[test]
fn a_registered_model_that_is_said_to_take_more_than_there_is_counts_for_all() {
    let gpu = manager(&card());
    for name in ["one", "two", "three"] {
        gpu.register(&model(name, 1), Loaded::value(()).with_observed(u64::MAX)).unwrap();
    }
    assert_eq!(gpu.status().devices[0].committed, 300 * GIB);
    assert_eq!(code(gpu.try_reserve(&model("more", 1))), "gpu.no_room");
}

/// Has more memory than anything.
struct Boundless;

impl DeviceSource for Boundless {
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        Ok(vec![DeviceInfo::new("boundless", 0, "boundless", DeviceKind::Gpu)])
    }

    fn memory(&self, _: &DeviceId) -> Result<MemoryReading, SourceError> {
        Ok(MemoryReading::new(u64::MAX, 0))
    }

    fn is_immediate(&self) -> bool {
        true
    }
}

#[test]
fn a_source_that_tells_more_than_there_can_be_is_taken_for_a_pib() {
    let gpu = GpuManager::builder(Boundless).build().unwrap();
    gpu.register(&model("a", 1), Loaded::value(()).with_observed(u64::MAX)).unwrap();
    assert_eq!(gpu.status().devices[0].total, 1 << 50);
    assert_eq!(code(gpu.try_reserve(&model("b", 1))), "gpu.no_room");
}
