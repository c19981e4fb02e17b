//! What this crate tells through `tracing`, and the only place that does.
//! Whoever listens is code of somebody else's: it is never called under a lock.

use std::time::Duration;

use lyra_errors::Location;
use tracing::{debug, warn};

/// One target for the whole crate: directives outlive its modules.
const TARGET: &str = "lyra_ratelimit";

/// A call came in only after a wait.
#[inline]
pub(crate) fn waited(limiter: Option<&str>, wait: Duration) {
    debug!(target: TARGET, limiter, wait_seconds = wait.as_secs_f64(), "waited");
}

/// A call was refused.
#[inline]
pub(crate) fn refused(limiter: Option<&str>, reason: &'static str, location: Location) {
    debug!(target: TARGET, limiter, reason, location = %location, "refused");
}

/// A service refused a call because there were too many.
pub(crate) fn complained(limiter: Option<&str>, pause: Option<Duration>) {
    let pause_seconds = pause.map(|pause| pause.as_secs_f64());
    warn!(target: TARGET, limiter, pause_seconds, "service complained");
}
