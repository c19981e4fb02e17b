//! Ctrl-C ends the command with exit code 130 and nothing half-done.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// Ends the process on SIGINT and SIGTERM.
///
/// Every operation of the crates survives `kill -9`, so there is nothing to
/// wind up but a temporary directory or file that is ours alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    came: AtomicBool,
    scratch: Mutex<Option<PathBuf>>,
}

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
    pub(crate) fn removes(&self, path: PathBuf) {
        *self.0.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    }

    /// Waits for the end of the process where an interrupt came: what fails
    /// from then on, such as for want of the temporary directory, is nobody's
    /// concern.
    pub(crate) fn give_way(&self) {
        while self.0.came.load(Ordering::Acquire) {
            std::thread::park();
        }
    }
}

impl State {
    fn end(&self) {
        self.came.store(true, Ordering::Release);
        let path = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(path) = path
            && std::fs::remove_file(&path).is_err()
        {
            // The main thread may still be putting files into a directory.
            let _ = (0..100).find(|_| std::fs::remove_dir_all(&path).is_ok());
        }
        std::process::exit(Exit::Interrupted.into());
    }
}
