//! What there is on this machine.

use std::sync::Arc;

use crate::combined::CombinedSource;
use crate::cpu::CpuSource;
use crate::nvml::NvmlSource;
use crate::source::{DeviceSource, SourceError};

/// What was found on a machine.
#[derive(Debug)]
#[non_exhaustive]
pub struct Detected {
    /// All devices: the cards, if there are any, and the processor.
    pub source: CombinedSource,
    /// Why there is no card among them; none if there is one.
    pub no_gpu: Option<SourceError>,
}

/// Looks for cards with an NVIDIA driver, beside the processor that is always
/// there. It never fails: where there is no card, or no driver, the processor
/// is all there is, and [`no_gpu`](Detected::no_gpu) says why.
///
/// It may block for as long as a driver takes to wake up.
#[must_use]
pub fn detect() -> Detected {
    Detected::from_parts(NvmlSource::open(), CpuSource::new())
}

impl Detected {
    /// The same from what was opened otherwise, such as a library that lies
    /// where the system does not look.
    #[must_use]
    pub fn from_parts(nvml: Result<NvmlSource, SourceError>, cpu: CpuSource) -> Self {
        let mut sources: Vec<Arc<dyn DeviceSource>> = Vec::new();
        let no_gpu = match nvml {
            Ok(nvml) => {
                let no_gpu = why_empty(&nvml);
                // Also where it shows no card now: one may come back.
                sources.push(Arc::new(nvml));
                no_gpu
            }
            Err(error) => Some(error),
        };
        sources.push(Arc::new(cpu));
        Self { source: CombinedSource::new(sources), no_gpu }
    }
}

fn why_empty(nvml: &NvmlSource) -> Option<SourceError> {
    match nvml.devices() {
        Ok(devices) if devices.is_empty() => {
            Some(SourceError::Absent { reason: "the driver knows of no card".to_owned() })
        }
        Ok(_) => None,
        Err(error) => Some(error),
    }
}
