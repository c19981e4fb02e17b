//! What locks and pools are made of, in one place, so that a test can put loom's
//! or shuttle's in its place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
pub(crate) use std::thread;
pub(crate) use std::time::Instant;

pub(crate) use crossbeam_utils::atomic::AtomicCell;
pub(crate) use parking_lot::{Mutex, MutexGuard};
