//! Who may write now: one thread at a time, and no wait without an end.

use std::ops::Deref;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::{BusySnafu, MemoryError, NestedTransactionSnafu};

/// Holds the one writing connection while nobody uses it.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    connection: Option<Connection>,
    holder: Option<ThreadId>,
}

impl Gate {
    pub(super) fn new(connection: Connection) -> Self {
        let state = State { connection: Some(connection), holder: None };
        Self { state: Mutex::new(state), freed: Condvar::new() }
    }

    /// Waits for the connection, but not for itself and not for ever.
    pub(super) fn acquire(&self, timeout: Duration) -> Result<Turn<'_>, MemoryError> {
        let started = Instant::now();
        let me = thread::current().id();
        let mut state = self.state();
        loop {
            if let Some(connection) = state.connection.take() {
                state.holder = Some(me);
                return Ok(Turn { gate: self, connection: Some(connection) });
            }
            if state.holder == Some(me) {
                return NestedTransactionSnafu.fail();
            }
            let waited = started.elapsed();
            let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return BusySnafu { waited }.fail();
            };
            state = self
                .freed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }

    /// A panic elsewhere leaves the state whole: it is only ever moved.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn to write. The next one has it when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    gate: &'a Gate,
    connection: Option<Connection>,
}

impl Deref for Turn<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("the connection is taken only by drop")
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.connection = self.connection.take();
        state.holder = None;
        drop(state);
        self.gate.freed.notify_one();
    }
}
