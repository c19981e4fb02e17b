//! What NVML answers, by number.

/// It is done.
pub const SUCCESS: u32 = 0;
/// Nobody has begun, or the driver was loaded anew since.
pub const UNINITIALIZED: u32 = 1;
/// An argument makes no sense.
pub const INVALID_ARGUMENT: u32 = 2;
/// The card cannot do this.
pub const NOT_SUPPORTED: u32 = 3;
/// The caller may not do this.
pub const NO_PERMISSION: u32 = 4;
/// There is no such thing.
pub const NOT_FOUND: u32 = 6;
/// The caller's buffer is too small.
pub const INSUFFICIENT_SIZE: u32 = 7;
/// The driver is not loaded.
pub const DRIVER_NOT_LOADED: u32 = 9;
/// The driver has no such function; also what some say to a version of a
/// struct that they do not know.
pub const FUNCTION_NOT_FOUND: u32 = 13;
/// The card has fallen off the bus.
pub const GPU_IS_LOST: u32 = 15;
/// A version of a struct is not known.
pub const ARGUMENT_VERSION_MISMATCH: u32 = 25;
/// Something inside the driver.
pub const UNKNOWN: u32 = 999;
