//! The first form of a memory reading, for drivers that do not know the
//! second one.
#![allow(
    unsafe_code,
    reason = "the wrapper calls the second form alone, so this one is called by its raw handle"
)]

use std::mem::MaybeUninit;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};

use crate::source::MemoryReading;

pub(super) fn read(device: &Device<'_>) -> Result<MemoryReading, NvmlError> {
    let function = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = MaybeUninit::zeroed();
    // SAFETY: the handle and the function belong to the library that the
    // device borrows, so both are valid here; the function writes one struct
    // of the type that its signature names, and there is room for that.
    nvml_try(unsafe { function(device.handle(), memory.as_mut_ptr()) })?;
    // SAFETY: it is three numbers, for which zeros are a value, and the
    // function has written them besides.
    let memory = unsafe { memory.assume_init() };
    Ok(MemoryReading::new(memory.total, memory.free).with_driver_figures(memory.used, None))
}
