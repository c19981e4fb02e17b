//! Files that keep every line: the log itself and, beside it, its errors alone.
//!
//! Each line is one `write(2)` to a file opened for appending, so that what
//! ends the process takes no line that was written. Full files are renamed,
//! `.1` being the newest old one, and the oldest go. What can't be kept,
//! because a disk is full or fails, is counted and told by a record in the file
//! that lacks it, as soon as that can be written again.
#![cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "the builder that opens them is not written yet")
)]

pub(crate) mod clock;
mod current;
pub(crate) mod disk;
pub(crate) mod error;
mod lock;
mod log_files;
pub(crate) mod notice;
mod rotating;
pub(crate) mod settings;
pub(crate) mod shelf;

pub use error::FileError;
pub use log_files::LogFiles;
pub use rotating::Counts;
pub(crate) use settings::Settings;
pub use settings::{Delivery, OnBusy, Rotation};

#[cfg(feature = "zstd")]
mod compress;
#[cfg(test)]
mod tests;
