#![doc = include_str!("../README.md")]
#![allow(unsafe_code, reason = "functions that C calls take raw pointers")]

pub mod codes;
mod cuda;
mod driver;
mod nvml;
mod process;
mod state;
mod store;

pub use driver::{FakeDriver, library_path};
pub use state::{Card, Faults, Listed, ProcessList, Returning, State, Tenant};
pub use store::STATE_VARIABLE;
