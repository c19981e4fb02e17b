//! How a manager stands, as machines are told.

use lyra::backup::Timestamp;
use lyra::gpu::Status;
use serde::Serialize;

/// What the crate tells of itself, and when it was asked.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    status: &'a Status,
    generated_at: Timestamp,
    /// Why there is no GPU.
    no_gpu: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub(super) fn of(status: &'a Status, no_gpu: Option<&'a str>) -> Self {
        let no_gpu = no_gpu.filter(|_| !status.has_gpu);
        Self { status, generated_at: Timestamp::now(), no_gpu }
    }
}
