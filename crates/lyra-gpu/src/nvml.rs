//! Cards with an NVIDIA driver, as its library NVML tells of them.

mod memory;
mod processes;
mod v1;

use std::collections::HashSet;
use std::ffi::OsString;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::source::{
    DeviceId, DeviceInfo, DeviceKind, DeviceSource, MemoryReading, ProcessMemory, SourceError,
};

/// The cards that an NVIDIA driver knows.
///
/// Cards are named by their UUID. A card that is divided (MIG) is one device
/// here, with the memory of all its parts.
///
/// A driver that was loaded anew is noticed by the next call, which begins
/// again. A lost card is [`SourceError::Lost`] to its own calls and nothing to
/// those of others.
#[derive(Debug)]
pub struct NvmlSource {
    /// What to load; the system's own where nothing is named.
    library: Option<OsString>,
    /// The library in use; none while it could not be opened again.
    nvml: Mutex<Option<Arc<Nvml>>>,
    /// Those that answer only to the first form of a reading.
    on_v1: Mutex<HashSet<DeviceId>>,
}

impl NvmlSource {
    /// Loads the library of the system, `libnvidia-ml.so.1` or `nvml.dll`,
    /// and begins. It may block for as long as the driver takes to wake up.
    ///
    /// # Errors
    ///
    /// [`SourceError::Absent`] where there is no such library, or no driver
    /// that it belongs to; [`SourceError::Failed`] where the driver is there
    /// and refuses.
    pub fn open() -> Result<Self, SourceError> {
        Self::load(None)
    }

    /// The same with another library, for one that lies where the system does
    /// not look.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_at(library: impl AsRef<Path>) -> Result<Self, SourceError> {
        Self::load(Some(library.as_ref().into()))
    }

    fn load(library: Option<OsString>) -> Result<Self, SourceError> {
        let source = Self { library, nvml: Mutex::default(), on_v1: Mutex::default() };
        source.begin(&mut source.slot()).map_err(|error| absent_or(&error))?;
        Ok(source)
    }

    /// Calls the driver, and once more if it was loaded anew meanwhile.
    fn call<T>(&self, call: impl Fn(&Nvml) -> Result<T, NvmlError>) -> Result<T, SourceError> {
        let nvml = self.nvml()?;
        match call(&nvml) {
            Err(NvmlError::Uninitialized) => {}
            outcome => return outcome.map_err(|error| told(&error)),
        }
        self.forget(nvml);
        call(&*self.nvml()?).map_err(|error| told(&error))
    }

    /// The library, opened again if need be. It is borrowed for no longer than
    /// that: a call that hangs keeps no other one waiting.
    fn nvml(&self) -> Result<Arc<Nvml>, SourceError> {
        let mut slot = self.slot();
        match &*slot {
            Some(nvml) => Ok(Arc::clone(nvml)),
            None => self.begin(&mut slot).map_err(|error| absent_or(&error)),
        }
    }

    fn begin(&self, slot: &mut Option<Arc<Nvml>>) -> Result<Arc<Nvml>, NvmlError> {
        let nvml = match &self.library {
            Some(library) => Nvml::builder().lib_path(library).init()?,
            None => Nvml::init()?,
        };
        Ok(Arc::clone(slot.insert(Arc::new(nvml))))
    }

    /// Lets a library go that no longer answers, unless another call already
    /// did. It ends before the next one begins: NVML counts, and a late end
    /// would take the new beginning back. Calls that still run with it would
    /// end it late, so with those it is never ended.
    fn forget(&self, dead: Arc<Nvml>) {
        let mut slot = self.slot();
        if slot.take_if(|nvml| Arc::ptr_eq(nvml, &dead)).is_some() && Arc::strong_count(&dead) > 1 {
            mem::forget(dead);
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Nvml>>> {
        self.nvml.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeviceSource for NvmlSource {
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        self.call(devices)
    }

    fn memory(&self, device: &DeviceId) -> Result<MemoryReading, SourceError> {
        let reading = self.call(|nvml| memory::read(&find(nvml, device)?, device, &self.on_v1))?;
        // Where card and machine share one memory, some drivers say nothing
        // by zeros.
        if reading.total == 0 { Err(SourceError::NotSupported) } else { Ok(reading) }
    }

    fn processes(&self, device: &DeviceId) -> Result<Vec<ProcessMemory>, SourceError> {
        self.call(|nvml| processes::list(&find(nvml, device)?))
    }
}

/// All cards that can be named; the error only where there is nothing else to
/// tell.
fn devices(nvml: &Nvml) -> Result<Vec<DeviceInfo>, NvmlError> {
    let mut found = Vec::new();
    let mut failure = None;
    for index in 0..nvml.device_count()? {
        // The parts of a divided card would be listed here, each as a device
        // of its own: `mig_device_count`, `mig_device_by_index`.
        match nvml.device_by_index(index).and_then(|device| describe(&device, index)) {
            Ok(device) => found.push(device),
            Err(NvmlError::Uninitialized) => return Err(NvmlError::Uninitialized),
            // A lost card, or one of another container, hides no other one.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

fn describe(device: &Device<'_>, index: u32) -> Result<DeviceInfo, NvmlError> {
    let id = device.uuid()?;
    let name = device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned());
    let info = DeviceInfo::new(id, index, name, DeviceKind::Gpu);
    Ok(match device.pci_info() {
        Ok(pci) => info.with_pci_bus_id(pci.bus_id),
        Err(_) => info,
    })
}

/// The card, looked up anew for every call: what the driver handed out before
/// a card was lost or the driver loaded anew, must not be used after it.
fn find<'a>(nvml: &'a Nvml, id: &DeviceId) -> Result<Device<'a>, NvmlError> {
    let error = match nvml.device_by_uuid(id.as_str()) {
        Err(error) if !matches!(error, NvmlError::Uninitialized) => error,
        outcome => return outcome,
    };
    // The driver may wake other cards as it searches, and then fails for the
    // sake of one of those.
    (0..nvml.device_count()?)
        .filter_map(|index| nvml.device_by_index(index).ok())
        .find(|device| device.uuid().is_ok_and(|uuid| uuid == id.as_str()))
        .ok_or(match error {
            // No such UUID: a card that was there and is no longer.
            NvmlError::NotFound | NvmlError::InvalidArg => NvmlError::GpuLost,
            error => error,
        })
}

/// What a failed call means.
fn told(error: &NvmlError) -> SourceError {
    match error {
        NvmlError::GpuLost | NvmlError::ResetRequired => SourceError::Lost,
        NvmlError::NotSupported | NvmlError::FunctionNotFound => SourceError::NotSupported,
        NvmlError::FailedToLoadSymbol(_) => SourceError::NotSupported,
        NvmlError::Timeout => SourceError::TimedOut,
        error => SourceError::Failed { reason: error.to_string() },
    }
}

/// What a failed beginning means.
fn absent_or(error: &NvmlError) -> SourceError {
    match error {
        NvmlError::LibloadingError(_)
        // A library of that name which is something else.
        | NvmlError::FailedToLoadSymbol(_)
        | NvmlError::LibraryNotFound
        | NvmlError::DriverNotLoaded => SourceError::Absent { reason: error.to_string() },
        error => told(error),
    }
}
