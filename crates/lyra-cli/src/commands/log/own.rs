use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lyra::errors::{Error, Result};
use lyra::log::files::OnBusy;
use lyra::log::{Guard, Operation, builder};

use crate::config::LogConfig;
use crate::exit::Exit;
use crate::output::Output;

/// The command's own log, if `[log] own` asks for one.
///
/// It is called `lyra`, or `lyra-2` where another command has that name just
/// then.
#[derive(Debug)]
pub(crate) struct Own {
    operation: Operation,
    _guard: Guard,
}

impl Own {
    /// Begins it, with an operation that is named for the command.
    ///
    /// Where it can't be written, the command says so and does its work: it is
    /// needed most where something is out of order.
    pub(crate) fn begin(
        config: &LogConfig,
        command: &'static str,
        output: Output,
    ) -> Result<Option<Self>> {
        if !config.own {
            return Ok(None);
        }
        let setup = builder("lyra").with_dir(&config.dir).with_level(config.level.as_str());
        let guard = match setup.with_on_busy(OnBusy::Number).init() {
            Ok(guard) => guard,
            Err(error) => {
                let error = Error::from(error);
                if matches!(error.code().id(), "log.dir" | "log.io" | "log.in_use") {
                    output.warn(format_args!("the command's own log is not written: {error}"));
                    return Ok(None);
                }
                return Err(error);
            }
        };
        let operation = lyra::log::operation!("command", command);
        Ok(Some(Self { operation, _guard: guard }))
    }

    /// Runs the command in its operation, and tells how it ended.
    pub(crate) fn tell(&self, work: impl FnOnce() -> Result<Exit>) -> Result<Exit> {
        self.operation.in_scope(|| {
            tracing::info!(target: TARGET, "begun");
            let done = work();
            match &done {
                Ok(exit) => tracing::info!(target: TARGET, exit = i32::from(*exit), "done"),
                Err(error) => failed(error),
            }
            done
        })
    }
}

/// Whether a log of this name is the command's own.
pub(super) fn is_own(name: &str) -> bool {
    let number = name.strip_prefix("lyra-");
    name == "lyra" || number.is_some_and(|n| n.parse::<u32>().is_ok())
}

/// Tells that a signal ends the command. Only for a moment: a disk that hangs
/// must not hold up what ends a process.
pub(crate) fn interrupted(exit: i32) {
    let (told, wait) = mpsc::channel();
    let tell = move || {
        tracing::warn!(target: TARGET, exit, "interrupted");
        let _ = told.send(());
    };
    if thread::Builder::new().spawn(tell).is_ok() {
        let _ = wait.recv_timeout(Duration::from_millis(200));
    }
}

const TARGET: &str = "lyra::cli";

fn failed(error: &Error) {
    let exit = i32::from(Exit::of(error.code()));
    let cause: &(dyn std::error::Error + 'static) = error;
    tracing::error!(target: TARGET, exit, error = cause, "failed");
}
