//! The files of one log, as a sink.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;
use snafu::IntoError as _;
use tracing::Level;

#[cfg(feature = "zstd")]
use super::compress;
use super::error::{DirSnafu, FileError, IoAt as _, io_error};
use super::lock::LogLock;
use super::rotating::{Counts, RotatingFile};
use super::settings::{Delivery, OnBusy, Rotation, Settings};
use super::shelf::Shelf;
use crate::sink::{Sink, Unfinished, Whole};

/// `<name>.log` with every line, and `<name>_errors.log` with those of level
/// ERROR alone. Dropping it writes what has gathered and lets go of the name.
///
/// The [builder](crate::builder()) has one; by itself it is a [`Sink`] for
/// whoever makes the lines in another way.
///
/// ```
/// use lyra_log::Sink;
/// use lyra_log::files::{Delivery, LogFiles, Rotation};
/// # let dir = tempfile::tempdir()?;
///
/// let files = LogFiles::new(dir.path(), "agent", Rotation::size_mib(1), Delivery::Direct)?;
/// files.line(tracing::Level::INFO, b"a whole line\n");
/// assert_eq!(std::fs::read(dir.path().join("agent.log"))?, b"a whole line\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogFiles {
    name: String,
    dir: PathBuf,
    pub(super) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    // Let go of last, after all has been written.
    _lock: LogLock,
}

/// What the threads beside the writers see as well.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There is something to compress, or the end has come.
    pub(crate) wake: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shelf: Shelf,
    main: Buffered,
    errors: Buffered,
    pub(crate) is_ending: bool,
}

/// A file with the lines that gather before it.
#[derive(Debug)]
struct Buffered {
    file: RotatingFile,
    waiting: Vec<u8>,
    /// How many are waiting.
    lines: u64,
    /// With 0 no line waits.
    most: usize,
    #[cfg(feature = "metrics")]
    told_lost: u64,
}

const MOST_NUMBERED: u32 = 99;

impl LogFiles {
    /// Opens the files, makes them and their directory where they are missing,
    /// and clears up after a process that was killed.
    ///
    /// # Errors
    ///
    /// `log.setting`, `log.dir`, `log.in_use` and `log.io`.
    pub fn new(
        dir: impl Into<PathBuf>,
        name: &str,
        rotation: Rotation,
        delivery: Delivery,
    ) -> Result<Self, FileError> {
        let mut settings = Settings::new(dir, name, crate::Run::new().id());
        (settings.rotation, settings.delivery) = (rotation, delivery);
        Self::open(&settings)
    }

    pub(crate) fn open(settings: &Settings) -> Result<Self, FileError> {
        settings.check()?;
        let (dir, disk) = (&settings.dir, &settings.disk);
        disk.make_dir(dir).map_err(|e| DirSnafu { dir }.into_error(e))?;
        let (lock, name) = lock(settings)?;
        let mut shelf = Shelf::new(settings, &name);
        let open = |shelf: &Shelf, base: &str| {
            let clock = Arc::clone(&settings.clock);
            let path = shelf.current(base);
            let file = RotatingFile::open(shelf, base, &settings.run, clock)
                .map_err(|e| unopened(e, &path))?;
            Ok(Buffered {
                file,
                waiting: Vec::new(),
                lines: 0,
                most: settings.delivery.most(),
                #[cfg(feature = "metrics")]
                told_lost: 0,
            })
        };
        let [main, errors] = shelf.bases.clone();
        let path = shelf.current(&main);
        let main = open(&shelf, &main)?;
        let errors = open(&shelf, &errors).inspect_err(|_| {
            // Nothing is left of a beginning that failed.
            if main.file.current().is_some_and(|current| current.len() == 0) {
                let _ = disk.remove(&path);
            }
        })?;
        // What lies in the way of that is looked at again at each rotation.
        let _ = shelf.sweep();
        let state = State { shelf, main, errors, is_ending: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
        let mut files = Self { name, dir: dir.clone(), shared, threads: Vec::new(), _lock: lock };
        files.start_threads(settings)?;
        Ok(files)
    }

    /// The name, with the number that it may have got.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the files are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What has become of the lines: of all, and of the errors among them in
    /// the file of errors.
    #[must_use]
    pub fn counts(&self) -> (Counts, Counts) {
        let state = self.shared.lock();
        (state.main.file.counts(), state.errors.file.counts())
    }

    /// Gives what has gathered to the operating system, and tries to tell what
    /// was lost.
    pub fn flush(&self) {
        self.shared.lock().flush();
    }

    /// Flushes, and from now on each line is written at once.
    pub(crate) fn end_buffering(&self) {
        let mut state = self.shared.lock();
        state.flush();
        (state.main.most, state.errors.most) = (0, 0);
    }

    /// Flushes, and waits until the disk has it: what was rotated away, too,
    /// as far as it is still there, and the names. Others go on writing.
    ///
    /// # Errors
    ///
    /// `log.io` where the disk does not take it.
    pub fn sync(&self) -> Result<(), FileError> {
        let mut state = self.shared.lock();
        state.flush();
        let disk = Arc::clone(&state.shelf.disk);
        let mut files = Vec::new();
        for (file, base) in [&state.main, &state.errors].into_iter().zip(&state.shelf.bases) {
            for archive in state.shelf.archives(base).at("list", &self.dir)? {
                // What is compressed was synced before it got its name.
                if !archive.is_compressed {
                    files.push((
                        disk.open_read(&archive.path).at("open", &archive.path)?,
                        archive.path,
                    ));
                }
            }
            if let Some(current) = file.file.current() {
                let path = state.shelf.current(base);
                files.push((current.file().try_clone().at("open", &path)?, path));
            }
        }
        drop(state);
        for (file, path) in files {
            disk.sync(&file).at("sync", &path)?;
        }
        disk.sync_dir(&self.dir).at("sync", &self.dir)
    }

    fn start_threads(&mut self, settings: &Settings) -> Result<(), FileError> {
        if let Delivery::Buffered { max_delay, .. } = settings.delivery {
            self.start("lyra-log-flush", move |shared| flush_every(max_delay, shared))?;
        }
        #[cfg(feature = "zstd")]
        if settings.rotation.zstd {
            self.start("lyra-log-zstd", compress::run)?;
        }
        Ok(())
    }

    fn start(
        &mut self,
        name: &str,
        body: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<(), FileError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || body(&shared)).at("start a thread for", &self.dir)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Sink for LogFiles {
    fn line(&self, level: Level, line: &[u8]) {
        self.unfinished(level, &mut Whole(line));
    }

    fn unfinished(&self, level: Level, line: &mut dyn Unfinished) {
        let mut state = self.shared.lock();
        let line = line.finish();
        let State { shelf, main, errors, .. } = &mut *state;
        main.line(shelf, level, line);
        if level == Level::ERROR {
            errors.line(shelf, level, line);
        }
        if shelf.take_has_rotated() && shelf.rotation.zstd {
            self.shared.wake.notify_all();
        }
        #[cfg(feature = "metrics")]
        {
            let lost = [main.take_lost(), errors.take_lost()];
            // A recorder is code of others, which may log.
            drop(state);
            crate::metrics::given(false, line.len(), lost[0]);
            if level == Level::ERROR {
                crate::metrics::given(true, line.len(), lost[1]);
            }
        }
    }
}

impl Drop for LogFiles {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.shared.lock().flush();
    }
}

impl Shared {
    /// A panic while it was held leaves counts that may be off by a line, and
    /// no reason to write no more.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn flush(&mut self) {
        for file in [&mut self.main, &mut self.errors] {
            file.flush(&mut self.shelf);
            file.file.tell(&mut self.shelf);
        }
    }
}

