//! The CUDA driver, as far as taking memory and giving it back needs it.
#![allow(non_snake_case, reason = "the names are CUDA's")]

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process;
use crate::state::{Card, State};
use crate::store::{self, now_ms};

/// A card's context, by its place from one on: none is null.
type Context = *mut c_void;

/// What a call comes to: an error is one of the numbers below.
type Answer<T> = Result<T, u32>;

const SUCCESS: u32 = 0;
const INVALID_VALUE: u32 = 1;
const OUT_OF_MEMORY: u32 = 2;
const NOT_INITIALIZED: u32 = 3;
const DEVICE_UNAVAILABLE: u32 = 46;
const NO_DEVICE: u32 = 100;
const INVALID_DEVICE: u32 = 101;
const INVALID_CONTEXT: u32 = 201;

static BEGUN: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

#[unsafe(no_mangle)]
extern "C" fn cuInit(flags: u32) -> u32 {
    if flags != 0 {
        return INVALID_VALUE;
    }
    let begun = store::with(|state| state.is_loaded && !state.cards.is_empty());
    if !begun {
        return NO_DEVICE;
    }
    BEGUN.store(true, Ordering::Release);
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetCount(to: *mut i32) -> u32 {
    let count = driver(|state| Ok(i32::try_from(state.cards.len()).unwrap_or(i32::MAX)));
    // SAFETY: CUDA's contract: what is not null can be written.
    code(count.and_then(|count| unsafe { put(to, count) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGet(to: *mut i32, ordinal: i32) -> u32 {
    let found = on_card(ordinal, |_, _| Ok(()));
    // SAFETY: CUDA's contract: what is not null can be written.
    code(found.and_then(|()| unsafe { put(to, ordinal) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetUuid(to: *mut [u8; 16], device: i32) -> u32 {
    let uuid = on_card(device, |state, at| Ok(bytes_of(&state.cards[at].uuid)));
    // SAFETY: CUDA's contract: what is not null can be written.
    code(uuid.and_then(|uuid| unsafe { put(to, uuid) }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDevicePrimaryCtxRetain(to: *mut Context, device: i32) -> u32 {
    let context = on_card(device, |state, at| {
        let fits = state.cards[at].retain(process::own());
        fits.then(|| ptr::without_provenance_mut(at + 1)).ok_or(OUT_OF_MEMORY)
    });
    // SAFETY: CUDA's contract: what is not null can be written.
    code(context.and_then(|context| unsafe { put(to, context) }))
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(device: i32) -> u32 {
    code(on_card(device, |state, at| {
        let had = state.cards[at].release(std::process::id(), now_ms());
        had.then_some(()).ok_or(INVALID_CONTEXT)
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease(device: i32) -> u32 {
    cuDevicePrimaryCtxRelease_v2(device)
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: Context) -> u32 {
    CURRENT.set(context as usize);
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAlloc_v2(to: *mut u64, bytes: usize) -> u32 {
    let block = in_context(|state, at| {
        let bytes = bytes as u64;
        if bytes == 0 {
            return Err(INVALID_VALUE);
        }
        if bytes > state.cards[at].free() {
            return Err(OUT_OF_MEMORY);
        }
        let address = state.address(bytes);
        let tenant = state.cards[at].tenant(std::process::id()).ok_or(INVALID_CONTEXT)?;
        tenant.blocks.insert(address, bytes);
        Ok(address)
    });
    // SAFETY: CUDA's contract: what is not null can be written.
    code(block.and_then(|block| unsafe { put(to, block) }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(block: u64) -> u32 {
    let freed = driver(|state| {
        // No address comes twice, so this is the block of one card.
        state
            .cards
            .iter_mut()
            .find_map(|card| {
                let bytes = card.tenant(std::process::id())?.blocks.remove(&block)?;
                card.free_later(bytes, now_ms());
                Some(())
            })
            .ok_or(INVALID_VALUE)
    });
    code(freed)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> u32 {
    let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let found = in_context(|state, at| {
        let card: &Card = &state.cards[at];
        Ok((size(card.free()), size(card.total - card.reserved.min(card.total))))
    });
    // SAFETY: CUDA's contract: what is not null can be written.
    code(found.and_then(|found| unsafe { put(free, found.0).and(put(total, found.1)) }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8_v2(to: u64, _value: u8, count: usize) -> u32 {
    code(in_context(|state, at| {
        let tenant = state.cards[at].tenant(std::process::id()).ok_or(INVALID_CONTEXT)?;
        let block = tenant.blocks.range(..=to).next_back();
        let is_inside = block.is_some_and(|(start, bytes)| to - start + count as u64 <= *bytes);
        is_inside.then_some(()).ok_or(INVALID_VALUE)
    }))
}

/// Does something where the driver is there and this process began.
fn driver<T>(call: impl FnOnce(&mut State) -> Answer<T>) -> Answer<T> {
    if !BEGUN.load(Ordering::Acquire) {
        return Err(NOT_INITIALIZED);
    }
    store::with(|state| if state.is_loaded { call(state) } else { Err(DEVICE_UNAVAILABLE) })
}

fn on_card<T>(device: i32, call: impl FnOnce(&mut State, usize) -> Answer<T>) -> Answer<T> {
    let at = usize::try_from(device).map_err(|_| INVALID_DEVICE)?;
    driver(|state| {
        let card = state.cards.get(at).ok_or(INVALID_DEVICE)?;
        if card.faults.is_lost { Err(DEVICE_UNAVAILABLE) } else { call(state, at) }
    })
}

/// Does something on the card whose context this thread is in.
fn in_context<T>(call: impl FnOnce(&mut State, usize) -> Answer<T>) -> Answer<T> {
    let device = CURRENT.get().checked_sub(1).ok_or(INVALID_CONTEXT)?;
    on_card(i32::try_from(device).map_err(|_| INVALID_CONTEXT)?, call)
}

fn code(answer: Answer<()>) -> u32 {
    answer.err().unwrap_or(SUCCESS)
}

/// # Safety
///
/// What is not null can be written.
unsafe fn put<T>(to: *mut T, value: T) -> Answer<()> {
    if to.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: by the contract of this function.
    unsafe { to.write(value) };
    Ok(())
}

/// The sixteen bytes that a UUID writes out.
fn bytes_of(uuid: &str) -> [u8; 16] {
    let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = digits.get(2 * at..2 * at + 2).unwrap_or("0");
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    bytes
}
