use lyra::errors::{Error, Result};
use lyra::log::files::OnBusy;
use lyra::log::{Guard, Operation, builder};

use crate::config::LogConfig;
use crate::exit::Exit;

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
    pub(crate) fn begin(config: &LogConfig, command: &'static str) -> Result<Option<Self>> {
        if !config.own {
            return Ok(None);
        }
        let setup = builder("lyra").with_dir(&config.dir).with_level(config.level.as_str());
        let guard = setup.with_on_busy(OnBusy::Number).init()?;
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

const TARGET: &str = "lyra::cli";

fn failed(error: &Error) {
    let exit = i32::from(Exit::of(error.code()));
    let cause: &(dyn std::error::Error + 'static) = error;
    tracing::error!(target: TARGET, exit, error = cause, "failed");
}
