//! Ctrl-C ends the command with exit code 130 and nothing half-done.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::commands::log::interrupted;
use crate::exit::Exit;

/// Ends the process on SIGINT and SIGTERM.
///
/// Every operation of the crates survives `kill -9`, so there is nothing that
/// must be wound up; but what can be is, so that nothing lies around until
/// the next run sweeps it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    came: AtomicBool,
    /// Whether the main thread is in work that it can break off by itself.
    winding_down: AtomicBool,
    scratch: Mutex<Option<PathBuf>>,
    /// Whether the main thread stands still.
    still: Mutex<bool>,
    stilled: Condvar,
}

/// How long an interrupt waits for the main thread to stand still, before it
/// ends the process all the same.
const PATIENCE: Duration = Duration::from_secs(2);

impl Interrupt {
    /// Begins to watch. Where that fails, which takes a system without a
    /// thread or a descriptor left, a signal ends the process all the same.
    pub(crate) fn watch() -> Self {
        let interrupt = Self::default();
        if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
            let state = Arc::clone(&interrupt.0);
            let _ = std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
                if signals.forever().next().is_some() {
                    state.end();
                }
            });
        }
        interrupt
    }

    /// Names a temporary directory or file that an interrupt takes along.
    ///
    /// Who works in a directory [gives way](Self::give_way) now and then, or
    /// it could be made anew while it is removed.
    pub(crate) fn removes(&self, path: PathBuf) {
        *self.0.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    }

    /// Runs `work` that asks [`flow`](Self::flow) now and then. When an
    /// interrupt comes it has a moment to break off and to tidy up.
    pub(crate) fn winding_down<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.winding_down.store(true, Ordering::Release);
        let done = work();
        self.give_way();
        self.0.winding_down.store(false, Ordering::Release);
        done
    }

    /// Whether the work goes on.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.0.came.load(Ordering::Acquire) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Stands still until the end of the process where an interrupt came, and
    /// does nothing otherwise.
    pub(crate) fn give_way(&self) {
        while self.0.came.load(Ordering::Acquire) {
            *self.0.still.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0.stilled.notify_all();
            std::thread::park();
        }
    }
}

impl State {
    fn end(&self) {
        self.came.store(true, Ordering::Release);
        let path = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.winding_down.load(Ordering::Acquire) {
            self.wait_for_stillness();
        }
        if let Some(path) = path {
            self.remove(&path);
        }
        interrupted(Exit::Interrupted.into());
        std::process::exit(Exit::Interrupted.into());
    }

    fn wait_for_stillness(&self) {
        let still = self.still.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.stilled.wait_timeout_while(still, PATIENCE, |still| !*still);
    }

    /// Where it cannot be removed, nobody is left to be told.
    fn remove(&self, path: &Path) {
        if !path.is_dir() {
            let _ = std::fs::remove_file(path);
            return;
        }
        self.wait_for_stillness();
        // Other threads may still be putting files into it.
        for _ in 0..100 {
            if std::fs::remove_dir_all(path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
