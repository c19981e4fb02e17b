//! Models on one card: loaded, shared, evicted, waited for.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::time::Duration;

use lyra_errors::Classify;
use lyra_gpu::{Candidate, GIB, GpuError, GpuManager, LoadError, Loaded, ModelSpec, ModelState};
use support::{LONG, Loads, acquire, card, loader, manager, model, ms, secs};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_model_is_loaded_once_and_shared() {
    let (sim, loads) = (card(), Loads::default());
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let spec = model("chat", 30);
    let both = tokio::join!(
        gpu.acquire(&spec, LONG, loader(&sim, &loads)),
        gpu.acquire(&spec, LONG, loader(&sim, &loads)),
    );
    let (one, two) = (both.0.unwrap(), both.1.unwrap());
    assert_eq!((loads.count(), sim.peak("sim-0")), (1, 30 * GIB));
    let status = gpu.status();
    assert_eq!((status.models[0].refs, status.models[0].uses), (2, 2));
    assert_eq!(status.devices[0].committed, 30 * GIB);
    drop((one, two));
    let again = gpu.acquire(&spec, Duration::ZERO, loader(&sim, &loads)).await.unwrap();
    assert_eq!((loads.count(), again.variant()), (1, "gpu"));
}

#[tokio::test(start_paused = true)]
async fn the_one_that_was_used_longest_ago_leaves_and_the_next_loads_when_it_is_gone() {
    let sim = card();
    sim.set_lag("sim-0", ms(300));
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    for name in ["a", "b"] {
        drop(acquire(&gpu, &sim, &model(name, 40), LONG).await.unwrap());
        tokio::time::advance(secs(1)).await;
    }
    drop(gpu.model("a").unwrap());
    let start = Instant::now();
    let c = acquire(&gpu, &sim, &model("c", 40), LONG).await.unwrap();
    let took = start.elapsed();
    assert!(took >= ms(400) && took < ms(800), "the lag, a look, and the load: {took:?}");
    let names: Vec<_> = gpu.status().models.iter().map(|model| model.name.to_string()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!((sim.out_of_memory("sim-0"), sim.peak("sim-0")), (0, 80 * GIB));
    drop(c);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_is_never_evicted_and_the_wait_ends() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let held = acquire(&gpu, &sim, &model("held", 50), LONG).await.unwrap();
    let start = Instant::now();
    let error = acquire(&gpu, &sim, &model("other", 50), secs(5)).await.unwrap_err();
    assert_eq!((error.code().id(), start.elapsed()), ("gpu.timeout", secs(5)));
    assert_eq!(gpu.status().waiting, 0);
    let (spec, timeout) = (model("other", 50), LONG);
    let mut wait = Box::pin(acquire(&gpu, &sim, &spec, timeout));
    assert!(tokio::time::timeout(secs(5), wait.as_mut()).await.is_err());
    drop(held);
    assert_eq!(wait.await.unwrap().name(), "other");
}

#[tokio::test(start_paused = true)]
async fn where_the_best_candidate_never_or_not_now_fits_a_lesser_one_is_taken() {
    let sim = card().with_cpu(200 * GIB);
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let ladder = |name: &str| {
        ModelSpec::new(name)
            .with_candidate(Candidate::gpu("huge", 90 * GIB))
            .with_candidate(Candidate::gpu("big", 60 * GIB))
            .with_candidate(Candidate::gpu("small", 20 * GIB))
            .with_candidate(Candidate::cpu("cpu", 20 * GIB))
    };
    let mut held = Vec::new();
    for variant in ["big", "small", "cpu"] {
        held.push(acquire(&gpu, &sim, &ladder(variant), secs(10)).await.unwrap());
        assert_eq!(held.last().unwrap().variant(), variant);
        assert_eq!(held.last().unwrap().grant().instead_of.as_deref(), Some("huge"));
    }
    assert_eq!(gpu.status().counts.degraded, 3);
    let error = acquire(&gpu, &sim, &model("never", 90), LONG).await.unwrap_err();
    assert!(matches!(error, GpuError::TooLarge { largest, .. } if largest == 85 * GIB), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_fails_or_panics_is_told_and_leaves_nothing() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let spec = model("bad", 30);
    let failing = |_| async { Err(LoadError::new("no such file")) };
    let error = gpu.acquire(&spec, LONG, failing).await.unwrap_err();
    assert_eq!(error.code().id(), "gpu.load_failed");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no such file");
    let panicking = |_| async { panic!("as a test wants it") };
    let error = gpu.acquire(&spec, LONG, panicking).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the loader panicked: as a test wants it");
    tokio::time::advance(secs(1)).await;
    gpu.check().await;
    let status = gpu.status();
    assert_eq!((status.devices[0].committed, status.models.len()), (0, 0), "{status:#?}");
}

#[tokio::test(start_paused = true)]
async fn out_of_memory_makes_room_tries_once_more_and_then_the_next_candidate() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    drop(acquire(&gpu, &sim, &model("idle", 20), LONG).await.unwrap());
    let spec = ModelSpec::new("liar")
        .with_candidate(Candidate::gpu("big", 40 * GIB))
        .with_candidate(Candidate::gpu("small", 10 * GIB));
    let card = sim.clone();
    let liar = gpu
        .acquire(&spec, LONG, move |grant| {
            let card = card.clone();
            async move {
                let bytes = if grant.rung == 0 { 120 * GIB } else { 10 * GIB };
                let taken = card.take("sim-0", bytes).map_err(LoadError::out_of_memory)?;
                Ok(Loaded::value(taken))
            }
        })
        .await
        .unwrap();
    assert_eq!(liar.variant(), "small");
    assert_eq!(sim.out_of_memory("sim-0"), 2);
    let status = gpu.status();
    assert_eq!((status.counts.out_of_memory, status.models.len()), (2, 1), "what was idle left");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_load_to_the_next() {
    let (sim, loads) = (card(), Loads::default());
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let spec = model("chat", 30);
    let mut first = Box::pin(gpu.acquire(&spec, LONG, loader(&sim, &loads)));
    assert!(tokio::time::timeout(ms(50), first.as_mut()).await.is_err());
    drop(first);
    let second = gpu.acquire(&spec, secs(1), loader(&sim, &loads)).await.unwrap();
    assert_eq!((loads.count(), second.name()), (1, "chat"));
    drop(second);
    assert_eq!(gpu.status().models[0].state, ModelState::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_was_not_started_or_is_shut_down_says_so() {
    let sim = card();
    let gpu: GpuManager = manager(&sim);
    let error = acquire(&gpu, &sim, &model("a", 1), LONG).await.unwrap_err();
    assert_eq!(error.code().id(), "gpu.not_running");
    let monitor = gpu.start().unwrap();
    let held = acquire(&gpu, &sim, &model("held", 80), LONG).await.unwrap();
    let (spec, timeout) = (model("waits", 80), LONG);
    let wait = acquire(&gpu, &sim, &spec, timeout);
    let (error, ()) = tokio::join!(wait, async {
        tokio::time::sleep(secs(1)).await; // tidy: sleep - the clock is paused
        monitor.shutdown(secs(1)).await;
    });
    assert_eq!(error.unwrap_err().code().id(), "gpu.closed");
    let error = acquire(&gpu, &sim, &model("a", 1), LONG).await.unwrap_err();
    assert_eq!(error.code().id(), "gpu.closed");
    drop(held);
}
