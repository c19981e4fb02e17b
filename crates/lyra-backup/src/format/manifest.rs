//! The manifest: what the archive holds, member by member, and how to know it is whole.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::member::{Member, MemberKind};
use super::{FORMAT, RESERVED_DIR, base64};

/// Linux's `PATH_MAX` without the terminating zero.
const PATH_LIMIT: usize = 4095;
/// Linux's `NAME_MAX`.
const NAME_LIMIT: usize = 255;

/// A BLAKE3 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

/// What the whole archive holds. Unknown fields of later versions are ignored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) totals: Totals,
    /// Size and digest of `header.json`, the one member without an entry.
    pub(crate) header_file: HeaderFile,
    pub(crate) merkle_root: Digest,
    /// What of the source is not in the archive, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) skipped: Vec<SkippedEntry>,
    pub(crate) entries: Vec<Entry>,
}

/// What is known before the first file is read; also the content of `header.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    /// Features without which the archive can't be restored rightly.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    pub(crate) name: String,
    pub(crate) tool: String,
    pub(crate) created: Timestamp,
    pub(crate) source: String,
    pub(crate) level: i32,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct HeaderFile {
    pub(crate) size: u64,
    pub(crate) blake3: Digest,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) symlinks: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SkippedEntry {
    pub(crate) path: String,
    pub(crate) reason: String,
}

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

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ManifestError {
    Newer(String),
    Damaged(String),
    Unsafe { member: String, reason: &'static str },
}

impl Manifest {
    /// Reads a manifest and checks every rule that needs no other part of the archive.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            #[serde(default)]
            requires: Vec<String>,
        }
        let damaged = |e: serde_json::Error| {
            ManifestError::Damaged(format!("its manifest can't be read: {e}"))
        };
        // The version decides first: what a later one writes need not parse here.
        let version: Version = serde_json::from_slice(json).map_err(damaged)?;
        if version.format > FORMAT {
            return Err(ManifestError::Newer(format!("format {}", version.format)));
        }
        if !version.requires.is_empty() {
            return Err(ManifestError::Newer(version.requires.join(", ")));
        }
        let manifest: Self = serde_json::from_slice(json).map_err(damaged)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The path of `entry` in the archive.
    pub(crate) fn member_path(&self, entry: &Entry) -> Vec<u8> {
        self.header.member_path(&entry.path)
    }

    /// What the tar headers of `entry` say, given its [`Manifest::member_path`].
    pub(crate) fn member<'a>(entry: &'a Entry, path: &'a [u8]) -> Member<'a> {
        Member {
            path,
            kind: match &entry.kind {
                EntryKind::Directory => MemberKind::Directory,
                EntryKind::File { size, .. } => MemberKind::File { size: *size },
                EntryKind::Symlink { target } => MemberKind::Symlink { target },
            },
            mode: entry.mode,
            mtime_ns: entry.mtime_ns,
        }
    }

    fn check(&self) -> Result<(), ManifestError> {
        let damaged = |what: &str| Err(ManifestError::Damaged(what.to_owned()));
        if self.header.format == 0 {
            return damaged("its format number is zero");
        }
        let name = &self.header.name;
        if crate::name::check_name(name).is_err() {
            return damaged("its name is not a plain name");
        }
        match self.entries.first() {
            Some(root) if root.path == Path::new(".") && root.kind == EntryKind::Directory => {}
            _ => return damaged("its manifest does not begin with the root directory"),
        }
        let mut directories = HashSet::from([Path::new("")]);
        let mut seen = HashSet::new();
        let mut totals = Totals::default();
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                check_path(&entry.path).map_err(|reason| entry.refused(reason))?;
                if !seen.insert(entry.path.as_path()) {
                    return Err(entry.refused("it stands in the manifest twice"));
                }
                let parent = entry.path.parent().unwrap_or(Path::new(""));
                if !directories.contains(parent) {
                    return Err(entry.refused("its directory does not stand before it"));
                }
                if entry.kind == EntryKind::Directory {
                    directories.insert(&entry.path);
                }
            }
            if let EntryKind::Symlink { target } = &entry.kind
                && (target.is_empty() || target.len() > PATH_LIMIT || target.contains(&0))
            {
                return Err(entry.refused("its link target is not a path"));
            }
            totals.add(&entry.kind);
        }
        if totals != self.totals {
            return damaged("its totals differ from its entries");
        }
        if merkle_root(&self.entries) != self.merkle_root {
            return damaged("its Merkle root differs from its entries");
        }
        Ok(())
    }
}

