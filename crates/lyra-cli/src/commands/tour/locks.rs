//! A lock that is held for too long, and the error that says by whom.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lyra::errors::Result;
use lyra::sync::{SyncError, TimeoutLock};
use serde_json::json;

use super::{Tour, different, ensure};
use crate::output::units;

/// How long the one who waits does so.
const PATIENCE: Duration = Duration::from_millis(50);

/// The thread that holds the lock meanwhile.
const HOLDER: &str = "night-shift";

impl Tour<'_> {
    /// One thread holds the lock, and another is told so.
    pub(super) fn lock(&mut self) -> Result<()> {
        let lock = TimeoutLock::named("index", 0_u32).with_timeout(PATIENCE);
        let started = Instant::now();
        let outcome = wait_while_held(&lock)?;
        let took = started.elapsed();
        let Err(error) = outcome else {
            return different("a lock was given to two threads");
        };
        let Some(holder) = error.holder() else {
            return different("a lock timed out and did not name its holder");
        };
        ensure(holder.thread() == HOLDER, || {
            format!("`{HOLDER}` held the lock, and the error names `{}`", holder.thread())
        })?;
        ensure(took >= PATIENCE, || format!("a wait of {PATIENCE:?} ended after {took:?}"))?;
        *lock.lock()? += 1;
        let result = format!("a wait ended after {} and named its holder", units::time(took));
        let counts = json!({ "error": error.to_string(), "holder": holder.thread() });
        self.done("lock", result, counts, took)?;
        self.aside(&error)
    }
}

/// Waits for a lock that another thread holds, until that is told to let go.
fn wait_while_held(lock: &TimeoutLock<u32>) -> Result<std::result::Result<(), SyncError>> {
    let (locked, is_locked) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let holder = thread::Builder::new().name(HOLDER.to_owned());
    thread::scope(|scope| {
        let held = holder.spawn_scoped(scope, move || {
            let guard = lock.lock();
            // Both ends are there until it has let go.
            let _ = locked.send(());
            let _ = is_done.recv();
            guard.map(drop)
        });
        let held = held.map_err(|error| {
            lyra::errors::Error::concurrency("thread", format!("cannot be started: {error}"))
        })?;
        let _ = is_locked.recv();
        let outcome = lock.lock().map(drop);
        drop(done);
        match held.join() {
            Ok(held) => held?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(outcome)
    })
}
