//! Trees to back up, and an independent way to compare them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lyra_backup::{BackupError, BackupManager, CreateOptions, CreateReport};
use lyra_errors::Classify as _;

/// A lock that is let go when this is dropped. Closing the file alone does not
/// do it: a child that another test is just starting has a copy for a moment.
#[derive(Debug)]
pub(crate) struct Locked(File);

impl Locked {
    pub(crate) fn file(file: File) -> Self {
        file.try_lock().unwrap();
        Self(file)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Everything that a restore has to bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Directory { mode: u32, mtime: (i64, i64) },
    File { mode: u32, mtime: (i64, i64), content: Vec<u8> },
    Link { target: PathBuf, mtime: (i64, i64) },
}

/// The tree below `root`, the root included.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = BTreeMap::new();
    collect(root, Path::new(""), &mut nodes);
    nodes
}

fn collect(root: &Path, path: &Path, nodes: &mut BTreeMap<PathBuf, Node>) {
    let full = root.join(path);
    let m = fs::symlink_metadata(&full).unwrap();
    let (mode, mtime) = (m.mode() & 0o7777, (m.mtime(), m.mtime_nsec()));
    let node = if m.is_dir() {
        for entry in fs::read_dir(&full).unwrap() {
            collect(root, &path.join(entry.unwrap().file_name()), nodes);
        }
        Node::Directory { mode, mtime }
    } else if m.is_symlink() {
        Node::Link { target: fs::read_link(&full).unwrap(), mtime }
    } else {
        Node::File { mode, mtime, content: fs::read(&full).unwrap() }
    };
    nodes.insert(path.to_owned(), node);
}

/// A tree with what trips up archivers: odd names, long paths, links, modes,
/// times with nanoseconds and before 1970, an empty file, one larger than is read whole.
pub(crate) fn plant(root: &Path) {
    let long = "long-".repeat(40);
    fs::create_dir_all(root.join("journal/2026/11")).unwrap();
    fs::create_dir_all(root.join(&long).join(&long)).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("journal/2026/11/23.md"), "woke up\n").unwrap();
    fs::write(root.join("journal/nothing"), "").unwrap();
    fs::write(root.join(&long).join(&long).join("leaf"), "deep").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"caf\xe9 \n\"'")), "odd name").unwrap();
    fs::write(root.join("vectors.bin"), noise(3 << 20, 7)).unwrap();
    fs::write(root.join("block"), noise(1024, 8)).unwrap();
    symlink("journal/2026", root.join("latest")).unwrap();
    symlink("../../vectors.bin", root.join("journal/2026/link")).unwrap();
    symlink("t/".repeat(90), root.join("dangling")).unwrap();
    for (path, mode) in [("journal/nothing", 0o755), ("vectors.bin", 0o400), ("empty", 0o500)] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    set_mtime(&root.join("block"), UNIX_EPOCH - Duration::new(3, 500_000_001));
    set_mtime(&root.join("empty"), UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789));
    set_mtime(&root.join("journal"), UNIX_EPOCH + Duration::new(1_700_000_000, 1));
}

pub(crate) fn set_mtime(path: &Path, time: SystemTime) {
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Bytes that don't compress, the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// `SplitMix64`: small, and enough for choosing places and moments.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// A seed from `LYRA_SEED`, or a new one; printed, so that a failure can be repeated.
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("LYRA_SEED").ok().and_then(|s| s.parse().ok());
        let fresh = || {
            u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros())
                .unwrap()
        };
        let seed = seed.unwrap_or_else(fresh);
        say(&format!("seed: LYRA_SEED={seed}"));
        Self(seed)
    }
}

/// A source, a place for backups and a place for restores, gone with the value.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) source: PathBuf,
    pub(crate) backups: PathBuf,
    pub(crate) target: PathBuf,
}

impl Place {
    /// With an empty source.
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// In memory where that is possible, for tests of bytes rather than of disks.
    pub(crate) fn in_memory() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(dir) => Self::at(dir),
            Err(_) => Self::new(),
        }
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let at = |name: &str| dir.path().join(name);
        let (source, backups, target) = (at("memory"), at("backups"), at("restored"));
        fs::create_dir(&source).unwrap();
        Self { dir, source, backups, target }
    }

    /// With [`plant`]'s tree as the source.
    pub(crate) fn planted() -> Self {
        let place = Self::new();
        plant(&place.source);
        place
    }

    pub(crate) fn manager(&self) -> BackupManager {
        BackupManager::builder(&self.source, &self.backups).build().unwrap()
    }

    pub(crate) fn create(&self) -> CreateReport {
        self.manager().create_blocking(CreateOptions::default()).unwrap()
    }

    /// What lies beside the target and is not it.
    pub(crate) fn siblings(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.starts_with(".restored."))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Not every test runs as root, and a read-only directory would stay.
        let _ = std::process::Command::new("chmod")
            .arg("-R")
            .arg("u+rwX")
            .arg(self.dir.path())
            .status();
    }
}

/// One line that the harness can't swallow.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says that a part of a test could not run, and how to make it run.
pub(crate) fn skipped(name: &str, reason: &str, remedy: &str) {
    say(&format!("SKIPPED {name}: {reason}; get it with {remedy}"));
}

/// The code of a failure, and a panic where there was none.
#[track_caller]
pub(crate) fn code<T>(result: Result<T, BackupError>) -> &'static str {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(e) => e.code().id(),
    }
}
