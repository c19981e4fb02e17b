//! One member as the manifest lists it, and the rules for its path.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::manifest::ManifestError;
use super::{RESERVED_DIR, base64};

/// Linux's `PATH_MAX` without the terminating zero.
pub(crate) const PATH_LIMIT: usize = 4095;
/// Linux's `NAME_MAX`.
pub(crate) const NAME_LIMIT: usize = 255;

/// One member below the root. The root itself has the path `.`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "RawEntry", into = "RawEntry")]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    pub(crate) mtime_ns: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Directory,
    File { size: u64, blake3: Digest, consistency: Consistency },
    Symlink { target: Vec<u8> },
}

/// How a file's content relates to one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Consistency {
    /// Nothing moved while it was read.
    Stable,
    /// A consistent, checked copy of a SQLite database.
    SqliteSnapshot,
    /// A consistent copy of a SQLite database that could not be checked.
    SqliteUnchecked,
    /// A SQLite database that could only be copied as a plain file.
    SqliteUnsnapshotted,
    /// It was written to while it was read.
    ChangedDuringRead,
    /// A mark of a later version.
    #[serde(other)]
    Unknown,
}

/// An entry as JSON spells it.
#[derive(Serialize, Deserialize)]
struct RawEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    mode: u32,
    mtime_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blake3: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consistency: Option<Consistency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_b64: Option<String>,
}

impl Entry {
    pub(crate) fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// The mode that a restore sets: no file runs as anybody but its caller. On a
    /// directory, the sticky bit and set-group-id only say who may do what in it.
    pub(crate) fn restored_mode(&self) -> u32 {
        match self.kind {
            EntryKind::Directory => self.mode & 0o3777,
            _ => self.mode & 0o777,
        }
    }

    /// Whether a symlink's target could, by whatever links stand in its way, leave the tree.
    ///
    /// `..` is allowed only at the front, where the directories it climbs are
    /// real ones; behind a name it might climb out of what another link
    /// points to. Then no chain of links leads outside.
    pub(crate) fn points_outside(&self) -> bool {
        let EntryKind::Symlink { target } = &self.kind else {
            return false;
        };
        let depth = self.path.components().count() - 1;
        let mut climbed = 0;
        let mut named = false;
        for part in target.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." if named => return true,
                b".." => climbed += 1,
                _ => named = true,
            }
        }
        target.first() == Some(&b'/') || climbed > depth
    }

    pub(crate) fn refused(&self, reason: &'static str) -> ManifestError {
        ManifestError::Unsafe { member: self.path.display().to_string(), reason }
    }

    fn leaf(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        let (kind, size, tail): (u8, u64, &[u8]) = match &self.kind {
            EntryKind::Directory => (b'd', 0, &[]),
            EntryKind::File { size, blake3, .. } => (b'f', *size, &blake3.0),
            EntryKind::Symlink { target } => (b'l', 0, target),
        };
        let path = self.path.as_os_str().as_bytes();
        hasher.update(&[0, kind]);
        hasher.update(&self.mode.to_le_bytes());
        hasher.update(&self.mtime_ns.to_le_bytes());
        hasher.update(&size.to_le_bytes());
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path);
        hasher.update(tail);
        Digest(*hasher.finalize().as_bytes())
    }
}

/// The root over the entries' leaves; an odd one out moves up unchanged.
pub(crate) fn merkle_root(entries: &[Entry]) -> Digest {
    let mut level: Vec<Digest> = entries.iter().map(Entry::leaf).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    let mut hasher = blake3::Hasher::new();
                    hasher.update(&[1]);
                    hasher.update(&left.0);
                    hasher.update(&right.0);
                    Digest(*hasher.finalize().as_bytes())
                }
                single => single[0],
            })
            .collect();
    }
    level.first().copied().unwrap_or(Digest([0; 32]))
}

