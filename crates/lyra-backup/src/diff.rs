//! What a restore would change in the target.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{IoAt as _, Result};
use crate::format::entry::{Consistency, Entry, EntryKind};
use crate::format::manifest::Manifest;
use crate::source_file::mtime_ns;
use crate::walk::{FoundKind, walk};

/// What a restore would change in the target, by path relative to it.
///
/// A file counts as changed when its type, permissions or content differ; times
/// don't count. The files of databases are compared by size and time only,
/// because opening them could disturb a process that has them open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreDiff {
    /// In the backup and not in the target.
    pub added: Vec<PathBuf>,
    /// In both, and different.
    pub changed: Vec<PathBuf>,
    /// In the target and not in the backup.
    pub deleted: Vec<PathBuf>,
    /// In both, and the same.
    pub unchanged: u64,
}

pub(crate) fn diff(manifest: &Manifest, target: &Path) -> Result<RestoreDiff> {
    let mut diff = RestoreDiff::default();
    let mut present = BTreeMap::new();
    if target.is_dir() {
        for found in walk(target, Path::new(""))?.found {
            present.insert(found.path, found.kind);
        }
    }
    let live = live_databases(&present);
    for entry in &manifest.entries {
        match present.remove(&entry.path) {
            None => diff.added.push(entry.path.clone()),
            Some(kind) if same(entry, kind, target, &live)? => diff.unchanged += 1,
            Some(_) => diff.changed.push(entry.path.clone()),
        }
    }
    diff.deleted = present.into_keys().collect();
    Ok(diff)
}

/// Files beside which a `-wal`, `-shm` or `-journal` lies.
fn live_databases(present: &BTreeMap<PathBuf, FoundKind>) -> BTreeSet<PathBuf> {
    let suffixes = [&b"-wal"[..], b"-shm", b"-journal"];
    let base = |path: &PathBuf| {
        let bytes = path.as_os_str().as_bytes();
        let base = suffixes.iter().find_map(|s| bytes.strip_suffix(*s))?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(base)))
    };
    present.keys().filter_map(base).collect()
}

fn same(entry: &Entry, found: FoundKind, target: &Path, live: &BTreeSet<PathBuf>) -> Result<bool> {
    let path = target.join(&entry.path);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e).at("read", &path),
    };
    let same_mode = metadata.mode() & 0o7777 == entry.restored_mode();
    match (&entry.kind, found) {
        (EntryKind::Directory, FoundKind::Directory) => Ok(same_mode),
        (EntryKind::Symlink { target }, FoundKind::Symlink) => {
            let link = fs::read_link(&path).at("read", &path)?;
            Ok(link.as_os_str().as_bytes() == target.as_slice())
        }
        (EntryKind::File { size, blake3, consistency }, FoundKind::File) => {
            if !same_mode || metadata.len() != *size {
                return Ok(false);
            }
            if *size == 0 {
                return Ok(true);
            }
            let database = matches!(
                consistency,
                Consistency::SqliteSnapshot
                    | Consistency::SqliteUnchecked
                    | Consistency::SqliteUnsnapshotted
            );
            if database || live.contains(&entry.path) {
                return Ok(mtime_ns(&metadata) == entry.mtime_ns);
            }
            let mut hasher = blake3::Hasher::new();
            let mut file = fs::File::open(&path).at("open", &path)?;
            io::copy(&mut file, &mut hasher).at("read", &path)?;
            Ok(hasher.finalize() == blake3.0)
        }
        _ => Ok(false),
    }
}
