//! An acquire that is dropped at any poll leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use lyra_gpu::{GpuManager, ModelState};
use support::{LONG, Loads, acquire, card, loader, manager, model, secs};
use tokio::time::sleep;

/// Polls at most so often, and drops then.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

fn is_quiet(gpu: &GpuManager) {
    let status = gpu.status();
    assert_eq!(status.waiting, 0, "{status:#?}");
    let device = &status.devices[0];
    assert_eq!((device.loading, device.unloading, device.quarantined), (0, 0, 0), "{status:#?}");
    assert!(status.models.iter().all(|model| model.refs == 0 && model.state == ModelState::Ready));
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_of_a_load_with_an_eviction_nothing_is_left() {
    let mut is_through = false;
    for polls in 0..50 {
        let sim = card();
        let gpu = manager(&sim);
        let _monitor = gpu.start().unwrap();
        drop(acquire(&gpu, &sim, &model("idle", 60), LONG).await.unwrap());
        let spec = model("wanted", 60);
        let dropped = drop_after(polls, acquire(&gpu, &sim, &spec, LONG)).await;
        is_through |= dropped.is_some();
        drop(dropped);
        sleep(secs(5)).await; // tidy: sleep - the clock is paused
        is_quiet(&gpu);
        // And there is room for another one.
        drop(acquire(&gpu, &sim, &model("third", 80), secs(5)).await.unwrap());
    }
    assert!(is_through, "some of them were not dropped");
}

#[tokio::test(start_paused = true)]
async fn four_that_share_a_load_and_are_dropped_at_any_polls_leave_nothing() {
    for polls in 0..4_usize.pow(4) {
        let (sim, loads) = (card(), Loads::default());
        let gpu = manager(&sim);
        let _monitor = gpu.start().unwrap();
        let spec = model("shared", 30);
        let one = |index: u32| {
            let polls = polls / 4_usize.pow(index) % 4;
            drop_after(polls, gpu.acquire(&spec, LONG, loader(&sim, &loads)))
        };
        let all = tokio::join!(one(0), one(1), one(2), one(3));
        drop(all);
        sleep(secs(2)).await; // tidy: sleep - the clock is paused
        is_quiet(&gpu);
        assert!(loads.count() <= 1);
        drop(gpu.acquire(&spec, secs(1), loader(&sim, &loads)).await.unwrap());
    }
}

#[test]
fn a_runtime_that_ends_takes_its_loads_along_and_leaves_the_books_in_order() {
    let sim = card();
    let gpu = manager(&sim);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let monitor = gpu.start().unwrap();
        let (gpu, sim) = (gpu.clone(), sim.clone());
        tokio::spawn(async move {
            let hangs = |_| std::future::pending();
            drop(gpu.acquire(&model("hangs", 30), LONG, hangs).await);
            drop(sim);
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        std::mem::forget(monitor);
    });
    assert_eq!(gpu.status().models[0].state, ModelState::Loading);
    drop(runtime);
    let status = gpu.status();
    assert_eq!((status.waiting, status.models[0].state), (0, ModelState::Verifying));
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    other.block_on(gpu.check());
    assert!(gpu.status().models.is_empty());
}
