//! Processes share the cards of one state, and what one has comes back when it
//! dies.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
#![allow(unsafe_code, reason = "the functions are called as a program in C would")]

use std::ffi::c_void;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::ptr::null_mut;

use lyra_fake_nvml::{FakeDriver, STATE_VARIABLE};

const MIB: u64 = 1 << 20;

unsafe extern "C" {
    fn cuInit(flags: u32) -> u32;
    fn cuDeviceGet(to: *mut i32, ordinal: i32) -> u32;
    fn cuDevicePrimaryCtxRetain(to: *mut *mut c_void, device: i32) -> u32;
    fn cuDevicePrimaryCtxRelease_v2(device: i32) -> u32;
    fn cuCtxSetCurrent(context: *mut c_void) -> u32;
    fn cuMemAlloc_v2(to: *mut u64, bytes: usize) -> u32;
    fn cuMemFree_v2(block: u64) -> u32;
    fn cuMemsetD8_v2(to: u64, value: u8, count: usize) -> u32;
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> u32;
}

/// A process that holds so much, until its input ends or it is killed.
fn holder(driver: &FakeDriver, mib: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_memory_in_a_process_of_its_own", "--nocapture"])
        .env(STATE_VARIABLE, driver.state_path())
        .env("HOLD_MIB", mib.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("holding")));
    child
}

fn free(driver: &FakeDriver) -> u64 {
    driver.edit(|state| state.cards[0].free()) / MIB
}

/// What the other tests run in processes of their own; by itself it does
/// nothing.
#[test]
fn holds_memory_in_a_process_of_its_own() {
    let Ok(mib) = std::env::var("HOLD_MIB") else { return };
    let bytes = mib.parse::<usize>().unwrap() << 20;
    let (mut device, mut context, mut block) = (0, null_mut(), 0);
    let (mut left, mut total) = (0, 0);
    // SAFETY: every pointer is to a variable above.
    unsafe {
        assert_eq!(cuInit(0), 0);
        assert_eq!(cuDeviceGet(&mut device, 0), 0);
        assert_eq!(cuDevicePrimaryCtxRetain(&mut context, device), 0);
        assert_eq!(cuCtxSetCurrent(context), 0);
        assert_eq!(cuMemAlloc_v2(&mut block, bytes), 0);
        assert_eq!(cuMemsetD8_v2(block, 1, bytes), 0);
        assert_eq!(cuMemsetD8_v2(block, 1, bytes + 1), 1, "beyond its end");
        assert_eq!(cuMemGetInfo_v2(&mut left, &mut total), 0);
        let mut more = 0;
        assert_eq!(cuMemAlloc_v2(&mut more, left + 1), 2, "out of memory");
    }
    println!("holding");
    let _ = std::io::stdin().read(&mut [0]);
    // SAFETY: no pointer is passed.
    unsafe {
        assert_eq!(cuMemFree_v2(block), 0);
        assert_eq!(cuMemFree_v2(block), 1, "it is no longer there");
        assert_eq!(cuDevicePrimaryCtxRelease_v2(device), 0);
    }
}

#[test]
fn what_two_processes_have_is_gone_for_both_and_comes_back() {
    let driver = FakeDriver::with_cards(&[1000 * MIB]);
    driver.edit(|state| state.cards[0].context_bytes = 10 * MIB);
    let mut first = holder(&driver, 300);
    assert_eq!(free(&driver), 690);
    let mut second = holder(&driver, 400);
    assert_eq!(free(&driver), 280);

    first.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(free(&driver), 590);

    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(free(&driver), 1000, "a killed process gives all of it back");
}

#[test]
fn what_a_process_frees_comes_back_when_the_card_lets_it() {
    let driver = FakeDriver::with_cards(&[1000 * MIB]);
    driver.edit(|state| state.cards[0].faults.keeps_percent = 25);
    let mut child = holder(&driver, 400);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(free(&driver), 900);
    driver.edit(|state| state.cards[0].stuck = 0);
    assert_eq!(free(&driver), 1000);
}

#[test]
fn two_cards_have_memory_of_their_own() {
    let driver = FakeDriver::with_cards(&[1000 * MIB, 500 * MIB]);
    let mut child = holder(&driver, 400);
    assert_eq!(driver.edit(|state| state.cards[1].free()), 500 * MIB);
    child.kill().unwrap();
    child.wait().unwrap();
}
