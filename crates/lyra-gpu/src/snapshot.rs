use std::time::Duration;

use crate::level::Level;

/// How a device stood at a moment; sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// When, counted from the start of the manager.
    pub at: Duration,
    /// When, since the beginning of 1970.
    pub unix: Duration,
    /// All there is, or the budget if that is less.
    pub total: u64,
    /// All that is not free, whoever has it.
    pub used: u64,
    /// What is left of the total.
    pub free: u64,
    /// What the driver keeps for itself, if it tells that.
    pub reserved: Option<u64>,
    /// The level after it.
    pub level: Level,
}

impl Snapshot {
    /// How much of the total is used, in percent.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a percentage needs no more digits")]
    pub fn utilization_percent(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.used as f64 * 100.0 / total as f64,
        }
    }
}
