//! What becomes of unloads when the manager ends, or the runtime under it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lyra_errors::Classify;
use lyra_gpu::{
    DeviceHealth, GIB, GpuError, GpuManager, LoadVerdict, Loaded, SimSource, Unloader, Unloading,
};
use support::{LONG, Loads, acquire, card, loader, manager, model, secs};
use tokio::runtime::{Builder, Runtime};

fn code(result: Result<impl Sized, GpuError>) -> &'static str {
    result.err().map_or("ok", |error| error.code().id())
}

/// Notes what it was asked, and refuses after two seconds.
#[derive(Clone, Default)]
struct Busy(Arc<Mutex<Vec<&'static str>>>);

impl Unloader for Busy {
    fn unload(&self, _: Duration) -> Unloading<'_> {
        self.0.lock().unwrap().push("unload");
        Box::pin(async {
            tokio::time::sleep(secs(2)).await; // tidy: sleep - the clock is paused
            Err("busy".into())
        })
    }

    fn kill(&self) {
        self.0.lock().unwrap().push("kill");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_to_be_unloaded_at_the_last_moment_is_asked_twice_and_killed() {
    let (sim, busy) = (card(), Busy::default());
    let gpu = manager(&sim);
    let monitor = gpu.start().unwrap();
    tokio::time::advance(secs(1)).await;
    gpu.register(&model("busy", 4), Loaded::new(busy.clone())).unwrap();
    gpu.unload("busy").unwrap();
    monitor.shutdown(secs(30)).await;
    assert_eq!(*busy.0.lock().unwrap(), ["unload", "unload", "kill"]);
}

#[tokio::test(start_paused = true)]
async fn an_unloader_is_given_no_more_than_the_patience() {
    let (sim, busy) = (card(), Busy::default());
    let gpu = manager(&sim);
    let monitor = gpu.start().unwrap();
    gpu.register(&model("busy", 4), Loaded::new(busy.clone())).unwrap();
    gpu.unload("busy").unwrap();
    let begun = tokio::time::Instant::now();
    monitor.shutdown(secs(3)).await;
    assert_eq!((begun.elapsed(), busy.0.lock().unwrap().len()), (secs(3), 2));
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_nothing_is_said_to_be_unloaded() {
    let sim = card();
    let gpu = manager(&sim);
    let monitor = gpu.start().unwrap();
    gpu.register(&model("stays", 4), Loaded::value(sim.take("sim-0", 4 * GIB).unwrap())).unwrap();
    monitor.shutdown(secs(1)).await;
    assert_eq!(code(gpu.unload("stays")), "gpu.closed");
    assert!(gpu.model("stays").is_some(), "models that are loaded stay so");
    assert_eq!(code(gpu.unregister("stays")), "ok", "the host may have unloaded it by itself");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn the_end_of_the_runtime_is_noticed_at_once() {
    let sim = card();
    let gpu = manager(&sim);
    let first = runtime();
    let monitor = first.block_on(async {
        let monitor = gpu.start().unwrap();
        drop(acquire(&gpu, &sim, &model("idle", 4), LONG).await.unwrap());
        monitor
    });
    drop(first);
    let error = runtime().block_on(acquire(&gpu, &sim, &model("more", 4), LONG)).unwrap_err();
    assert_eq!(error.code().id(), "gpu.not_running");
    assert!(error.to_string().contains("runtime that the manager was started in"), "{error}");
    assert_eq!(code(gpu.unload("idle")), "gpu.not_running", "nobody would do it");
    drop(monitor);
    assert_eq!(code(gpu.unload("idle")), "gpu.closed");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_admitted_on_a_reading_that_is_too_old() {
    let sim = SimSource::new().with_gpu("sim-0", 100 * GIB).with_cpu(100 * GIB);
    let gpu: GpuManager = manager(&sim);
    assert_eq!(code(gpu.try_reserve(&model("a", 1))), "ok");
    // Nobody reads: the manager was not started.
    tokio::time::advance(secs(4)).await;
    assert_eq!(code(gpu.try_reserve(&model("a", 1))), "gpu.no_room");
    assert_eq!(gpu.can_load_model(GIB), LoadVerdict::WaitsForUse);
    assert_eq!(gpu.status().devices[0].health, DeviceHealth::Stale);
    gpu.check().await;
    assert_eq!(gpu.status().devices[0].health, DeviceHealth::Good);
    assert_eq!(code(gpu.try_reserve(&model("a", 1))), "ok");
    tokio::time::advance(secs(4)).await;
    assert_eq!(gpu.status().devices[0].health, DeviceHealth::Stale, "whoever asks first");
}

#[test]
fn outside_of_a_runtime_an_acquire_is_refused_and_does_not_panic() {
    let sim = card();
    let gpu = manager(&sim);
    let runtime = runtime();
    let _monitor = runtime.block_on(async { gpu.start().unwrap() });
    let spec = model("a", 1);
    let mut wait = pin!(gpu.acquire(&spec, LONG, loader(&sim, &Loads::default())));
    let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = polled else { panic!("it waits for nobody") };
    assert_eq!(error.code().id(), "gpu.not_running");
    assert!(error.to_string().contains("not inside a tokio runtime"), "{error}");
    assert_eq!(gpu.status().waiting, 0);
}
