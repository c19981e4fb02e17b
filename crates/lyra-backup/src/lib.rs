#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!("lyra-backup relies on openat2 and renameat2 and so runs on Linux only");

mod archive;
mod beneath;
mod clock;
mod create;
mod diff;
mod durable;
mod error;
mod events;
mod format;
mod global;
mod list;
mod lock;
mod manager;
mod mounts;
mod name;
mod partial;
mod progress;
mod prune;
mod publish;
mod report;
mod restore;
mod retention;
mod sidecar;
mod source_file;
mod sqlite;
mod stage;
mod store_lock;
mod target;
mod validate;
mod walk;

pub use clock::{Clock, ManualClock, SystemClock};
pub use create::{CreateOptions, Verify};
pub use diff::RestoreDiff;
pub use error::{BackupError, CODES};
pub use global::{set_global, try_global};
pub use jiff::{SignedDuration, Timestamp};
pub use list::{BackupInfo, BackupStatus, Listing, UnknownFile};
pub use manager::{BackupManager, BackupManagerBuilder};
pub use progress::{Phase, Progress};
pub use prune::{DryRun, PruneDecision, PruneReport};
pub use publish::{discard_previous_blocking, rollback_blocking};
pub use report::{CreateReport, DatabaseNote, SkipReason, Skipped};
pub use restore::{Restore, RestoreFrom, RestorePlan, RestoreReport};
pub use retention::{KeepReason, Outcome, Retention};
pub use validate::ValidationReport;
