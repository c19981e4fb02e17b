#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use lyra_errors as errors;

#[cfg(feature = "backup")]
pub use lyra_backup as backup;
#[cfg(feature = "gpu")]
pub use lyra_gpu as gpu;
#[cfg(feature = "log")]
pub use lyra_log as log;
#[cfg(feature = "memstore")]
pub use lyra_memstore as memstore;
#[cfg(feature = "ratelimit")]
pub use lyra_ratelimit as ratelimit;
#[cfg(feature = "retry")]
pub use lyra_retry as retry;
#[cfg(feature = "sync")]
pub use lyra_sync as sync;
