//! Sources that are slow, hang, or tell nonsense.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use lyra_errors::Classify;
use lyra_gpu::{
    DeviceHealth, DeviceId, DeviceInfo, DeviceSource, EventKind, GIB, GpuManager, MemoryReading,
    Policy, SimSource, SourceError,
};
use support::{ms, secs};

/// Longer than any machine takes for what the tests wait for.
const PATIENCE: Duration = secs(60);

const CARDS: usize = 8;

/// Cards that answer when all of them were asked, or were let go.
#[derive(Clone)]
struct Together {
    sim: SimSource,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    asked: usize,
    is_open: bool,
    /// This one never answers while the gate is closed.
    hangs: Option<DeviceId>,
}

impl Together {
    fn new() -> Self {
        let cards = (0..CARDS).map(|card| format!("sim-{card}"));
        let sim = cards.fold(SimSource::new(), |sim, card| sim.with_gpu(card, 24 * GIB));
        Self { sim, gate: Arc::default() }
    }

    fn gate(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.0.lock().unwrap());
        self.gate.1.notify_all();
    }
}

impl DeviceSource for Together {
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        self.sim.devices()
    }

    fn memory(&self, device: &DeviceId) -> Result<MemoryReading, SourceError> {
        self.gate(|gate| gate.asked += 1);
        let (gate, changed) = &*self.gate;
        let waits = |gate: &mut Gate| match &gate.hangs {
            Some(hangs) => hangs == device && !gate.is_open,
            None => !gate.is_open && gate.asked < CARDS,
        };
        let waited = changed.wait_timeout_while(gate.lock().unwrap(), PATIENCE, waits).unwrap();
        match waited.1.timed_out() {
            true => Err(SourceError::TimedOut),
            false => self.sim.memory(device),
        }
    }
}

#[tokio::test]
async fn all_cards_are_read_at_once_when_it_is_built_and_later() {
    let source = Together::new();
    let policy = Policy::default().with_read_timeout(PATIENCE);
    let gpu = GpuManager::builder(source.clone()).with_policy(policy).build().unwrap();
    source.gate(|gate| gate.asked = 0);
    source.sim.set_stranger("sim-7", 2 * GIB);
    gpu.check().await;
    assert!(gpu.status().devices.iter().all(|device| device.health == DeviceHealth::Good));
    assert_eq!(gpu.status().devices[7].used, 2 * GIB);
}

/// Waits until it is so, a minute at most.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(ms(5)).await; // tidy: sleep - a source's thread is real
    }
}

#[tokio::test]
async fn a_card_that_hangs_holds_up_no_other() {
    let source = Together::new();
    source.gate(|gate| gate.hangs = Some("sim-0".into()));
    // It is waited for at most so long when it is built, and later as well.
    let policy = Policy::default().with_read_timeout(ms(500)).with_sample_interval(ms(20));
    let gpu = GpuManager::builder(source.clone()).with_policy(policy).build().unwrap();
    assert_eq!(gpu.status().devices[0].health, DeviceHealth::Stale, "it is there all the same");
    let monitor = gpu.start().unwrap();
    let begun = Instant::now();
    until("the others are read again and again", || {
        (1..CARDS).all(|card| gpu.history(&format!("sim-{card}").into()).len() > 20)
    })
    .await;
    assert!(gpu.history(&"sim-0".into()).is_empty(), "{:?}", begun.elapsed());
    source.gate(|gate| gate.is_open = true);
    until("it is read at last", || gpu.status().devices[0].health == DeviceHealth::Good).await;
    monitor.shutdown(secs(5)).await;
}

#[test]
fn a_device_that_is_told_twice_is_refused() {
    let twice = SimSource::new().with_gpu("a", GIB).with_gpu("b", GIB).with_gpu("a", GIB);
    let error = GpuManager::builder(twice).build().unwrap_err();
    assert_eq!(error.code().id(), "gpu.invalid");
    assert!(error.to_string().contains("`a` twice"), "{error}");
}

#[test]
fn a_budget_is_of_a_device_that_is_there_and_over_zero() {
    let build = |device: &str, bytes| {
        let sim = SimSource::new().with_gpu("a", 24 * GIB).with_cpu(GIB);
        GpuManager::builder(sim).with_budget(device, bytes).build()
    };
    for (device, bytes, told) in [("nope", GIB, "there is `a`, `cpu`"), ("a", 0, "0 for `a`")] {
        let error = build(device, bytes).unwrap_err();
        assert_eq!(error.code().id(), "gpu.invalid");
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(build("a", 8 * GIB).unwrap().status().devices[0].total, 8 * GIB);
}

#[test]
fn a_device_is_asked_again_although_a_runtime_ended_before_it_was() {
    let source = Together::new();
    source.gate(|gate| gate.is_open = true);
    let gpu = GpuManager::builder(source.clone()).build().unwrap();
    let one_thread = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().max_blocking_threads(1).build().unwrap()
    };
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let first = one_thread();
    first.block_on(async {
        // The only thread that blocks is busy: the readings wait for it.
        tokio::task::spawn_blocking(move || gone.recv());
        assert!(tokio::time::timeout(ms(10), gpu.check()).await.is_err());
    });
    first.shutdown_background();
    drop(go);
    source.sim.set_stranger("sim-0", 20 * GIB);
    one_thread().block_on(async {
        let read = async {
            while gpu.status().devices[0].used != 20 * GIB {
                gpu.check().await;
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap();
    });
}

#[test]
fn events_are_told_in_their_order_by_many_threads() {
    let sim = SimSource::new().with_gpu("a", 24 * GIB);
    let gpu = GpuManager::builder(sim).build().unwrap();
    for _ in 0..20 {
        let mut events = gpu.subscribe();
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let gpu = &gpu;
                threads.spawn(move || {
                    for load in 0..25 {
                        drop(gpu.try_reserve(&support::model(&format!("{thread}-{load}"), 1)));
                    }
                });
            }
        });
        let told = std::iter::from_fn(|| events.try_recv().ok());
        let told: Vec<_> = told.filter(|e| matches!(e.kind, EventKind::Loading { .. })).collect();
        assert_eq!(told.len(), 100);
        assert!(told.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    }
}
