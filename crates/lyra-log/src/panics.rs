//! A panic is a line, too.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::thread;

use crate::fields::panic_text;

pub(crate) const TARGET: &str = "lyra::panic";

/// What is told of a panic: set up with [`install`](Self::install).
///
/// A panic becomes an event of level `ERROR` and target `lyra::panic`, with
/// the fields `panic.text`, `panic.location`, `panic.thread` and, where it is
/// asked for, `panic.backtrace`, beside those of the spans that the thread is
/// in. Being an event, it reaches all layers, is redacted as any other, and
/// tells its operation.
///
/// The hook that was there before is called afterwards. Rust's own writes the
/// text of the panic to the standard error, *as it is*.
///
/// It cannot tell of a panic within a panic hook, nor of one whose thread
/// holds the lock of a span: Rust ends the process at the first, and of the
/// second other layers would have to take care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Panics {
    backtraces: Backtraces,
}

/// Whether a panic's line has a backtrace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backtraces {
    /// As `RUST_BACKTRACE` and `RUST_LIB_BACKTRACE` say.
    #[default]
    FollowEnv,
    /// Always, which takes milliseconds.
    Always,
    /// Never.
    Never,
}

impl Panics {
    /// With backtraces as the environment says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are backtraces.
    #[must_use]
    pub fn with_backtraces(mut self, backtraces: Backtraces) -> Self {
        self.backtraces = backtraces;
        self
    }

    /// From now on every panic of the process is told. The first call counts,
    /// others do nothing; and so does one from a thread that panics.
    pub fn install(self) {
        static INSTALLED: Once = Once::new();
        if thread::panicking() {
            return;
        }
        INSTALLED.call_once(|| {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                self.tell(info);
                previous(info);
            }));
        });
    }

    fn tell(self, info: &PanicHookInfo<'_>) {
        thread_local! {
            static TELLING: Cell<bool> = const { Cell::new(false) };
        }
        // A layer that panics in here would be told by itself, for ever.
        if TELLING.replace(true) {
            return;
        }
        let text = panic_text(info.payload());
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = thread::current();
        let backtrace = match self.backtraces {
            Backtraces::FollowEnv => Some(Backtrace::capture()),
            Backtraces::Always => Some(Backtrace::force_capture()),
            Backtraces::Never => None,
        };
        let backtrace = backtrace
            .filter(|backtrace| backtrace.status() == std::backtrace::BacktraceStatus::Captured)
            .map(|backtrace| backtrace.to_string());
        tracing::error!(
            target: TARGET,
            {
                "panic.text" = text,
                "panic.location" = location,
                "panic.thread" = thread.name().unwrap_or("unnamed"),
                "panic.backtrace" = backtrace,
            },
            "panicked at {location}: {text}"
        );
        TELLING.set(false);
    }
}
