//! Models on a simulated card, and who loads them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lyra_gpu::{
    Candidate, GIB, GpuError, GpuManager, Grant, LoadError, Loaded, ModelHandle, ModelSpec, Policy,
    SimSource,
};

pub(crate) const LONG: Duration = Duration::from_secs(3_600);

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One simulated card of a hundred GiB, so that a GiB is a percent.
pub(crate) fn card() -> SimSource {
    SimSource::new().with_gpu("sim-0", 100 * GIB)
}

/// Nobody is spared for being young.
pub(crate) fn policy() -> Policy {
    Policy::default().with_min_residency(Duration::ZERO)
}

pub(crate) fn manager(sim: &SimSource) -> GpuManager {
    GpuManager::builder(sim.clone()).with_policy(policy()).build().unwrap()
}

/// A model of so many GiB on a GPU.
pub(crate) fn model(name: &str, gib: u64) -> ModelSpec {
    ModelSpec::new(name).with_candidate(Candidate::gpu("gpu", gib * GIB))
}

/// How loads went.
#[derive(Debug, Default, Clone)]
pub(crate) struct Loads(Arc<AtomicUsize>);

impl Loads {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Loads what was granted onto the simulated devices, in 100 ms.
pub(crate) fn loader(
    sim: &SimSource,
    loads: &Loads,
) -> impl Fn(Grant) -> Load + Send + Sync + 'static {
    let (sim, loads) = (sim.clone(), loads.clone());
    move |grant| {
        let (sim, loads) = (sim.clone(), loads.clone());
        Box::pin(async move {
            tokio::time::sleep(ms(100)).await; // tidy: sleep - the clock is paused
            loads.0.fetch_add(1, Ordering::SeqCst);
            let taken: Result<Vec<_>, _> = grant
                .shares
                .iter()
                .map(|(device, bytes)| sim.take(device.clone(), *bytes))
                .collect();
            Ok(Loaded::value(taken.map_err(LoadError::out_of_memory)?))
        })
    }
}

pub(crate) type Load = std::pin::Pin<Box<dyn Future<Output = Result<Loaded, LoadError>> + Send>>;

/// Acquires with the plain loader.
pub(crate) async fn acquire(
    gpu: &GpuManager,
    sim: &SimSource,
    spec: &ModelSpec,
    timeout: Duration,
) -> Result<ModelHandle, GpuError> {
    gpu.acquire(spec, timeout, loader(sim, &Loads::default())).await
}
