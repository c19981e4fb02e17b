//! A directory for a log, a disk that fails on demand and a clock that is moved by hand.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use tracing::Level;

use crate::files::clock::Clock;
use crate::files::disk::{Disk, Os, Stat};
use crate::files::{LogFiles, Rotation, Settings};
use crate::sink::Sink as _;

/// A directory in memory, gone with the value.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) disk: Arc<Faulty>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { dir, disk: Arc::default(), clock: Arc::default() }
    }

    pub(crate) fn settings(&self, rotation: Rotation) -> Settings {
        let mut settings = Settings::new(self.dir.path(), "agent", "run-1");
        settings.rotation = rotation;
        settings.disk = Arc::clone(&self.disk) as Arc<dyn Disk>;
        settings.clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        settings
    }

    pub(crate) fn open(&self, rotation: Rotation) -> LogFiles {
        LogFiles::open(&self.settings(rotation)).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(content(&self.path(name))).unwrap()
    }

    /// The names in the directory, but for the lock.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".lock"));
        names.sort();
        names
    }

    /// All lines of `agent.log`, oldest first, and what is torn among them.
    pub(crate) fn lines(&self) -> Vec<String> {
        lines(self.dir.path(), "agent.log")
    }

    /// The numbers of the lines that [`line`] made, and what was told as lost.
    pub(crate) fn kept(&self) -> (Vec<u64>, u64) {
        numbers(&self.lines())
    }
}

/// Reads it with nothing of what is tested.
pub(crate) fn lines(dir: &Path, base: &str) -> Vec<String> {
    let mut files = BTreeMap::new();
    for name in Os.list(dir).unwrap() {
        let number = crate::files::shelf::number_of(base, &name);
        if name == base {
            files.insert(0, name);
        } else if let Some((number, is_compressed)) = number {
            // The plain file is what counts where both are there.
            if !is_compressed || !dir.join(format!("{base}.{number}")).exists() {
                files.insert(number, name);
            }
        }
    }
    let contents = files.values().rev().map(|name| content(&dir.join(name)));
    contents
        .flat_map(|bytes| {
            let text = String::from_utf8(bytes).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

fn content(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    #[cfg(feature = "zstd")]
    if path.extension().is_some_and(|extension| extension == "zst") {
        return zstd::decode_all(&*bytes).unwrap();
    }
    bytes
}

/// The numbers in order of the file, and the sum of what was told as lost.
/// Panics at a line that is neither.
pub(crate) fn numbers(lines: &[String]) -> (Vec<u64>, u64) {
    let (mut kept, mut lost) = (Vec::new(), 0);
    for line in lines {
        let record: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        if record["target"] == "lyra_log" {
            lost += record["lost"].as_u64().unwrap_or(0);
        } else {
            kept.push(record["seq"].as_u64().unwrap());
        }
    }
    (kept, lost)
}

/// A record of about 100 bytes.
pub(crate) fn line(seq: u64) -> Vec<u8> {
    let fill = "x".repeat(usize::try_from(seq % 7).unwrap());
    format!(
        "{{\"time\":\"2026-11-23T02:30:00.000000000Z\",\"level\":\"INFO\",\"seq\":{seq},\"run\":\"run-1\",\"target\":\"t\",\"msg\":\"{fill}\"}}\n"
    )
    .into_bytes()
}

pub(crate) fn write(log: &LogFiles, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        log.line(Level::INFO, &line(number));
    }
}

/// Stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<(Instant, SystemTime)>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new((Instant::now(), SystemTime::UNIX_EPOCH)))
    }
}

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        now.0 += by;
        now.1 += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.0.lock().unwrap().0
    }

    fn time_of_day(&self) -> SystemTime {
        self.0.lock().unwrap().1
    }
}

/// The operating system's file system, until it is told to fail.
#[derive(Debug, Default)]
pub(crate) struct Faulty(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    /// How many of them waited for the disk.
    syncs: usize,
    fault: Option<Fault>,
    /// The one call that fails always.
    broken: Option<&'static str>,
    watch: Option<Watch>,
    /// What the calls were, for the message of a test that fails.
    refused: Vec<&'static str>,
}

/// Which calls fail, counted from the time that it was set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) errno: Errno,
    pub(crate) at: u64,
    pub(crate) length: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Once,
    /// From then on.
    Lasting,
    /// From then on, but first a `write` takes half of what it was given.
    HalfFirst,
    /// A `write` takes half of what it was given, and the next call fails.
    HalfOnce,
}

impl Length {
    pub(crate) const ALL: [Self; 4] = [Self::Once, Self::Lasting, Self::HalfFirst, Self::HalfOnce];
}

