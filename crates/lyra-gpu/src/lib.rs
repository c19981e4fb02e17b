#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bytes;
mod codes;
mod combined;
mod cpu;
mod detect;
mod error;
mod event;
mod events;
mod global;
mod level;
mod load;
mod manager;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod nvml;
mod plan;
mod policy;
mod scheduler;
mod sim;
mod snapshot;
mod source;
mod status;
#[cfg(not(feature = "metrics"))]
mod uncounted;
mod verdict;

pub use bytes::{GIB, MIB};
pub use codes::CODES;
pub use combined::CombinedSource;
pub use cpu::CpuSource;
pub use detect::{Detected, detect};
pub use error::GpuError;
pub use event::{Event, EventKind, UnloadReason};
pub use global::{global, set_global};
pub use level::Level;
pub use load::{Grant, LoadError, Loaded, UnloadError, Unloader, Unloading};
pub use manager::{GpuManager, GpuManagerBuilder, ModelHandle, Monitor, Reservation};
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
pub use model::{Candidate, ModelSpec};
pub use nvml::NvmlSource;
pub use policy::{Degrade, Policy};
pub use scheduler::Counts;
pub use sim::{SimMemory, SimOutOfMemory, SimSource};
pub use snapshot::Snapshot;
pub use source::{
    DeviceId, DeviceInfo, DeviceKind, DeviceSource, MemoryReading, ProcessMemory, SourceError,
};
pub use status::{DeviceHealth, DeviceStatus, ModelState, ModelStatus, Status};
pub use verdict::LoadVerdict;
