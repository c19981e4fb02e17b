//! A reading of a card's memory, in whichever form its driver knows.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::v1;
use crate::source::{DeviceId, MemoryReading};

/// Reads by the second form, which tells what the driver keeps for itself;
/// where that is refused, by the first one, and from then on by that alone.
pub(super) fn read(
    device: &Device<'_>,
    id: &DeviceId,
    on_v1: &Mutex<HashSet<DeviceId>>,
) -> Result<MemoryReading, NvmlError> {
    let on_v1 = || on_v1.lock().unwrap_or_else(PoisonError::into_inner);
    if on_v1().contains(id) {
        // Should it fail, the next reading asks anew which form there is.
        return v1::read(device).inspect_err(|_| {
            on_v1().remove(id);
        });
    }
    let refused = match device.memory_info() {
        Ok(info) => {
            return Ok(MemoryReading::new(info.total, info.free)
                .with_driver_figures(info.used, Some(info.reserved)));
        }
        Err(error) if is_refusal(&error) => error,
        Err(error) => return Err(error),
    };
    match v1::read(device) {
        Ok(reading) => {
            on_v1().insert(id.clone());
            Ok(reading)
        }
        // With neither form there is nothing to add to the first answer.
        Err(NvmlError::FailedToLoadSymbol(_)) => Err(refused),
        Err(error) => Err(error),
    }
}

/// Whether a driver does not know the second form: it came with R510, and what
/// drivers say to it who do not know it, or not its version, differs.
fn is_refusal(error: &NvmlError) -> bool {
    /// `NVML_ERROR_ARGUMENT_VERSION_MISMATCH`, which the wrapper has no name
    /// for.
    const VERSION_MISMATCH: u32 = 25;
    matches!(
        error,
        NvmlError::FailedToLoadSymbol(_)
            | NvmlError::FunctionNotFound
            | NvmlError::NotSupported
            | NvmlError::InvalidArg
            | NvmlError::UnexpectedVariant(VERSION_MISMATCH)
            // Under WSL.
            | NvmlError::Unknown
    )
}
