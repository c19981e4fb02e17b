//! What there is on a machine, and several sources as one.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Arc;

use lyra_fake_nvml::FakeDriver;
use lyra_gpu::{
    CombinedSource, CpuSource, Detected, DeviceKind, DeviceSource, NvmlSource, SourceError, detect,
};

const GIB: u64 = 1 << 30;

fn detected(driver: &FakeDriver) -> Detected {
    Detected::from_parts(NvmlSource::open_at(driver.library()), CpuSource::new())
}

fn kinds(source: &CombinedSource) -> Vec<DeviceKind> {
    source.devices().unwrap().iter().map(|info| info.kind).collect()
}

#[test]
fn cards_come_before_the_processor() {
    let driver = FakeDriver::with_cards(&[24 * GIB, 8 * GIB]);
    let found = detected(&driver);
    assert_eq!(found.no_gpu, None);
    assert_eq!(kinds(&found.source), [DeviceKind::Gpu, DeviceKind::Gpu, DeviceKind::Cpu]);
}

#[test]
fn without_a_driver_the_processor_is_left_and_the_reason_told() {
    let driver = FakeDriver::with_cards(&[GIB]);
    driver.edit(|state| state.unload());
    let found = detected(&driver);
    assert_eq!(kinds(&found.source), [DeviceKind::Cpu]);
    let reason = found.no_gpu.unwrap().to_string();
    assert!(reason.contains("driver is not loaded"), "{reason}");
}

#[test]
fn a_driver_without_cards_is_told_as_such() {
    let found = detected(&FakeDriver::with_cards(&[]));
    assert_eq!(kinds(&found.source), [DeviceKind::Cpu]);
    assert_eq!(found.no_gpu.unwrap().to_string(), "no such devices: the driver knows of no card");
}

#[test]
fn on_every_machine_there_is_a_processor() {
    let found = detect();
    assert_eq!(kinds(&found.source).last(), Some(&DeviceKind::Cpu));
    assert_eq!(found.no_gpu.is_none(), kinds(&found.source).contains(&DeviceKind::Gpu));
}

#[test]
fn each_call_goes_to_whose_device_it_is() {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    let source = detected(&driver).source;
    let [card, cpu] = source.devices().unwrap().try_into().unwrap();
    assert_eq!(source.memory(&card.id).unwrap().total, 24 * GIB);
    assert_eq!(source.processes(&card.id), Ok(vec![]));
    assert_eq!(source.processes(&cpu.id), Err(SourceError::NotSupported));
    assert_eq!(source.memory(&"GPU-unheard-of".into()), Err(SourceError::Lost));
}

#[test]
fn a_device_is_found_also_where_nobody_asked_for_the_list() {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    let card = driver.edit(|state| state.cards[0].uuid.as_str().into());
    let nvml = NvmlSource::open_at(driver.library()).unwrap();
    let source = CombinedSource::new([Arc::new(nvml) as Arc<dyn DeviceSource>]);
    assert_eq!(source.memory(&card).unwrap().total, 24 * GIB);
}

#[test]
fn a_source_that_fails_is_taken_by_its_last_word_and_hides_no_other() {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    let source = detected(&driver).source;
    let before = source.devices().unwrap();
    driver.edit(|state| state.unload());
    assert_eq!(source.devices().unwrap(), before);
    assert!(matches!(source.memory(&before[0].id), Err(SourceError::Absent { .. })));
    source.memory(&before[1].id).unwrap();
}

#[test]
fn where_every_source_fails_that_is_told() {
    let driver = FakeDriver::with_cards(&[GIB]);
    let nvml = NvmlSource::open_at(driver.library()).unwrap();
    driver.edit(|state| state.cards[0].faults.is_lost = true);
    let source = CombinedSource::new([Arc::new(nvml) as Arc<dyn DeviceSource>]);
    assert_eq!(source.devices(), Err(SourceError::Lost));
    assert_eq!(CombinedSource::new([]).devices(), Ok(vec![]));
}

#[test]
fn two_sources_of_one_device_are_refused() {
    let cpu = || Arc::new(CpuSource::new()) as Arc<dyn DeviceSource>;
    let error = CombinedSource::new([cpu(), cpu()]).devices().unwrap_err();
    assert_eq!(error.to_string(), "two sources tell of the device cpu");
}
