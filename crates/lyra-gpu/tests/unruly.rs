//! A host's own code that panics where nobody would, hangs, or takes its time.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use lyra_errors::Classify;
use lyra_gpu::{
    GIB, GpuError, GpuManager, LoadError, Loaded, ModelState, Policy, SimMemory, UnloadError,
    Unloader, Unloading,
};
use support::{LONG, Load, acquire, card, manager, model, policy, secs};
use tokio::time::sleep;

fn code(result: Result<impl Sized, GpuError>) -> &'static str {
    result.err().map_or("ok", |error| error.code().id())
}

/// Panics when it is dropped, once: a second time at once would end the test.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("as a test wants it");
        }
    }
}

/// What of an unloader panics.
#[derive(Clone, Copy, PartialEq)]
enum Panics {
    Pids,
    ItsDrop,
    TheFuturesDrop,
    ThePayloadsDrop,
    TheValuesDrop,
}

struct Unruly {
    panics: Panics,
    _on_drop: Option<PanicsInDrop>,
}

impl Unruly {
    fn new(panics: Panics) -> Self {
        Self { panics, _on_drop: (panics == Panics::ItsDrop).then(|| PanicsInDrop) }
    }
}

impl Unloader for Unruly {
    fn unload(&self, _: Duration) -> Unloading<'_> {
        match self.panics {
            Panics::TheFuturesDrop => Box::pin(Unloaded(PanicsInDrop)),
            Panics::ThePayloadsDrop => std::panic::panic_any(PanicsInDrop),
            _ => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn pids(&self) -> Vec<u32> {
        assert!(self.panics != Panics::Pids, "as a test wants it");
        Vec::new()
    }
}

struct Unloaded(#[allow(dead_code, reason = "it is dropped")] PanicsInDrop);

impl Future for Unloaded {
    type Output = Result<(), UnloadError>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_of_an_unloader_panics_its_model_leaves_and_the_monitor_reads_on() {
    for panics in [
        Panics::Pids,
        Panics::ItsDrop,
        Panics::TheFuturesDrop,
        Panics::ThePayloadsDrop,
        Panics::TheValuesDrop,
    ] {
        let sim = card();
        let gpu = manager(&sim);
        let _monitor = gpu.start().unwrap();
        let card = sim.clone();
        let load = move |_| {
            let memory = card.take("sim-0", 10 * GIB).map_err(LoadError::out_of_memory);
            let loaded = Loaded::new(Unruly::new(panics));
            let on_drop = (panics == Panics::TheValuesDrop).then(|| PanicsInDrop);
            async move { Ok(loaded.with_value((memory?, on_drop)).with_observed(10 * GIB)) }
        };
        drop(gpu.acquire(&model("unruly", 10), LONG, load).await.unwrap());
        assert_eq!(gpu.status().models[0].state, ModelState::Ready);
        gpu.unload("unruly").unwrap();
        sleep(secs(60)).await; // tidy: sleep - the clock is paused
        assert!(gpu.status().models.is_empty(), "{:#?}", gpu.status());
        sim.set_stranger("sim-0", 20 * GIB);
        sleep(secs(2)).await; // tidy: sleep - the clock is paused
        assert_eq!(gpu.status().devices[0].used, 20 * GIB, "the monitor reads on");
        drop(acquire(&gpu, &sim, &model("next", 60), LONG).await.unwrap());
    }
}

#[test]
fn a_reservation_of_an_unloader_whose_numbers_panic_is_committed() {
    let gpu = manager(&card());
    let reservation = gpu.try_reserve(&model("a", 50)).unwrap();
    drop(reservation.commit(Loaded::new(Unruly::new(Panics::Pids))));
    assert_eq!(gpu.status().models[0].state, ModelState::Ready);
    gpu.unregister("a").unwrap();
    assert_eq!(gpu.status().devices[0].committed, 0);
}

#[test]
fn the_last_handle_of_a_value_that_panics_is_given_back() {
    let gpu = manager(&card());
    let reservation = gpu.try_reserve(&model("a", 50)).unwrap();
    let held = reservation.commit(Loaded::value(PanicsInDrop));
    assert!(held.value::<PanicsInDrop>().is_some());
    drop(held);
    assert_eq!(gpu.status().models[0].refs, 0);
    gpu.unregister("a").unwrap();
}

/// Asks its manager when it is dropped.
struct AsksInDrop(GpuManager, mpsc::Sender<usize>);

impl Drop for AsksInDrop {
    fn drop(&mut self) {
        let _ = self.1.send(self.0.status().models.len());
    }
}

#[test]
fn what_is_refused_may_ask_the_manager_as_it_is_dropped() {
    let gpu = manager(&card());
    gpu.register(&model("taken", 1), Loaded::value(())).unwrap();
    let (asked, answer) = mpsc::channel();
    let (asking, spec) = (gpu, model("taken", 1));
    // On a thread of its own, so that a deadlock fails the test.
    std::thread::spawn(move || {
        let value = AsksInDrop(asking.clone(), asked);
        asking.register(&spec, Loaded::value(value)).map_err(|error| error.code().id())
    });
    assert_eq!(answer.recv_timeout(secs(60)), Ok(1));
}

/// Takes its time to be dropped: until it is told to go on.
struct Slow {
    begun: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
    ended: mpsc::Sender<bool>,
    _memory: SimMemory,
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.begun.send(());
        let _ = self.ended.send(self.go_on.lock().unwrap().recv_timeout(secs(30)).is_ok());
    }
}

#[tokio::test]
async fn a_value_that_is_slow_to_drop_does_not_stop_the_runtime() {
    let sim = card();
    let gpu = manager(&sim);
    let monitor = gpu.start().unwrap();
    let ((begun, begins), (go, go_on), (ended, ends)) =
        (mpsc::channel(), mpsc::channel(), mpsc::channel());
    let slow = Slow {
        begun,
        go_on: Mutex::new(go_on),
        ended,
        _memory: sim.take("sim-0", 4 * GIB).unwrap(),
    };
    gpu.register(&model("slow", 4), Loaded::value(slow)).unwrap();
    gpu.unload("slow").unwrap();
    let begun = async {
        while begins.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(60), begun).await.unwrap();
    // On the one thread of this runtime, while it is being dropped.
    go.send(()).unwrap();
    assert_eq!(ends.recv_timeout(secs(60)), Ok(true), "the runtime waited for it");
    monitor.shutdown(secs(30)).await;
}

fn hangs(_: lyra_gpu::Grant) -> Load {
    Box::pin(std::future::pending())
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_hangs_is_given_up_after_its_timeout() {
    let sim = card();
    let policy: Policy = policy().with_load_timeout(secs(90));
    let gpu = GpuManager::builder(sim.clone()).with_policy(policy).build().unwrap();
    let _monitor = gpu.start().unwrap();
    let spec = model("hangs", 60);
    assert_eq!(code(gpu.acquire(&spec, secs(5), hangs).await), "gpu.timeout");
    assert_eq!(code(gpu.unload("hangs")), "gpu.loading");
    assert_eq!(code(gpu.unregister("hangs")), "gpu.loading");
    let error = gpu.acquire(&spec, LONG, hangs).await.unwrap_err();
    assert_eq!(error.code().id(), "gpu.load_failed");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it took longer than 90s");
    drop(acquire(&gpu, &sim, &spec, LONG).await.unwrap());
    assert_eq!(code(gpu.unload("hangs")), "ok");
}