/// Plain names joined by single slashes, below the root, not in the reserved directory.
pub(crate) fn check_path(path: &Path) -> Result<(), &'static str> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > PATH_LIMIT {
        return Err("its path is longer than 4095 bytes");
    }
    for (index, part) in bytes.split(|b| *b == b'/').enumerate() {
        match part {
            b"" => return Err("its path is absolute or has an empty part"),
            b"." | b".." => return Err("its path would leave the target"),
            _ if part.contains(&0) => return Err("its path holds a zero byte"),
            _ if part.len() > NAME_LIMIT => {
                return Err("a part of its path is longer than 255 bytes");
            }
            _ if index == 0 && part == RESERVED_DIR.as_bytes() => {
                return Err("its path is reserved");
            }
            _ => {}
        }
    }
    Ok(())
}

impl From<Entry> for RawEntry {
    fn from(entry: Entry) -> Self {
        let (path, path_b64) = split_text(entry.path.into_os_string().into_vec());
        let mut raw = Self {
            path,
            path_b64,
            kind: String::new(),
            mode: entry.mode,
            mtime_ns: entry.mtime_ns,
            size: None,
            blake3: None,
            consistency: None,
            target: None,
            target_b64: None,
        };
        match entry.kind {
            EntryKind::Directory => raw.kind.push_str("directory"),
            EntryKind::File { size, blake3, consistency } => {
                raw.kind.push_str("file");
                raw.size = Some(size);
                raw.blake3 = Some(blake3);
                raw.consistency = Some(consistency);
            }
            EntryKind::Symlink { target } => {
                raw.kind.push_str("symlink");
                (raw.target, raw.target_b64) = split_text(target);
            }
        }
        raw
    }
}

impl TryFrom<RawEntry> for Entry {
    type Error = &'static str;

    fn try_from(raw: RawEntry) -> Result<Self, Self::Error> {
        let path = join_text(raw.path, raw.path_b64.as_deref())?;
        let kind = match raw.kind.as_str() {
            "directory" => EntryKind::Directory,
            "file" => EntryKind::File {
                size: raw.size.ok_or("a file has no size")?,
                blake3: raw.blake3.ok_or("a file has no digest")?,
                consistency: raw.consistency.unwrap_or(Consistency::Unknown),
            },
            "symlink" => {
                EntryKind::Symlink { target: join_text(raw.target, raw.target_b64.as_deref())? }
            }
            _ => return Err("an entry is neither file, directory nor symlink"),
        };
        Ok(Self {
            path: PathBuf::from(OsString::from_vec(path)),
            kind,
            mode: raw.mode,
            mtime_ns: raw.mtime_ns,
        })
    }
}

fn split_text(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(base64::encode(error.as_bytes()))),
    }
}

fn join_text(text: Option<String>, b64: Option<&str>) -> Result<Vec<u8>, &'static str> {
    match (text, b64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(b64)) => base64::decode(b64).ok_or("a path is not base64"),
        _ => Err("an entry needs exactly one of a path and a path in base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: EntryKind) -> Entry {
        Entry { path: path.into(), kind, mode: 0o755, mtime_ns: 1 }
    }

    fn link(path: &str, target: &str) -> Entry {
        let target = target.as_bytes().to_vec();
        entry(path, EntryKind::Symlink { target })
    }

    #[test]
    fn links_that_could_leave_the_tree_are_told_apart() {
        for (path, target, outside) in [
            ("l", "a/b", false),
            ("l", "..", true),
            ("d/l", "..", false),
            ("d/l", "../x/y", false),
            ("d/l", "../../x", true),
            ("d/l", "./../x", false),
            ("l", "/etc/passwd", true),
            ("l", "a/..", true),
            ("d/e/l", "up/..", true),
            ("l", "", false),
        ] {
            assert_eq!(link(path, target).points_outside(), outside, "{path} -> {target}");
        }
    }

    #[test]
    fn the_merkle_root_covers_every_field_of_every_entry() {
        let base = vec![entry(".", EntryKind::Directory), link("a", "b"), link("c", "d")];
        let root = merkle_root(&base);
        for change in [
            vec![base[0].clone(), base[2].clone(), base[1].clone()],
            vec![base[0].clone(), base[1].clone()],
            vec![base[0].clone(), base[1].clone(), link("c", "e")],
            vec![base[0].clone(), base[1].clone(), Entry { mode: 0, ..base[2].clone() }],
            vec![base[0].clone(), base[1].clone(), Entry { mtime_ns: 2, ..base[2].clone() }],
        ] {
            assert_ne!(merkle_root(&change), root);
        }
    }
}
