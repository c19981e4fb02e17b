//! What this crate tells through `tracing`, and the only place that does.

use std::path::Path;
use std::time::Duration;

use lyra_errors::{Classify, Code};
use tracing::{debug, info, warn};

use crate::error::MemoryError;

/// One target for the whole crate: directives outlive its modules.
const TARGET: &str = "lyra_memstore";

pub(crate) fn opened(store: &Path, read_only: bool, took: Duration) {
    let took_seconds = took.as_secs_f64();
    info!(target: TARGET, store = %store.display(), read_only, took_seconds, "opened");
}

/// A transaction has not begun, because others did not end in time.
pub(crate) fn not_begun(store: &Path, error: &MemoryError, waited: Duration) {
    let (code, waited_seconds) = (error.code().id(), waited.as_secs_f64());
    warn!(target: TARGET, store = %store.display(), code, waited_seconds, "no turn to write");
    #[cfg(feature = "metrics")]
    crate::metrics::not_begun(waited);
}

/// A transaction has ended, and with it the time in which others could not
/// write.
pub(crate) fn ended(store: &Path, outcome: Outcome, waited: Duration, held: Duration) {
    let held_seconds = held.as_secs_f64();
    let store = store.display();
    match outcome {
        Outcome::Committed => debug!(target: TARGET, %store, held_seconds, "committed"),
        Outcome::RolledBack => debug!(target: TARGET, %store, held_seconds, "rolled back"),
        Outcome::CommitFailed(code) => {
            warn!(target: TARGET, %store, code = code.id(), held_seconds, "commit failed");
        }
    }
    #[cfg(feature = "metrics")]
    crate::metrics::ended(outcome, waited, held);
    #[cfg(not(feature = "metrics"))]
    let _ = waited;
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Committed,
    RolledBack,
    CommitFailed(Code),
}
