//! A driver that hangs, dies and comes back under a manager at work, through
//! the real wrapper.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::{Duration, Instant};

use lyra_errors::Classify;
use lyra_fake_nvml::FakeDriver;
use lyra_gpu::{
    Candidate, DeviceHealth, GIB, GpuManager, LoadVerdict, ModelSpec, NvmlSource, Policy,
};

fn quick() -> Policy {
    let ms = Duration::from_millis;
    Policy::default().with_sample_interval(ms(20)).with_read_timeout(ms(100))
}

fn manager(driver: &FakeDriver) -> GpuManager {
    let source = NvmlSource::open_at(driver.library()).unwrap();
    GpuManager::builder(source).with_policy(quick()).build().unwrap()
}

/// Waits until it is so, a minute at most.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await; // tidy: sleep - a driver's thread is real
    }
}

#[tokio::test]
async fn a_driver_that_hangs_stops_admission_and_nothing_else() {
    let driver = FakeDriver::with_cards(&[24 * GIB, 8 * GIB]);
    let gpu = manager(&driver);
    let monitor = gpu.start().unwrap();
    let health = |index: usize| gpu.status().devices[index].health;
    until("it is read", || gpu.history(&gpu.status().devices[0].id).len() > 2).await;
    driver.edit(|state| state.cards[0].faults.hangs = true);
    until("the first one is stale", || health(0) == DeviceHealth::Stale).await;
    until("the second one is read all the same", || health(1) == DeviceHealth::Good).await;
    let spec = |gib| ModelSpec::new("a").with_candidate(Candidate::gpu("gpu", gib * GIB));
    assert_eq!(gpu.try_reserve(&spec(16)).unwrap_err().code().id(), "gpu.no_room");
    assert_eq!(gpu.can_load_model(16 * GIB), LoadVerdict::WaitsForUse);
    driver.edit(|state| state.cards[0].faults.hangs = false);
    until("it is trusted again", || health(0) == DeviceHealth::Good).await;
    drop(gpu.try_reserve(&spec(16)).unwrap());
    monitor.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_card_that_is_lost_is_told_and_comes_back() {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    let gpu = manager(&driver);
    let monitor = gpu.start().unwrap();
    let health = || gpu.status().devices[0].health;
    driver.edit(|state| state.cards[0].faults.is_lost = true);
    until("it is lost", || health() == DeviceHealth::Lost).await;
    assert!(!gpu.status().has_gpu);
    driver.edit(|state| state.cards[0].faults.is_lost = false);
    until("it is back", || health() == DeviceHealth::Good).await;
    monitor.shutdown(Duration::from_secs(5)).await;
}

#[test]
fn a_driver_that_hangs_from_the_start_holds_up_nobody() {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    let source = NvmlSource::open_at(driver.library()).unwrap();
    driver.edit(|state| state.cards[0].faults.hangs = true);
    let start = Instant::now();
    let error = GpuManager::builder(source).with_policy(quick()).build().unwrap_err();
    assert_eq!(error.to_string(), "no device for this: no answer in time");
    assert!(start.elapsed() < Duration::from_secs(30));
    driver.edit(|state| state.cards[0].faults.hangs = false);
}
