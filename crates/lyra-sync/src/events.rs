//! What this crate tells through `tracing`, and the only place that does.
//! Whoever listens is code of somebody else's: it is called under no lock of
//! this crate, and a panic of it stays there.

use std::time::Duration;

use lyra_errors::Location;
use tracing::{debug, warn};

use crate::holder::Holder;
use crate::name::Name;
use crate::wake::quietly;

/// One target for the whole crate: directives outlive its modules.
const TARGET: &str = "lyra_sync";

/// Somebody has waited in vain.
pub(crate) fn timed_out(
    kind: &'static str,
    name: &Name,
    waited: Duration,
    holder: Option<&Holder>,
    location: Location,
) {
    quietly(|| {
        warn!(
            target: TARGET,
            kind,
            waited_for = name.as_str(),
            waited_seconds = waited.as_secs_f64(),
            holder = holder.map(tracing::field::display),
            location = %location,
            "timed out"
        );
    });
}

/// A pool has a resource more.
pub(crate) fn created(pool: &Name) {
    quietly(|| debug!(target: TARGET, pool = pool.as_str(), "resource created"));
}

/// A pool could not create one: an `error`, `timed_out`, `panicked`, or
/// `abandoned` by who made it.
pub(crate) fn create_failed(pool: &Name, reason: &'static str) {
    quietly(|| warn!(target: TARGET, pool = pool.as_str(), reason, "resource not created"));
}

/// A pool has a resource less.
pub(crate) fn removed(pool: &Name, reason: &'static str) {
    quietly(|| debug!(target: TARGET, pool = pool.as_str(), reason, "resource removed"));
}

/// A pool's manager or one of its hooks panicked.
pub(crate) fn panicked(pool: &Name, message: &str) {
    quietly(|| warn!(target: TARGET, pool = pool.as_str(), message, "panic contained"));
}

/// Somebody has a pool's resource for longer than the leak threshold.
pub(crate) fn long_held(pool: &Name, held: Option<Duration>, holder: Option<&Holder>) {
    quietly(|| {
        warn!(
            target: TARGET,
            pool = pool.as_str(),
            held_seconds = held.map(|held| held.as_secs_f64()),
            holder = holder.map(tracing::field::display),
            "resource held long"
        );
    });
}

/// Locks are taken in an order in which they can deadlock.
#[cfg(feature = "lock-order")]
pub(crate) fn lock_order(report: &dyn std::fmt::Display) {
    quietly(|| warn!(target: TARGET, report = %report, "possible deadlock"));
}
