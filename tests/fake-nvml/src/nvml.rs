//! NVML, as far as a reading of the memory needs it.
#![allow(non_snake_case, reason = "the names are NVML's")]

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::codes::{
    DRIVER_NOT_LOADED, FUNCTION_NOT_FOUND, GPU_IS_LOST, INSUFFICIENT_SIZE, INVALID_ARGUMENT,
    NOT_FOUND, SUCCESS, UNINITIALIZED,
};
use crate::state::{Card, ProcessList, State};
use crate::store;

/// A card, by its place from one on: none is null.
type Device = *mut c_void;

/// What a call comes to: an error is the number of [`codes`](crate::codes).
type Answer<T> = Result<T, u32>;

#[repr(C)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

#[repr(C)]
struct MemoryV2 {
    version: u32,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

#[repr(C)]
struct Pci {
    bus_id_legacy: [c_char; 16],
    domain: u32,
    bus: u32,
    device: u32,
    device_id: u32,
    subsystem_id: u32,
    bus_id: [c_char; 32],
}

#[repr(C)]
struct Process {
    pid: u32,
    used: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

/// What a version of a struct is told by: its size, and its number above.
const MEMORY_V2: usize = size_of::<MemoryV2>() | 2 << 24;

/// How often this process began without ending, and with which driver.
static BEGUN: Mutex<(u32, u64)> = Mutex::new((0, 0));

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> u32 {
    store::with(|state| {
        if !state.is_loaded {
            return DRIVER_NOT_LOADED;
        }
        let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
        let times = if begun.1 == state.unloads { begun.0 } else { 0 };
        *begun = (times + 1, state.unloads);
        SUCCESS
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> u32 {
    let ended = store::with(|state| begun(state)).map(|()| {
        BEGUN.lock().unwrap_or_else(PoisonError::into_inner).0 -= 1;
    });
    code(ended)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(code: u32) -> *const c_char {
    let words: &CStr = match code {
        SUCCESS => c"Success",
        UNINITIALIZED => c"Uninitialized",
        DRIVER_NOT_LOADED => c"Driver Not Loaded",
        GPU_IS_LOST => c"GPU is lost",
        _ => c"Unknown Error",
    };
    words.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, room: u32) -> u32 {
    let version = store::with(|state| begun(state).map(|()| state.driver_version.clone()));
    // SAFETY: NVML's contract: the caller's buffer has this much room.
    code(version.and_then(|version| unsafe { put_text(to, room, &version) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(to: *mut u32) -> u32 {
    let count = store::with(|state| begun(state).map(|()| number(state.cards.len())));
    // SAFETY: NVML's contract: what is not null can be written.
    code(count.and_then(|count| unsafe { put(to, count) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: u32, to: *mut Device) -> u32 {
    let found = store::with(|state| {
        begun(state)?;
        state.cards.get(index as usize).ok_or(INVALID_ARGUMENT).and_then(present)
    });
    // SAFETY: NVML's contract: what is not null can be written.
    code(found.and_then(|_| unsafe { put(to, handle(index as usize)) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, to: *mut Device) -> u32 {
    if uuid.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: NVML's contract: what is not null ends with a zero.
    let uuid = unsafe { CStr::from_ptr(uuid) }.to_string_lossy();
    let found = store::with(|state| {
        begun(state)?;
        state.lookup_says.map_or(Ok(()), Err)?;
        let at = state.cards.iter().position(|card| card.uuid == uuid).ok_or(NOT_FOUND)?;
        present(&state.cards[at]).map(|()| at)
    });
    // SAFETY: NVML's contract: what is not null can be written.
    code(found.and_then(|at| unsafe { put(to, handle(at)) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: Device, to: *mut u32) -> u32 {
    let index = on_card(device, |_| Ok(number(device as usize - 1)));
    // SAFETY: NVML's contract: what is not null can be written.
    code(index.and_then(|index| unsafe { put(to, index) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: Device, to: *mut c_char, room: u32) -> u32 {
    let uuid = on_card(device, |card| Ok(card.uuid.clone()));
    // SAFETY: NVML's contract: the caller's buffer has this much room.
    code(uuid.and_then(|uuid| unsafe { put_text(to, room, &uuid) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: Device, to: *mut c_char, room: u32) -> u32 {
    let name = on_card(device, |card| Ok(card.name.clone()));
    // SAFETY: NVML's contract: the caller's buffer has this much room.
    code(name.and_then(|name| unsafe { put_text(to, room, &name) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: Device, to: *mut Pci) -> u32 {
    let address = on_card(device, |card| Ok(card.pci_bus_id.clone()));
    let info = address.map(|address| Pci {
        bus_id_legacy: [0; 16],
        domain: 0,
        bus: number(device as usize),
        device: 0,
        device_id: 0,
        subsystem_id: 0,
        bus_id: chars(&address),
    });
    // SAFETY: NVML's contract: what is not null can be written.
    code(info.and_then(|info| unsafe { put(to, info) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: Device, to: *mut Memory) -> u32 {
    let memory = on_card(device, |card| {
        card.faults.memory_v1_says.map_or(Ok(()), Err)?;
        let free = card.free();
        Ok(Memory { total: card.total, free, used: card.total - free })
    });
    // SAFETY: NVML's contract: what is not null can be written.
    code(memory.and_then(|memory| unsafe { put(to, memory) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Device, to: *mut MemoryV2) -> u32 {
    if to.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: NVML's contract: what is not null can be read and written, and
    // the version is set.
    let version = unsafe { (*to).version };
    if version as usize != MEMORY_V2 {
        return FUNCTION_NOT_FOUND;
    }
    let memory = on_card(device, |card| {
        card.faults.memory_v2_says.map_or(Ok(()), Err)?;
        let (total, free, reserved) = (card.total, card.free(), card.reserved);
        let used = (total - free).saturating_sub(reserved);
        Ok(MemoryV2 { version, total, reserved, free, used })
    });
    // SAFETY: as above.
    code(memory.and_then(|memory| unsafe { put(to, memory) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Device,
    count: *mut u32,
    to: *mut Process,
) -> u32 {
    let lines = on_card(device, |card| {
        card.faults.compute_says.map_or(Ok(card.list(ProcessList::Compute)), Err)
    });
    // SAFETY: NVML's contract: there is room for as many as are counted.
    code(lines.and_then(|lines| unsafe { put_list(count, to, &lines) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Device,
    count: *mut u32,
    to: *mut Process,
) -> u32 {
    let lines = on_card(device, |card| {
        card.faults.graphics_says.map_or(Ok(card.list(ProcessList::Graphics)), Err)
    });
    // SAFETY: NVML's contract: there is room for as many as are counted.
    code(lines.and_then(|lines| unsafe { put_list(count, to, &lines) }))
}

/// Whether this process began, with the driver that is there now.
fn begun(state: &State) -> Answer<()> {
    let begun = *BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_begun = state.is_loaded && begun.0 > 0 && begun.1 == state.unloads;
    is_begun.then_some(()).ok_or(UNINITIALIZED)
}

fn present(card: &Card) -> Answer<()> {
    if card.faults.is_lost { Err(GPU_IS_LOST) } else { Ok(()) }
}

/// Asks a card, after as long as it takes.
fn on_card<T>(device: Device, call: impl FnOnce(&Card) -> Answer<T>) -> Answer<T> {
    let index = (device as usize).checked_sub(1).ok_or(INVALID_ARGUMENT)?;
    let card = |state: &State| {
        begun(state)?;
        state.cards.get(index).cloned().ok_or(INVALID_ARGUMENT)
    };
    let mut found = store::with(|state| card(state))?;
    // Nobody else's call waits for this one: the state is free meanwhile.
    if found.faults.latency_ms > 0 {
        thread::sleep(Duration::from_millis(found.faults.latency_ms)); // tidy: sleep - the driver is slow, which is what a test asked for
        found = store::with(|state| card(state))?;
    }
    while found.faults.hangs {
        thread::sleep(Duration::from_millis(2)); // tidy: sleep - the driver hangs until another process lets it go
        found = store::with(|state| card(state))?;
    }
    present(&found)?;
    call(&found)
}

fn handle(index: usize) -> Device {
    std::ptr::without_provenance_mut(index + 1)
}

fn code(answer: Answer<()>) -> u32 {
    answer.err().unwrap_or(SUCCESS)
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// As many as fit, the last of them zero.
fn chars<const N: usize>(text: &str) -> [c_char; N] {
    let mut chars = [0; N];
    for (to, byte) in chars[..N - 1].iter_mut().zip(text.bytes()) {
        *to = byte.cast_signed() as c_char;
    }
    chars
}

/// # Safety
///
/// What is not null can be written.
unsafe fn put<T>(to: *mut T, value: T) -> Answer<()> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by the contract of this function.
    unsafe { to.write(value) };
    Ok(())
}

/// # Safety
///
/// What is not null has this much room.
unsafe fn put_text(to: *mut c_char, room: u32, text: &str) -> Answer<()> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if text.len() >= room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    // SAFETY: by the contract of this function, and there is room for the
    // text and its zero.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
        to.add(text.len()).write(0);
    }
    Ok(())
}

/// # Safety
///
/// What is not null has room for as many lines as the count says.
unsafe fn put_list(count: *mut u32, to: *mut Process, lines: &[(u32, Option<u64>)]) -> Answer<()> {
    const NO_INSTANCE: u32 = u32::MAX;
    if count.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by the contract of this function.
    let room = unsafe { count.replace(number(lines.len())) };
    if lines.len() > room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, (pid, bytes)) in lines.iter().enumerate() {
        let used = bytes.unwrap_or(u64::MAX);
        let line =
            Process { pid: *pid, used, gpu_instance: NO_INSTANCE, compute_instance: NO_INSTANCE };
        // SAFETY: as above, and there is room for this one.
        unsafe { put(to.wrapping_add(at), line)? };
    }
    Ok(())
}
