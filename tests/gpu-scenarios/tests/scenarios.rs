//! All scenarios on a card that is not there.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::process::Command;

use lyra_fake_nvml::{FakeDriver, codes};
use serde_json::Value;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A card with a desktop on it, which takes a moment to give memory back.
fn card() -> FakeDriver {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    driver.edit(|state| {
        let card = &mut state.cards[0];
        (card.reserved, card.stranger, card.context_bytes) = (400 * MIB, 150 * MIB, 300 * MIB);
        card.faults.free_lag_ms = 100;
    });
    driver
}

/// The lines, and how the program ended.
#[allow(clippy::print_stderr, reason = "a test that fails shows all figures")]
fn played(driver: &FakeDriver, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let library = driver.library();
    let mut program = Command::new(env!("CARGO_BIN_EXE_gpuscn"));
    program.arg("--nvml").arg(&library).arg("--cuda").arg(&library).args(arguments);
    let output = program.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    (lines, output.status.code())
}

#[test]
fn all_scenarios_are_as_they_have_to_be() {
    let (lines, code) = played(&card(), &[]);
    let verdicts: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["scenario"].as_str().unwrap(), line["verdict"].as_str().unwrap()))
        .collect();
    let names = ["S0", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "control", "S9", "all"];
    assert_eq!(verdicts, names.map(|name| (name, "ok")));
    assert_eq!(code, Some(0));
}

#[test]
fn of_sixteen_loaders_at_once_none_brings_the_card_above_the_cap() {
    let driver = card();
    let (lines, code) = played(&driver, &["--only", "S3"]);
    assert_eq!(code, Some(0), "{lines:#?}");
    // By the driver's own trace, which misses nothing.
    let peak = driver.edit(|state| state.cards[0].peak);
    assert!(peak > 24 * GIB / 100 * 60 && peak <= 24 * GIB / 100 * 85, "{peak}");
}

#[test]
fn where_the_driver_lists_no_processes_the_memory_alone_will_do() {
    // As in many containers.
    let driver = card();
    driver.edit(|state| {
        let faults = &mut state.cards[0].faults;
        faults.compute_says = Some(codes::NO_PERMISSION);
        faults.graphics_says = Some(codes::NO_PERMISSION);
    });
    let (lines, code) = played(&driver, &["--only", "S1,S3,S4,S6,S9"]);
    assert_eq!(code, Some(0), "{lines:#?}");
}

#[test]
fn with_a_budget_no_more_than_that_is_taken() {
    let driver = card();
    let (lines, code) = played(&driver, &["--only", "S1", "--budget", "8589934592"]);
    assert_eq!(code, Some(0), "{lines:#?}");
    let peak = driver.edit(|state| state.cards[0].peak);
    assert!(peak <= 8 * GIB / 100 * 90, "{peak}");
}

#[test]
fn without_a_card_it_says_why_and_is_skipped() {
    let driver = card();
    driver.edit(|state| state.unload());
    let (lines, code) = played(&driver, &[]);
    assert_eq!((lines[0]["verdict"].as_str(), code), (Some("skipped"), Some(77)));
    assert!(lines[0]["reason"].as_str().unwrap().contains("nvmlInit_v2"));
}
