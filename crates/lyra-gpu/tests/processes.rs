//! Models in processes of their own: what the driver's list of processes tells
//! beside the memory of the card, and what it does not.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::time::Duration;

use lyra_gpu::{
    EventKind, GIB, GpuManager, Grant, Loaded, ModelHandle, SimMemory, SimSource, Unloader,
    Unloading,
};
use support::{LONG, Load, acquire, card, manager, model, ms, secs};
use tokio::time::sleep;

/// A model in a process of this number.
struct Process(u32);

impl Unloader for Process {
    fn unload(&self, _: Duration) -> Unloading<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.0]
    }
}

/// A card whose driver lists processes.
fn listing() -> (SimSource, GpuManager) {
    let sim = card();
    sim.set_tells_processes("sim-0", true);
    let gpu = manager(&sim);
    (sim, gpu)
}

/// Takes so many GiB at once as this process, and is ready 100 ms later.
fn runner(sim: &SimSource, pid: u32, gib: u64) -> impl Fn(Grant) -> Load + Send + Sync + 'static {
    let sim = sim.clone();
    move |_| {
        let taken: SimMemory = sim.take_as(pid, "sim-0", gib * GIB).unwrap();
        Box::pin(async move {
            sleep(ms(100)).await; // tidy: sleep - the clock is paused
            Ok(Loaded::new(Process(pid)).with_value(taken))
        })
    }
}

async fn run(gpu: &GpuManager, sim: &SimSource, pid: u32, said: u64, takes: u64) -> ModelHandle {
    let spec = model(&format!("model-{pid}"), said);
    gpu.acquire(&spec, LONG, runner(sim, pid, takes)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_process_that_loads_is_no_stranger() {
    let (sim, gpu) = listing();
    let _monitor = gpu.start().unwrap();
    let one = run(&gpu, &sim, 1, 20, 20).await;
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    let (two, external) = tokio::join!(run(&gpu, &sim, 2, 40, 40), async {
        sleep(ms(50)).await; // tidy: sleep - the clock is paused
        gpu.check().await;
        gpu.status().devices[0].external
    });
    assert_eq!(external, 0, "it has its memory, and is not loaded yet");
    drop((one, two));
}

#[tokio::test(start_paused = true)]
async fn what_several_took_beyond_their_estimates_is_counted() {
    let (sim, gpu) = listing();
    let _monitor = gpu.start().unwrap();
    let liars = tokio::join!(run(&gpu, &sim, 1, 20, 30), run(&gpu, &sim, 2, 20, 30));
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    let device = gpu.status().devices[0].clone();
    assert_eq!(device.used, 60 * GIB);
    assert_eq!(device.committed + device.external, 60 * GIB, "nobody knows whose it is");
    drop(liars);
}

#[tokio::test(start_paused = true)]
async fn a_model_in_this_process_beside_those_in_others_is_no_stranger() {
    let (sim, gpu) = listing();
    let _monitor = gpu.start().unwrap();
    let other = run(&gpu, &sim, 1, 20, 20).await;
    let here = acquire(&gpu, &sim, &model("here", 30), LONG).await.unwrap();
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    let device = gpu.status().devices[0].clone();
    assert_eq!((device.committed, device.external), (50 * GIB, 0));
    drop((other, here));
}

#[tokio::test(start_paused = true)]
async fn of_two_loads_between_two_readings_none_is_said_to_take_what_both_do() {
    let (sim, gpu) = listing();
    let mut events = gpu.subscribe();
    let _monitor = gpu.start().unwrap();
    let load = |pid: u32| {
        let reservation = gpu.try_reserve(&model(&format!("model-{pid}"), 20)).unwrap();
        let taken = sim.take_as(pid, "sim-0", 20 * GIB).unwrap();
        reservation.commit(Loaded::new(Process(pid)).with_value(taken))
    };
    let both = [load(1), load(2)];
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().devices[0].committed, 40 * GIB);
    let events = std::iter::from_fn(|| events.try_recv().ok());
    let lies = events.filter(|event| matches!(event.kind, EventKind::EstimateExceeded { .. }));
    assert_eq!(lies.count(), 0);
    drop(both);
}
