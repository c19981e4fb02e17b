//! What this crate tells through `tracing`, and the only place that does.
//! Whoever listens is code of somebody else's: it is never called under a lock.

use std::time::Duration;

use lyra_errors::Location;
use tracing::{debug, info, warn};

use crate::{AttemptRecord, CircuitState, StopReason};

/// One target for the whole crate: directives outlive its modules.
const TARGET: &str = "lyra_retry";

/// An attempt has failed, and another will be made.
pub(crate) fn attempt_failed(record: Option<&AttemptRecord>, location: Location) {
    let Some(record) = record else { return };
    info!(
        target: TARGET,
        attempt = record.attempt,
        outcome = record.outcome.as_str(),
        code = record.code.map(|code| code.id()),
        wait_seconds = record.delay.map(|delay| delay.as_secs_f64()),
        location = %location,
        "attempt failed"
    );
}

/// A call ends without a success.
pub(crate) fn gave_up(
    reason: StopReason,
    attempts: u32,
    elapsed: Duration,
    latest: Option<&AttemptRecord>,
    location: Location,
) {
    let code = latest.and_then(|record| record.code).map(|code| code.id());
    let elapsed_seconds = elapsed.as_secs_f64();
    let why = reason.as_str();
    // What no other attempt can help is the caller's affair, and not even rare.
    if matches!(reason, StopReason::NotRetryable | StopReason::AlreadyExhausted) {
        debug!(target: TARGET, reason = why, code, attempts, location = %location, "not retried");
    } else {
        warn!(
            target: TARGET,
            reason = why,
            code,
            attempts,
            elapsed_seconds,
            location = %location,
            "gave up"
        );
    }
}

/// A circuit breaker has changed its state.
pub(crate) fn circuit_changed(circuit: Option<&str>, from: CircuitState, to: CircuitState) {
    if from == to {
        return;
    }
    let (from, state) = (from.as_str(), to.as_str());
    match to {
        CircuitState::Open | CircuitState::Isolated => {
            warn!(target: TARGET, circuit, from, state, "circuit broken");
        }
        CircuitState::HalfOpen => {
            info!(target: TARGET, circuit, from, state, "circuit on trial");
        }
        CircuitState::Closed => {
            info!(target: TARGET, circuit, from, state, "circuit closed");
        }
    }
}
