//! The real wrapper over a driver that misbehaves in every way it can.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::thread;

use lyra_fake_nvml::{FakeDriver, Listed, ProcessList, codes};
use lyra_gpu::{
    DeviceId, DeviceKind, DeviceSource, MemoryReading, NvmlSource, ProcessMemory, SourceError,
};

const GIB: u64 = 1 << 30;

/// A driver with two cards, what reads it, and what the cards are called.
fn two_cards() -> (FakeDriver, NvmlSource, [DeviceId; 2]) {
    opened(FakeDriver::with_cards(&[24 * GIB, 8 * GIB]))
}

fn opened(driver: FakeDriver) -> (FakeDriver, NvmlSource, [DeviceId; 2]) {
    let source = NvmlSource::open_at(driver.library()).unwrap();
    let ids = source.devices().unwrap().into_iter().map(|info| info.id);
    let ids = ids.collect::<Vec<_>>().try_into().unwrap();
    (driver, source, ids)
}

fn absent_reason(library: impl AsRef<std::path::Path>) -> String {
    match NvmlSource::open_at(library).unwrap_err() {
        SourceError::Absent { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_library_there_are_no_cards_and_it_says_what_was_looked_for() {
    let reason = absent_reason("no/such/libnvidia-ml.so.1");
    assert!(reason.contains("no/such/libnvidia-ml.so.1"), "{reason}");
    // What this machine has is not for a test to say; it must not panic.
    let _ = NvmlSource::open();
}

#[test]
fn a_file_that_is_no_such_library_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libnvidia-ml.so.1");
    std::fs::write(&path, "text").unwrap();
    absent_reason(path);
    let other = FakeDriver::with_cards(&[GIB]).without_function("nvmlInit_v2");
    absent_reason(other.library());
}

#[test]
fn a_library_without_its_driver_is_none() {
    let driver = FakeDriver::with_cards(&[GIB]);
    driver.edit(|state| state.unload());
    let reason = absent_reason(driver.library());
    assert!(reason.contains("driver is not loaded"), "{reason}");
}

#[test]
fn cards_are_named_by_uuid() {
    let (driver, source, _) = two_cards();
    let devices = source.devices().unwrap();
    let cards = driver.edit(|state| state.cards.clone());
    for (index, (device, card)) in devices.iter().zip(&cards).enumerate() {
        assert_eq!(device.id.as_str(), card.uuid);
        assert_eq!(device.index as usize, index);
        assert_eq!(device.name, card.name);
        assert_eq!(device.kind, DeviceKind::Gpu);
        assert_eq!(device.pci_bus_id.as_deref(), Some(card.pci_bus_id.as_str()));
    }
}

#[test]
fn a_driver_without_cards_tells_of_none() {
    let driver = FakeDriver::with_cards(&[]);
    let source = NvmlSource::open_at(driver.library()).unwrap();
    assert_eq!(source.devices(), Ok(vec![]));
}

#[test]
fn what_is_not_free_is_unavailable_and_the_drivers_figures_stand_beside() {
    let (driver, source, [card, _]) = two_cards();
    driver.edit(|state| {
        state.cards[0].reserved = GIB;
        state.cards[0].stranger = 5 * GIB;
    });
    let reading = source.memory(&card).unwrap();
    let expected = MemoryReading::new(24 * GIB, 18 * GIB).with_driver_figures(5 * GIB, Some(GIB));
    assert_eq!(reading, expected);
    assert_eq!(reading.unavailable(), 6 * GIB);
}

#[test]
fn an_old_driver_without_the_second_form_is_read_by_the_first() {
    let old =
        FakeDriver::with_cards(&[24 * GIB, 8 * GIB]).without_function("nvmlDeviceGetMemoryInfo_v2");
    let (driver, source, [card, _]) = opened(old);
    driver.edit(|state| {
        state.cards[0].reserved = GIB;
        state.cards[0].stranger = 5 * GIB;
    });
    let expected = MemoryReading::new(24 * GIB, 18 * GIB).with_driver_figures(6 * GIB, None);
    assert_eq!(source.memory(&card), Ok(expected));
}

#[test]
fn whatever_a_driver_says_to_the_second_form_the_first_one_is_tried() {
    for code in [
        codes::FUNCTION_NOT_FOUND,
        codes::ARGUMENT_VERSION_MISMATCH,
        codes::INVALID_ARGUMENT,
        codes::NOT_SUPPORTED,
        codes::UNKNOWN,
    ] {
        let (driver, source, [card, other]) = two_cards();
        driver.edit(|state| state.cards[0].faults.memory_v2_says = Some(code));
        let reading = source.memory(&card).unwrap();
        assert_eq!((reading.free, reading.reserved), (24 * GIB, None), "after {code}");
        assert_eq!(source.memory(&other).unwrap().reserved, Some(0), "the other card is as it was");
    }
}

#[test]
fn the_form_that_works_is_remembered_until_it_fails() {
    let (driver, source, [card, _]) = two_cards();
    driver.edit(|state| state.cards[0].faults.memory_v2_says = Some(codes::UNKNOWN));
    source.memory(&card).unwrap();
    driver.edit(|state| state.cards[0].faults.memory_v2_says = None);
    assert_eq!(source.memory(&card).unwrap().reserved, None, "the second form was not asked");

    driver.edit(|state| state.cards[0].faults.memory_v1_says = Some(codes::UNKNOWN));
    source.memory(&card).unwrap_err();
    assert_eq!(source.memory(&card).unwrap().reserved, Some(0));
}

#[test]
fn a_card_that_cannot_tell_its_memory_says_so() {
    let (driver, source, [card, other]) = two_cards();
    driver.edit(|state| {
        state.cards[0].faults.memory_v2_says = Some(codes::NOT_SUPPORTED);
        state.cards[0].faults.memory_v1_says = Some(codes::NOT_SUPPORTED);
        state.cards[1].total = 0;
    });
    assert_eq!(source.memory(&card), Err(SourceError::NotSupported));
    assert_eq!(source.memory(&other), Err(SourceError::NotSupported), "zeros tell nothing");
}

#[test]
fn what_the_driver_refuses_is_told_in_its_words() {
    let (driver, source, [card, _]) = two_cards();
    driver.edit(|state| state.cards[0].faults.memory_v2_says = Some(codes::NO_PERMISSION));
    match source.memory(&card) {
        Err(SourceError::Failed { reason }) => assert!(reason.contains("permission"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lost_card_is_lost_alone_and_may_come_back() {
    let (driver, source, [card, other]) = two_cards();
    driver.edit(|state| state.cards[0].faults.is_lost = true);
    assert_eq!(source.memory(&card), Err(SourceError::Lost));
    assert_eq!(source.processes(&card), Err(SourceError::Lost));
    assert_eq!(source.memory(&other).unwrap().free, 8 * GIB);
    let there: Vec<_> = source.devices().unwrap().into_iter().map(|info| info.id).collect();
    assert_eq!(there, [other]);

    driver.edit(|state| state.cards[0].faults.is_lost = false);
    assert_eq!(source.memory(&card).unwrap().free, 24 * GIB);
}

#[test]
fn where_all_cards_are_lost_that_is_told_in_place_of_an_empty_list() {
    let (driver, source, _) = two_cards();
    driver.edit(|state| state.cards.iter_mut().for_each(|card| card.faults.is_lost = true));
    assert_eq!(source.devices(), Err(SourceError::Lost));
}

#[test]
fn a_search_that_fails_because_of_another_card_finds_its_own() {
    let (driver, source, [_, card]) = two_cards();
    driver.edit(|state| {
        state.cards[0].faults.is_lost = true;
        state.lookup_says = Some(codes::GPU_IS_LOST);
    });
    assert_eq!(source.memory(&card).unwrap().free, 8 * GIB);
}

#[test]
fn a_card_that_was_taken_out_is_lost() {
    let (driver, source, [_, card]) = two_cards();
    driver.edit(|state| state.cards.truncate(1));
    assert_eq!(source.memory(&card), Err(SourceError::Lost));
    assert_eq!(source.memory(&"GPU-unheard-of".into()), Err(SourceError::Lost));
    assert_eq!(
        source.memory(&"with a \0 inside".into()).unwrap_err().to_string(),
        "nul byte inside string"
    );
}

#[test]
fn a_driver_that_was_loaded_anew_is_noticed_by_the_next_call() {
    let (driver, source, [card, _]) = two_cards();
    for _ in 0..3 {
        driver.edit(|state| state.reload());
        assert_eq!(source.memory(&card).unwrap().free, 24 * GIB);
    }
    driver.edit(|state| state.reload());
    assert_eq!(source.devices().unwrap().len(), 2);
}

#[test]
fn a_driver_that_is_gone_is_absent_until_it_is_back() {
    let (driver, source, [card, _]) = two_cards();
    driver.edit(|state| state.unload());
    for _ in 0..2 {
        assert!(matches!(source.memory(&card), Err(SourceError::Absent { .. })));
        assert!(matches!(source.devices(), Err(SourceError::Absent { .. })));
    }
    driver.edit(|state| state.reload());
    assert_eq!(source.memory(&card).unwrap().free, 24 * GIB);
}

#[test]
fn calls_at_once_do_not_end_the_beginning_of_one_another() {
    let (driver, source, ids) = two_cards();
    for _ in 0..20 {
        driver.edit(|state| state.reload());
        thread::scope(|scope| {
            for id in ids.iter().cycle().take(6) {
                scope.spawn(|| source.memory(id).unwrap());
            }
        });
    }
}

#[test]
fn a_card_that_hangs_holds_up_no_other_one() {
    let (driver, source, [card, other]) = two_cards();
    let hang = |hangs| driver.edit(|state| state.cards[0].faults.hangs = hangs);
    hang(true);
    thread::scope(|scope| {
        let stuck = scope.spawn(|| source.memory(&card));
        let beside = source.memory(&other);
        driver.edit(|state| state.reload());
        let anew = source.memory(&other);
        let is_stuck = !stuck.is_finished();
        // Before anything is asserted: a thread that hangs would hang the test.
        hang(false);
        assert!(is_stuck);
        assert_eq!(beside.unwrap().free, 8 * GIB);
        assert_eq!(anew.unwrap().free, 8 * GIB, "nor does it a driver that was loaded anew");
        stuck.join().unwrap().unwrap();
    });
    assert_eq!(source.memory(&card).unwrap().free, 24 * GIB);
}

#[test]
fn a_process_in_both_lists_is_told_once_and_without_bytes_where_none_are_told() {
    let (driver, source, [card, other]) = two_cards();
    let line = |list, pid, bytes| Listed { list, pid, bytes };
    driver.edit(|state| {
        state.cards[0].listed = vec![
            line(ProcessList::Compute, 30, Some(3 * GIB)),
            line(ProcessList::Compute, 10, None),
            line(ProcessList::Graphics, 30, Some(2 * GIB)),
            line(ProcessList::Graphics, 20, Some(GIB)),
        ];
    });
    let expected = [
        ProcessMemory::new(10, None),
        ProcessMemory::new(20, Some(GIB)),
        ProcessMemory::new(30, Some(3 * GIB)),
    ];
    assert_eq!(source.processes(&card).unwrap(), expected);
    assert_eq!(source.processes(&other), Ok(vec![]));
}

#[test]
fn one_list_is_enough_where_the_card_has_no_other_and_none_is_not() {
    let (driver, source, [card, _]) = two_cards();
    driver.edit(|state| {
        state.cards[0].listed =
            vec![Listed { list: ProcessList::Compute, pid: 7, bytes: Some(GIB) }];
        state.cards[0].faults.graphics_says = Some(codes::NOT_SUPPORTED);
    });
    assert_eq!(source.processes(&card), Ok(vec![ProcessMemory::new(7, Some(GIB))]));
    driver.edit(|state| state.cards[0].faults.compute_says = Some(codes::NOT_SUPPORTED));
    assert_eq!(source.processes(&card), Err(SourceError::NotSupported));
}

#[test]
fn half_of_the_processes_are_not_told() {
    let (driver, source, [card, _]) = two_cards();
    driver.edit(|state| state.cards[0].faults.graphics_says = Some(codes::NO_PERMISSION));
    assert!(matches!(source.processes(&card), Err(SourceError::Failed { .. })));
}

#[test]
fn a_driver_too_old_for_the_lists_cannot_tell_processes() {
    let old = FakeDriver::with_cards(&[24 * GIB, 8 * GIB])
        .without_function("nvmlDeviceGetComputeRunningProcesses_v3")
        .without_function("nvmlDeviceGetGraphicsRunningProcesses_v3");
    let (_driver, source, [card, _]) = opened(old);
    assert_eq!(source.processes(&card), Err(SourceError::NotSupported));
}
