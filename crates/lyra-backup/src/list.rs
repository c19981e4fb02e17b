//! Which backups there are, told by sidecars and, without them, by the archives.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::archive::Archive;
use crate::error::{IoAt as _, Result};
use crate::name::{ARCHIVE_SUFFIX, SIDECAR_SUFFIX, prefix_of};
use crate::sidecar::{Sidecar, Verdict};

/// What lies in a backup directory.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The backups, newest first.
    pub backups: Vec<BackupInfo>,
    /// Everything else, hidden files aside. Never touched by `prune`.
    pub unknown: Vec<UnknownFile>,
}

/// One backup, as its sidecar or the end of its archive describes it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BackupInfo {
    /// The name that `validate` and `restore` take.
    pub name: String,
    /// What the name begins with.
    pub prefix: String,
    /// The archive.
    pub path: PathBuf,
    /// When it was made, as the archive says; never a file's time.
    pub created: Timestamp,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// Size of the files' content in bytes.
    pub content_bytes: u64,
    /// Regular files in it.
    pub files: u64,
    /// Directories in it, the root included.
    pub directories: u64,
    /// Symbolic links in it.
    pub symlinks: u64,
    /// Files that were written to while they were read.
    pub changed_files: u64,
    /// SQLite databases that are of one instant, and that SQLite could not check.
    pub unchecked_databases: u64,
    /// SQLite databases that were copied as plain files.
    pub unsnapshotted_databases: u64,
    /// The directory that was backed up.
    pub source: String,
    /// The program that wrote it, with its version.
    pub tool: String,
    /// The caller's keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Whether every byte was checked, and what came of it.
    pub status: BackupStatus,
}

/// What is known about the soundness of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupStatus {
    /// Every byte was read and checked then.
    Verified {
        /// The last time it was.
        at: Timestamp,
    },
    /// Its end is in order; the rest was not read, or nothing says that it was.
    Unverified,
    /// A validation found it damaged.
    Damaged {
        /// When.
        at: Timestamp,
        /// What was wrong.
        detail: String,
    },
}

/// A file in the backup directory that is not a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownFile {
    /// Its path.
    pub path: PathBuf,
    /// Why it is not taken for a backup.
    pub reason: String,
}

impl Listing {
    /// The backup `name`, if it is listed.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&BackupInfo> {
        self.backups.iter().find(|b| b.name == name)
    }
}

impl BackupStatus {
    /// Whether the last full check found every byte in order.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Verified { .. })
    }
}

pub(crate) fn list(dir: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(e) => return Err(e).at("list", dir),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.at("list", dir)?.file_name());
    }
    names.sort();
    for file_name in names {
        let path = dir.join(&file_name);
        let text = file_name.to_string_lossy();
        if text.starts_with('.') {
            continue;
        }
        if let Some(name) = text.strip_suffix(ARCHIVE_SUFFIX) {
            match describe(dir, name, &path) {
                Ok(info) => listing.backups.push(info),
                Err(reason) => listing.unknown.push(UnknownFile { path, reason }),
            }
        } else if !is_sidecar(dir, &text) {
            let reason = "not an archive of this program".to_owned();
            listing.unknown.push(UnknownFile { path, reason });
        }
    }
    listing.backups.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name)));
    Ok(listing)
}

fn is_sidecar(dir: &Path, file_name: &str) -> bool {
    file_name.strip_suffix(SIDECAR_SUFFIX).is_some_and(|name| {
        prefix_of(name).is_some() && dir.join(format!("{name}{ARCHIVE_SUFFIX}")).exists()
    })
}

fn describe(dir: &Path, name: &str, path: &Path) -> Result<BackupInfo, String> {
    let prefix = prefix_of(name).ok_or("its name is not that of a backup")?;
    let sidecar = match Sidecar::load(dir, name, path) {
        Some(sidecar) => sidecar,
        None => Sidecar::of_archive(&Archive::open(path).map_err(|e| e.to_string())?),
    };
    if sidecar.name != name {
        return Err(format!("it was renamed; its own name is {}", sidecar.name));
    }
    Ok(BackupInfo {
        name: sidecar.name,
        prefix: prefix.to_owned(),
        path: path.to_owned(),
        created: sidecar.created,
        archive_bytes: sidecar.archive_bytes,
        content_bytes: sidecar.totals.bytes,
        files: sidecar.totals.files,
        directories: sidecar.totals.directories,
        symlinks: sidecar.totals.symlinks,
        changed_files: sidecar.changed_files,
        unchecked_databases: sidecar.unchecked_databases,
        unsnapshotted_databases: sidecar.unsnapshotted_databases,
        source: sidecar.source,
        tool: sidecar.tool,
        metadata: sidecar.metadata,
        status: match sidecar.verdict {
            Verdict::Unverified => BackupStatus::Unverified,
            Verdict::Verified { at } => BackupStatus::Verified { at },
            Verdict::Damaged { at, detail } => BackupStatus::Damaged { at, detail },
        },
    })
}
