//! A model's process, from the side of whoever loads it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lyra_gpu::{LoadError, MIB, Unloader, Unloading};
use tokio::task::spawn_blocking;

/// Tells a process which cards it may see.
pub const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// A process that holds memory of the card, until it is dropped.
pub struct Runner {
    child: Mutex<Child>,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pid: u32,
}

/// Why a runner did not do what it was told.
#[derive(Debug)]
pub enum RunnerError {
    /// The card has no memory left.
    OutOfMemory,
    /// The driver said something else.
    Refused(String),
    /// It is gone.
    Gone,
}

/// What an unloader does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Habit {
    /// The process ends.
    #[default]
    Ends,
    /// It says that it is done, and does nothing; by force it ends.
    Pretends,
    /// It never answers; by force it ends.
    Hangs,
    /// It says that it is done, and nothing ever ends it.
    Keeps,
}

/// Unloads a model by ending its process.
#[derive(Debug)]
pub struct Ender {
    runner: Arc<Runner>,
    habit: Habit,
}

impl Runner {
    /// Starts a process, which has a context on the card and nothing else yet.
    /// It blocks until that is so.
    ///
    /// # Errors
    ///
    /// [`RunnerError`]: where there is no room for the context, too.
    pub fn start(cuda: Option<&Path>, uuid: &str) -> Result<Self, RunnerError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hold").env(VISIBLE, uuid).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(cuda) = cuda {
            command.arg("--cuda").arg(cuda);
        }
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(RunnerError::Gone);
        };
        let pid = child.id();
        let pipes = Mutex::new((input, BufReader::new(output)));
        let runner = Self { child: Mutex::new(child), pipes, pid };
        runner.answer()?;
        Ok(runner)
    }

    /// Takes memory and touches it. It blocks until that is done.
    ///
    /// # Errors
    ///
    /// [`RunnerError`].
    pub fn take(&self, bytes: u64) -> Result<(), RunnerError> {
        self.ask(&format!("alloc {}", bytes / MIB)).map(drop)
    }

    /// Asks in the runner's own words, and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`RunnerError`].
    pub fn ask(&self, words: &str) -> Result<String, RunnerError> {
        writeln!(locked(&self.pipes).0, "{words}")?;
        self.answer()
    }

    /// Ends it politely; it blocks until the process is gone.
    ///
    /// # Errors
    ///
    /// Where the system cannot tell.
    pub fn end(&self) -> io::Result<()> {
        let (input, output) = &mut *locked(&self.pipes);
        // One that is gone already hears nothing.
        let _ = writeln!(input, "exit");
        // Its output ends with it. Only then is it waited for, so that nobody
        // who would kill it finds it locked meanwhile.
        io::copy(output, &mut io::sink())?;
        locked(&self.child).wait().map(drop)
    }

    /// Ends it by SIGKILL, and does not wait.
    pub fn kill(&self) {
        // One that is gone already cannot be killed.
        let _ = locked(&self.child).kill();
    }

    /// Whether the process is there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(locked(&self.child).try_wait(), Ok(None))
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn answer(&self) -> Result<String, RunnerError> {
        let mut line = String::new();
        locked(&self.pipes).1.read_line(&mut line)?;
        match line.trim_end().split_once(' ').unwrap_or((line.trim_end(), "")) {
            ("ok", rest) => Ok(rest.to_owned()),
            ("oom", _) => Err(RunnerError::OutOfMemory),
            ("error", reason) => Err(RunnerError::Refused(reason.to_owned())),
            _ => Err(RunnerError::Gone),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.kill();
        // Nobody else would take note of its end.
        let _ = locked(&self.child).wait();
    }
}

impl Ender {
    /// Ends this runner, with these habits.
    #[must_use]
    pub fn new(runner: Arc<Runner>, habit: Habit) -> Self {
        Self { runner, habit }
    }
}

impl Unloader for Ender {
    fn unload(&self, _: Duration) -> Unloading<'_> {
        let runner = Arc::clone(&self.runner);
        match self.habit {
            Habit::Ends => {
                Box::pin(async move { Ok(spawn_blocking(move || runner.end()).await??) })
            }
            Habit::Pretends | Habit::Keeps => Box::pin(std::future::ready(Ok(()))),
            Habit::Hangs => Box::pin(std::future::pending()),
        }
    }

    fn kill(&self) {
        if self.habit != Habit::Keeps {
            self.runner.kill();
        }
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.runner.pid()]
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl fmt::Display for RunnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str("the card has no memory left"),
            Self::Refused(reason) => f.write_str(reason),
            Self::Gone => f.write_str("the runner is gone"),
        }
    }
}

impl std::error::Error for RunnerError {}

impl From<io::Error> for RunnerError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Gone,
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<RunnerError> for LoadError {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::OutOfMemory => Self::out_of_memory(error),
            other => Self::new(other),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
