//! What the gate of the read-write lock is made of, in one place, so that a
//! test can put loom's in its place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) use parking_lot::{Mutex, MutexGuard};
