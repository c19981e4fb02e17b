//! A card that gets too full, by strangers or by wrong sizes.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyra_gpu::{
    DeviceHealth, Event, EventKind, GIB, GpuManager, Level, LoadError, Loaded, ModelState,
    SourceError, UnloadReason, Unloader, Unloading,
};
use support::{LONG, acquire, card, manager, model, ms, policy, secs};
use tokio::time::sleep;

fn kinds(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Vec<EventKind> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.kind).collect()
}

#[tokio::test(start_paused = true)]
async fn critical_evicts_at_once_down_to_the_low_mark_least_recently_used_first() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    for name in ["a", "b", "c", "d"] {
        drop(acquire(&gpu, &sim, &model(name, 15), LONG).await.unwrap());
        tokio::time::advance(secs(1)).await;
    }
    let held = gpu.model("a").unwrap();
    let mut events = gpu.subscribe();
    sim.set_stranger("sim-0", 35 * GIB); // 95 % in all
    sleep(secs(3)).await; // tidy: sleep - the clock is paused
    let left: Vec<_> = gpu.status().models.iter().map(|model| model.name.to_string()).collect();
    assert_eq!(left, ["a", "d"], "two bring it to 65 %, and one is in use");
    let kinds = kinds(&mut events);
    let evicted = |name: &str| {
        kinds.iter().any(|kind| {
            matches!(kind, EventKind::Unloading { model, reason, .. }
            if **model == *name && *reason == UnloadReason::Pressure)
        })
    };
    assert!(evicted("b") && evicted("c") && !evicted("d"), "{kinds:#?}");
    assert!(
        kinds.iter().any(
            |kind| matches!(kind, EventKind::LevelChanged { to, .. } if *to == Level::Critical)
        )
    );
    sleep(secs(12)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().devices[0].level, Level::Normal);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_warning_has_its_grace_and_its_hysteresis() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    for name in ["a", "b"] {
        drop(acquire(&gpu, &sim, &model(name, 20), LONG).await.unwrap());
    }
    sim.set_stranger("sim-0", 42 * GIB);
    sleep(secs(25)).await; // tidy: sleep - the clock is paused
    assert_eq!((gpu.status().devices[0].level, gpu.status().models.len()), (Level::Warning, 2));
    sleep(secs(10)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().models.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_leave_it_says_so_once_and_admits_nothing() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let held = acquire(&gpu, &sim, &model("held", 50), LONG).await.unwrap();
    let mut events = gpu.subscribe();
    sim.set_stranger("sim-0", 45 * GIB);
    sleep(secs(5)).await; // tidy: sleep - the clock is paused
    let exhausted = kinds(&mut events).into_iter();
    let exhausted = exhausted.filter(|kind| matches!(kind, EventKind::Exhausted { .. }));
    assert_eq!(exhausted.count(), 1);
    assert_eq!(gpu.status().models[0].state, ModelState::Draining);
    assert!(gpu.model("held").is_none(), "no new handles");
    assert!(gpu.try_reserve(&model("more", 1)).is_err());
    sim.set_stranger("sim-0", 0);
    sleep(secs(15)).await; // tidy: sleep - the clock is paused
    assert!(gpu.model("held").is_some(), "the need is over");
    sim.set_stranger("sim-0", 45 * GIB);
    sleep(secs(5)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().models[0].state, ModelState::Draining);
    drop(held);
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    assert!(gpu.status().models.is_empty(), "it went with its last use");
}

/// Never gives its memory back, and notes what it was asked.
struct Stubborn {
    asked: Arc<Mutex<Vec<&'static str>>>,
    hangs: bool,
}

