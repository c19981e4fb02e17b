//! What this crate tells through `tracing`, and the only place that does: its
//! [events](crate::Event), as they come.

use tracing::{debug, error, info, warn};

use crate::event::EventKind;
use crate::level::Level;

/// One target for the whole crate: directives outlive its modules.
const TARGET: &str = "lyra_gpu";

/// Whoever listens is code of somebody else's: not to be called under a lock.
#[allow(clippy::too_many_lines, reason = "a table: one arm for each kind of event")]
pub(crate) fn told(event: &EventKind) {
    match event {
        EventKind::LevelChanged { device, from, to, used, total } => {
            let (device, from, pressure) = (device.as_str(), from.as_str(), to.as_str());
            let (used_bytes, total_bytes) = (used, total);
            match to {
                Level::Normal => {
                    info!(target: TARGET, device, from, pressure, used_bytes, total_bytes, "pressure is over");
                }
                Level::Warning | Level::Critical => {
                    warn!(target: TARGET, device, from, pressure, used_bytes, total_bytes, "under pressure");
                }
            }
        }
        EventKind::Loading { model, variant, device, bytes } => {
            let device = device.as_str();
            debug!(target: TARGET, model = &**model, variant = &**variant, device, bytes, "loading");
        }
        EventKind::Loaded { model, variant, took } => {
            let took_seconds = took.as_secs_f64();
            info!(target: TARGET, model = &**model, variant = &**variant, took_seconds, "loaded");
        }
        EventKind::LoadFailed { model, variant, is_out_of_memory } => {
            let is_out_of_memory = *is_out_of_memory;
            warn!(target: TARGET, model = &**model, variant = &**variant, is_out_of_memory, "load failed");
        }
        EventKind::Degraded { model, from, to } => {
            warn!(target: TARGET, model = &**model, from = &**from, variant = &**to, "degraded");
        }
        EventKind::EstimateExceeded { model, estimate, observed } => {
            let (estimate_bytes, observed_bytes) = (estimate, observed);
            warn!(target: TARGET, model = &**model, estimate_bytes, observed_bytes, "estimate exceeded");
        }
        EventKind::Unloading { model, bytes, reason } => {
            info!(target: TARGET, model = &**model, bytes, reason = reason.as_str(), "unloading");
        }
        EventKind::Unloaded { model, bytes, took } => {
            let took_seconds = took.as_secs_f64();
            info!(target: TARGET, model = &**model, bytes, took_seconds, "unloaded");
        }
        EventKind::UnloadFailed { model, attempt } => {
            warn!(target: TARGET, model = &**model, attempt, "unload failed");
        }
        EventKind::Killed { model } => {
            warn!(target: TARGET, model = &**model, "killed");
        }
        EventKind::UnloadUnverified { model, missing } => {
            warn!(target: TARGET, model = &**model, missing_bytes = missing, "unload unverified");
        }
        EventKind::Quarantined { model, bytes } => {
            warn!(target: TARGET, model = &**model, bytes, "quarantined");
        }
        EventKind::QuarantineEnded { model, bytes } => {
            info!(target: TARGET, model = &**model, bytes, "quarantine ended");
        }
        EventKind::Exhausted { device } => {
            error!(target: TARGET, device = device.as_str(), "exhausted");
        }
        EventKind::Stale { device } => {
            warn!(target: TARGET, device = device.as_str(), "device does not answer");
        }
        EventKind::Lost { device } => {
            error!(target: TARGET, device = device.as_str(), "device lost");
        }
        EventKind::Back { device } => {
            info!(target: TARGET, device = device.as_str(), "device is back");
        }
    }
}