impl Buffered {
    fn line(&mut self, shelf: &mut Shelf, level: Level, line: &[u8]) {
        if self.most == 0 {
            return self.file.lines(shelf, line, 1);
        }
        let limit = shelf.rotation.limit.min(self.most as u64);
        if (self.waiting.len() + line.len()) as u64 > limit {
            self.flush(shelf);
        }
        self.waiting.extend_from_slice(line);
        self.lines += 1;
        if level == Level::ERROR || self.waiting.len() >= self.most {
            self.flush(shelf);
        }
    }

    /// Lines that were lost since this was asked last.
    #[cfg(feature = "metrics")]
    fn take_lost(&mut self) -> u64 {
        let lost = self.file.counts().lost;
        lost - std::mem::replace(&mut self.told_lost, lost)
    }

    fn flush(&mut self, shelf: &mut Shelf) {
        if !self.waiting.is_empty() {
            self.file.lines(shelf, &self.waiting, self.lines);
            self.waiting.clear();
            self.lines = 0;
        }
    }
}

impl Delivery {
    fn most(self) -> usize {
        match self {
            Self::Direct => 0,
            Self::Buffered { max_bytes, .. } => max_bytes,
        }
    }
}

fn flush_every(delay: Duration, shared: &Shared) {
    let mut state = shared.lock();
    while !state.is_ending {
        // A wake-up that is meant for others flushes early, which does no harm.
        (state, _) = shared.wake.wait_timeout(state, delay).unwrap_or_else(PoisonError::into_inner);
        state.flush();
    }
}

fn lock(settings: &Settings) -> Result<(LogLock, String), FileError> {
    let Settings { dir, name, on_busy, .. } = settings;
    let mut taken = LogLock::acquire(dir, name).map(|lock| (lock, name.clone()));
    if *on_busy == OnBusy::Number {
        for number in 2..=MOST_NUMBERED {
            if !matches!(taken, Err(FileError::InUse { .. })) {
                break;
            }
            let name = format!("{name}-{number}");
            taken = LogLock::acquire(dir, &name).map(|lock| (lock, name));
        }
    }
    taken.map_err(|error| match error {
        FileError::Io { source, .. } => DirSnafu { dir }.into_error(source),
        other => other,
    })
}

/// What opening a file has met; a link by its name.
fn unopened(error: io::Error, path: &Path) -> FileError {
    let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    let error = if is_link {
        let text = "it is a symbolic link, which could lead anywhere";
        io::Error::new(io::ErrorKind::InvalidInput, text)
    } else {
        error
    };
    io_error(error, "open", path)
}