#[derive(Debug)]
struct Watch {
    dir: PathBuf,
    most: u64,
    seen: u64,
}

impl Faulty {
    pub(crate) fn fail(&self, fault: Fault) {
        let mut plan = self.0.lock().unwrap();
        plan.calls = 0;
        plan.refused.clear();
        plan.fault = Some(fault);
    }

    /// Every call fails, if `only` says so.
    pub(crate) fn fail_all(&self, errno: Errno) {
        self.fail(Fault { errno, at: 0, length: Length::Lasting });
    }

    /// Every call of that name fails.
    pub(crate) fn break_call(&self, name: &'static str) {
        self.0.lock().unwrap().broken = Some(name);
    }

    pub(crate) fn heal(&self) {
        let mut plan = self.0.lock().unwrap();
        plan.fault = None;
        plan.broken = None;
    }

    /// How many calls there were since the last fault was set.
    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    pub(crate) fn refused(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().refused.clone()
    }

    /// Adds up the directory before each call.
    pub(crate) fn watch(&self, dir: &Path) {
        self.0.lock().unwrap().watch = Some(Watch { dir: dir.to_owned(), most: 0, seen: 0 });
    }

    /// The most that the directory has held, and how often it was looked at.
    pub(crate) fn most(&self) -> (u64, u64) {
        let plan = self.0.lock().unwrap();
        let watch = plan.watch.as_ref().unwrap();
        (watch.most, watch.seen)
    }

    fn call(&self, name: &'static str) -> io::Result<()> {
        let mut plan = self.0.lock().unwrap();
        if let Some(watch) = &mut plan.watch {
            watch.look();
        }
        let index = plan.calls;
        plan.calls += 1;
        plan.syncs += usize::from(name.starts_with("sync"));
        if plan.broken == Some(name) {
            return Err(Errno::MFILE.into());
        }
        let Some(fault) = plan.fault else { return Ok(()) };
        let fails = match fault.length {
            Length::Once => index == fault.at,
            Length::Lasting => index >= fault.at,
            Length::HalfFirst => index > fault.at || (index == fault.at && name != "write"),
            Length::HalfOnce => index == fault.at + 1 || (index == fault.at && name != "write"),
        };
        if fails {
            plan.refused.push(name);
            return Err(fault.errno.into());
        }
        Ok(())
    }

    fn is_half(&self) -> bool {
        let plan = self.0.lock().unwrap();
        let half = |fault: Fault| {
            matches!(fault.length, Length::HalfFirst | Length::HalfOnce)
                && plan.calls == fault.at + 1
        };
        plan.fault.is_some_and(half)
    }
}

impl Watch {
    fn look(&mut self) {
        let mut size = 0;
        for entry in fs::read_dir(&self.dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "lock") {
                // It may be renamed just now.
                size += fs::metadata(path).map_or(0, |found| found.len());
            }
        }
        self.seen += 1;
        self.most = self.most.max(size);
    }
}

impl Disk for Faulty {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.call("make_dir").and_then(|()| Os.make_dir(dir))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call("list").and_then(|()| Os.list(dir))
    }
    fn open_append(&self, path: &Path) -> io::Result<File> {
        self.call("open_append").and_then(|()| Os.open_append(path))
    }
    fn open_read(&self, path: &Path) -> io::Result<File> {
        self.call("open_read").and_then(|()| Os.open_read(path))
    }
    fn create(&self, path: &Path) -> io::Result<File> {
        self.call("create").and_then(|()| Os.create(path))
    }
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        self.call("write")?;
        let taken = if self.is_half() { bytes.len() / 2 } else { bytes.len() };
        Os.write(file, &bytes[..taken])
    }
    fn read(&self, file: &File, into: &mut [u8]) -> io::Result<usize> {
        self.call("read").and_then(|()| Os.read(file, into))
    }
    fn byte_at(&self, file: &File, offset: u64) -> io::Result<u8> {
        self.call("byte_at").and_then(|()| Os.byte_at(file, offset))
    }
    fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.call("truncate").and_then(|()| Os.truncate(file, len))
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.call("sync").and_then(|()| Os.sync(file))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call("sync_dir").and_then(|()| Os.sync_dir(dir))
    }
    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        self.call("set_modified").and_then(|()| Os.set_modified(file, time))
    }
    fn stat_open(&self, file: &File) -> io::Result<Stat> {
        self.call("stat_open").and_then(|()| Os.stat_open(file))
    }
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.call("stat").and_then(|()| Os.stat(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename").and_then(|()| Os.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove").and_then(|()| Os.remove(path))
    }
}