impl Header {
    /// `path` below the archive's root directory.
    pub(crate) fn member_path(&self, path: &Path) -> Vec<u8> {
        let mut full = self.name.clone().into_bytes();
        if path != Path::new(".") {
            full.push(b'/');
            full.extend_from_slice(path.as_os_str().as_bytes());
        }
        full
    }

    /// The tar headers of one of the two members that this crate adds.
    pub(crate) fn own_member(&self, file: &str, size: u64) -> Vec<u8> {
        let path = self.member_path(&Path::new(RESERVED_DIR).join(file));
        Member {
            path: &path,
            kind: MemberKind::File { size },
            mode: 0o644,
            mtime_ns: timestamp_ns(self.created),
        }
        .encode()
    }
}

impl Entry {
    pub(crate) fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
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

    fn refused(&self, reason: &'static str) -> ManifestError {
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

impl Totals {
    pub(crate) fn add(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::Directory => self.directories += 1,
            EntryKind::Symlink { .. } => self.symlinks += 1,
            EntryKind::File { size, .. } => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(*size);
            }
        }
    }

    pub(crate) fn members(&self) -> u64 {
        self.files + self.directories + self.symlinks
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

/// Nanoseconds since 1970; beyond the years 1677 to 2262 the nearest of them.
pub(crate) fn timestamp_ns(instant: Timestamp) -> i64 {
    let ns = instant.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

/// Plain names joined by single slashes, below the root, not in the reserved directory.
fn check_path(path: &Path) -> Result<(), &'static str> {
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

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = blake3::Hash::from_hex(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(*hash.as_bytes()))
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

    fn manifest(entries: Vec<Entry>) -> Manifest {
        let mut totals = Totals::default();
        for e in &entries {
            totals.add(&e.kind);
        }
        Manifest {
            header: Header {
                format: 1,
                requires: vec![],
                name: "n".into(),
                tool: "t".into(),
                created: Timestamp::UNIX_EPOCH,
                source: "s".into(),
                level: 3,
                metadata: BTreeMap::new(),
            },
            totals,
            header_file: HeaderFile { size: 0, blake3: Digest([0; 32]) },
            merkle_root: merkle_root(&entries),
            skipped: vec![],
            entries,
        }
    }

    fn parse(manifest: &Manifest) -> Result<Manifest, ManifestError> {
        Manifest::parse(&serde_json::to_vec(manifest).unwrap())
    }

    #[test]
    fn names_that_are_not_utf8_survive() {
        let raw = OsString::from_vec(b"caf\xe9".to_vec());
        let entries = vec![
            entry(".", EntryKind::Directory),
            entry("x", EntryKind::Symlink { target: raw.clone().into_vec() }),
            Entry { path: raw.clone().into(), ..entry("", EntryKind::Directory) },
        ];
        let read = parse(&manifest(entries)).unwrap();
        assert_eq!(read.entries[2].path.as_os_str(), raw);
        assert_eq!(read.entries[1].kind, EntryKind::Symlink { target: raw.into_vec() });
    }

    #[test]
    fn paths_that_leave_the_root_are_refused() {
        for bad in [
            "..",
            "../x",
            "/etc",
            "a//b",
            "a/./b",
            "a/../b",
            "",
            "a\0",
            ".lyra-backup/x",
            "orphan/child",
        ] {
            let entries = vec![
                entry(".", EntryKind::Directory),
                entry("a", EntryKind::Directory),
                entry(bad, EntryKind::Directory),
            ];
            let found = parse(&manifest(entries));
            assert!(matches!(found, Err(ManifestError::Unsafe { .. })), "{bad}: {found:?}");
        }
        let twice = vec![
            entry(".", EntryKind::Directory),
            entry("a", EntryKind::Directory),
            link("a", "b"),
        ];
        assert!(matches!(parse(&manifest(twice)), Err(ManifestError::Unsafe { .. })));
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
    fn later_versions_are_named_and_optional_fields_ignored() {
        let good = manifest(vec![entry(".", EntryKind::Directory)]);
        let mut value = serde_json::to_value(&good).unwrap();
        value["tags"] = serde_json::json!(["nightly"]);
        value["entries"][0]["xattrs"] = serde_json::json!({"user.a": "b"});
        assert!(Manifest::parse(value.to_string().as_bytes()).is_ok());
        value["requires"] = serde_json::json!(["deltas"]);
        value["entries"] = serde_json::json!("unreadable here");
        assert_eq!(
            Manifest::parse(value.to_string().as_bytes()).err(),
            Some(ManifestError::Newer("deltas".into()))
        );
        value["format"] = serde_json::json!(2);
        assert_eq!(
            Manifest::parse(value.to_string().as_bytes()).err(),
            Some(ManifestError::Newer("format 2".into()))
        );
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
