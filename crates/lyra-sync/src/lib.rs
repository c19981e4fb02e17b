#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod async_rw_lock;
mod atomics;
mod codes;
mod error;
mod events;
mod holder;
#[cfg(feature = "metrics")]
mod metrics;
mod name;
mod order;
mod places;
mod pool;
mod semaphore;
#[cfg(not(feature = "metrics"))]
mod series;
mod synchronized;
mod timeout_lock;
mod wake;

pub use async_rw_lock::{
    AsyncRwLock, AsyncRwLockReadGuard, AsyncRwLockStatus, AsyncRwLockUpgradableReadGuard,
    AsyncRwLockWriteGuard,
};
pub use codes::CODES;
pub use error::SyncError;
pub use holder::Holder;
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
pub use name::Name;
#[cfg(feature = "lock-order")]
pub use order::{LockOrderEdge, LockOrderReport, lock_order_reports, on_lock_order_report};
pub use pool::{
    AsyncFnManager, BlockingManager, FnManager, HeldResource, Manager, PoolCounts, PoolError,
    PoolGuard, PoolStatus, PoolUsage, ResourceFate, ResourcePool, ResourcePoolBuilder,
};
pub use semaphore::{Semaphore, SemaphorePermit, SemaphoreStatus};
pub use synchronized::{
    SynchronizedRead, SynchronizedWrite, synchronized, synchronized_read, synchronized_read_with,
    synchronized_with, synchronized_write, synchronized_write_with,
};
pub use timeout_lock::{TimeoutLock, TimeoutLockGuard};

// By one name for those who have something to count, on or off.
#[cfg(feature = "metrics")]
use metrics as series;