impl Unloader for Stubborn {
    fn unload(&self, _: Duration) -> Unloading<'_> {
        self.asked.lock().unwrap().push("unload");
        match self.hangs {
            true => Box::pin(std::future::pending()),
            false => Box::pin(std::future::ready(Err("no".into()))),
        }
    }

    fn kill(&self) {
        self.asked.lock().unwrap().push("kill");
        panic!("as a test wants it");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unloader_is_asked_twice_then_killed_and_what_stays_is_in_quarantine() {
    for hangs in [false, true] {
        let sim = card();
        let gpu = manager(&sim);
        let _monitor = gpu.start().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = sim.take("sim-0", 60 * GIB).unwrap();
        let stubborn = Stubborn { asked: Arc::clone(&asked), hangs };
        gpu.register(&model("stubborn", 60), Loaded::new(stubborn).with_observed(60 * GIB))
            .unwrap();
        sleep(secs(2)).await; // tidy: sleep - the clock is paused
        gpu.unload("stubborn").unwrap();
        sleep(secs(100)).await; // tidy: sleep - the clock is paused
        assert_eq!(*asked.lock().unwrap(), ["unload", "unload", "kill"]);
        let status = gpu.status();
        assert_eq!(status.models[0].state, ModelState::Quarantined, "{status:#?}");
        assert_eq!(status.devices[0].quarantined, 60 * GIB);
        assert!(gpu.try_reserve(&model("other", 30)).is_err(), "its bytes are not given out");
        drop(memory);
        sleep(secs(2)).await; // tidy: sleep - the clock is paused
        assert_eq!((gpu.status().models.len(), gpu.status().devices[0].committed), (0, 0));
        assert!(gpu.try_reserve(&model("other", 30)).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_answer_is_not_trusted_until_it_does() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    sleep(secs(2)).await; // tidy: sleep - the clock is paused
    for (fault, health, code) in [
        (SourceError::TimedOut, DeviceHealth::Stale, "gpu.no_room"),
        (SourceError::Lost, DeviceHealth::Lost, "gpu.no_device"),
        (SourceError::NotSupported, DeviceHealth::Unmeasured, "gpu.too_large"),
    ] {
        sim.set_fault("sim-0", Some(fault));
        sleep(secs(5)).await; // tidy: sleep - the clock is paused
        assert_eq!(gpu.status().devices[0].health, health);
        let error = gpu.try_reserve(&model("a", 1)).unwrap_err();
        let code_seen = lyra_errors::Classify::code(&error).id();
        assert_eq!(code_seen, code, "{error}");
        sim.set_fault("sim-0", None);
        sleep(secs(2)).await; // tidy: sleep - the clock is paused
        assert!(gpu.try_reserve(&model("a", 1)).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_more_than_it_said_is_seen_and_counted() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let mut events = gpu.subscribe();
    let card = sim.clone();
    let liar = gpu
        .acquire(&model("liar", 20), LONG, move |_| {
            let taken = card.take("sim-0", 30 * GIB).map_err(LoadError::out_of_memory);
            async move { Ok(Loaded::value(taken?)) }
        })
        .await
        .unwrap();
    sleep(secs(1)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().devices[0].committed, 30 * GIB);
    let exceeded = |kind: &EventKind| matches!(kind, EventKind::EstimateExceeded { observed, .. } if *observed == 30 * GIB);
    assert!(kinds(&mut events).iter().any(exceeded));
    drop(liar);
}

#[tokio::test(start_paused = true)]
async fn callbacks_that_panic_or_block_hold_up_nobody() {
    let sim = card();
    let (told, seen) = std::sync::mpsc::channel();
    let gpu: GpuManager = GpuManager::builder(sim.clone())
        .with_policy(policy())
        .on_event(|_| panic!("as a test wants it"))
        .on_event(|_| std::thread::park())
        .on_event(move |event| told.send(event.seq).unwrap())
        .build()
        .unwrap();
    let monitor = gpu.start().unwrap();
    drop(acquire(&gpu, &sim, &model("a", 10), LONG).await.unwrap());
    assert_eq!(seen.recv_timeout(secs(60)), Ok(1));
    assert_eq!(seen.recv_timeout(secs(60)), Ok(2));
    monitor.shutdown(secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_snapshots_are_kept_of_each_device() {
    let sim = card();
    sim.set_stranger("sim-0", 25 * GIB);
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    sleep(secs(150) + ms(1)).await; // tidy: sleep - the clock is paused
    let history = gpu.history(&"sim-0".into());
    assert_eq!(history.len(), 100);
    let last = history[99];
    assert_eq!((last.total, last.used, last.free), (100 * GIB, 25 * GIB, 75 * GIB));
    assert_eq!((last.utilization_percent(), last.level), (25.0, Level::Normal));
    assert!(history.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert!(gpu.history(&"none".into()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_did_not_come_back_is_given_to_nobody_not_even_at_first() {
    let sim = card();
    sim.set_leak("sim-0", 100);
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    drop(acquire(&gpu, &sim, &model("leaks", 50), LONG).await.unwrap());
    let error = acquire(&gpu, &sim, &model("next", 60), secs(60)).await.unwrap_err();
    assert_eq!(gpu.status().counts.unverified, 1);
    assert_eq!(lyra_errors::Classify::code(&error).id(), "gpu.timeout");
    assert_eq!(sim.out_of_memory("sim-0"), 0);
}
