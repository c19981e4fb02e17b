//! `gpu`: what the bookkeeping costs a host that loads models.
//!
//! No peer publishes a reservation or a plan, so each case stands beside work
//! that one can picture: a lock with a clock read, the same call with fewer
//! models, the bare reading of the devices. The devices are simulated, as a
//! driver's own time would hide ours.

use std::hint::black_box;
use std::sync::Mutex;

use lyra_gpu::{
    Candidate, DeviceId, DeviceSource, GIB, GpuManager, Loaded, MIB, ModelSpec, SimSource,
};
use tokio::time::Instant;

use crate::harness::{self, Group, Plan, Row, at_once};

/// There are none but what the standard library and tokio have.
pub(crate) const PEERS: [&str; 1] = ["tokio"];

const AREA: &str = "gpu";

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let groups = vec![reserve(), reserve_many(), plan_one(), sample(), status()];
    harness::measure(plan, groups)
}

/// One card with so many models on it, which nobody uses.
fn card_with(models: usize) -> GpuManager {
    let sim = SimSource::new().with_gpu("sim-0", 1_024 * GIB);
    let gpu = GpuManager::builder(sim).build().expect("the settings are the default ones");
    for index in 0..models {
        let spec = ModelSpec::new(format!("model-{index}"));
        let spec = spec.with_candidate(Candidate::gpu("only", 3 * GIB));
        gpu.register(&spec, Loaded::value(())).expect("the names differ");
    }
    gpu
}

fn reserving(models: usize) -> impl FnMut(u64) {
    let gpu = card_with(models);
    let spec = ModelSpec::new("wanted").with_candidate(Candidate::gpu("only", 100 * MIB));
    move |calls| {
        for _ in 0..calls {
            drop(black_box(black_box(&gpu).try_reserve(&spec).expect("there is room")));
        }
    }
}

fn reserve() -> Group {
    let lock = Mutex::new(0_u64);
    Group::new(AREA, "reserve and release, 64 models").ours("", reserving(64)).peer(
        "std Mutex with a clock read",
        move |calls| {
            for _ in 0..calls {
                let mut count = black_box(&lock).lock().expect("nobody panics");
                black_box(Instant::now());
                *count += 1;
            }
        },
    )
}

fn reserve_many() -> Group {
    Group::new(AREA, "reserve and release, 256 models")
        .ours("", reserving(256))
        .peer("the same with 4 models", reserving(4))
}

fn plan_one() -> Group {
    let gpu = card_with(64);
    Group::new(AREA, "plan of an eviction, 64 models")
        .ours("", move |calls| {
            for _ in 0..calls {
                black_box(black_box(&gpu).can_load_model(850 * GIB));
            }
        })
        .peer("reserve and release, 64 models", reserving(64))
}

fn sample() -> Group {
    let ids: Vec<DeviceId> = (0..8).map(|index| format!("sim-{index}").into()).collect();
    let sim = ids.iter().fold(SimSource::new(), |sim, id| sim.with_gpu(id.clone(), 80 * GIB));
    let gpu = GpuManager::builder(sim.clone()).build().expect("the settings are the default ones");
    Group::new(AREA, "sample of 8 devices")
        .ours("", move |calls| {
            for _ in 0..calls {
                at_once(black_box(&gpu).check());
            }
        })
        .peer("the bare reading of 8 devices", move |calls| {
            for _ in 0..calls {
                for id in &ids {
                    black_box(black_box(&sim).memory(id).expect("it is there"));
                }
            }
        })
}

fn status() -> Group {
    let gpu = card_with(64);
    Group::new(AREA, "status, 64 models")
        .ours("", move |calls| {
            for _ in 0..calls {
                black_box(black_box(&gpu).status());
            }
        })
        .peer("reserve and release, 64 models", reserving(64))
}
