#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod arguments;
pub mod cuda;
pub mod hold;
pub mod nvml;
pub mod report;
pub mod rig;
pub mod runner;
pub mod scenarios;
pub mod trace;
