//! Which processes have memory on a card.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use crate::source::ProcessMemory;

/// Those that compute and those that draw, each once.
pub(super) fn list(device: &Device<'_>) -> Result<Vec<ProcessMemory>, NvmlError> {
    let compute = known(again(|| device.running_compute_processes()))?;
    let graphics = known(again(|| device.running_graphics_processes()))?;
    if compute.is_none() && graphics.is_none() {
        return Err(NvmlError::NotSupported);
    }
    let lines = compute.iter().chain(&graphics).flatten().map(read);
    Ok(merged(lines))
}

/// A list grows between the call that asks how long it is and the call that
/// fills it; the wrapper leaves room for five more.
fn again<T>(list: impl Fn() -> Result<T, NvmlError>) -> Result<T, NvmlError> {
    match list() {
        Err(NvmlError::InsufficientSize(_)) => list(),
        outcome => outcome,
    }
}

/// A list that the driver does not have is none; one that it does not tell now
/// is an error, because half of the evidence would mislead.
fn known<T>(list: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match list {
        Ok(list) => Ok(Some(list)),
        Err(
            NvmlError::NotSupported
            | NvmlError::FunctionNotFound
            | NvmlError::FailedToLoadSymbol(_),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(process: &ProcessInfo) -> (u32, Option<u64>) {
    match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => (process.pid, Some(bytes)),
        UsedGpuMemory::Unavailable => (process.pid, None),
    }
}

/// A process that stands in both lists has the same memory in both, so it is
/// the larger number and never the sum.
fn merged(lines: impl Iterator<Item = (u32, Option<u64>)>) -> Vec<ProcessMemory> {
    let mut merged: BTreeMap<u32, Option<u64>> = BTreeMap::new();
    for (pid, bytes) in lines {
        let known = merged.entry(pid).or_default();
        *known = bytes.max(*known);
    }
    merged.into_iter().map(|(pid, bytes)| ProcessMemory::new(pid, bytes)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_process_in_both_lists_counts_once_with_the_larger_number() {
        let lines = [(7, Some(3)), (8, None), (7, Some(5)), (8, Some(1)), (9, None)];
        let merged = merged(lines.into_iter());
        assert_eq!(
            merged,
            [
                ProcessMemory::new(7, Some(5)),
                ProcessMemory::new(8, Some(1)),
                ProcessMemory::new(9, None)
            ]
        );
    }

    #[test]
    fn a_list_that_grew_meanwhile_is_asked_for_once_more() {
        let calls = Cell::new(0);
        let outcome = again(|| {
            calls.set(calls.get() + 1);
            if calls.get() == 1 { Err(NvmlError::InsufficientSize(None)) } else { Ok(()) }
        });
        outcome.unwrap();
        assert_eq!(calls.get(), 2);
    }
}
