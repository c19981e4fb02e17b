//! The promises of the files, each with a test that can fail.

#[cfg(feature = "zstd")]
mod compressing;
mod crowd;
mod faults;
mod kill;
mod opening;
mod place;
// One recorder for the tests of all crates that count.
#[cfg(feature = "metrics")]
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../../../lyra-retry/tests/support/recorder.rs"]
mod recorder;
mod rotation;
mod surprises;
