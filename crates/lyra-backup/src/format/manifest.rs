//! The manifest: what the archive holds, member by member, and how to know it is whole.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::digest::Digest;
use super::entry::{Entry, EntryKind, PATH_LIMIT, check_path, merkle_root};
use super::member::{Member, MemberKind};
use super::{FORMAT, RESERVED_DIR};

/// More features than any version will ever require at once.
const REQUIRES_LIMIT: usize = 64;

/// What the whole archive holds. Unknown fields of later versions are ignored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "RawManifest")]
pub(crate) struct Manifest {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) totals: Totals,
    /// Size and digest of `header.json`, the one member without an entry.
    pub(crate) header_file: HeaderFile,
    pub(crate) merkle_root: Digest,
    /// What of the source is not in the archive, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) skipped: Vec<SkippedEntry>,
    pub(crate) entries: Vec<Entry>,
}

/// A manifest as it is read. Reading through `flatten` would first build every
/// unknown field in memory, a hundred times what it takes in the file.
#[derive(Deserialize)]
struct RawManifest {
    format: u32,
    #[serde(default, deserialize_with = "few")]
    requires: Vec<String>,
    name: String,
    tool: String,
    created: Timestamp,
    source: String,
    level: i32,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    totals: Totals,
    header_file: HeaderFile,
    merkle_root: Digest,
    #[serde(default)]
    skipped: Vec<SkippedEntry>,
    entries: Vec<Entry>,
}

impl From<RawManifest> for Manifest {
    fn from(raw: RawManifest) -> Self {
        Self {
            header: Header {
                format: raw.format,
                requires: raw.requires,
                name: raw.name,
                tool: raw.tool,
                created: raw.created,
                source: raw.source,
                level: raw.level,
                metadata: raw.metadata,
            },
            totals: raw.totals,
            header_file: raw.header_file,
            merkle_root: raw.merkle_root,
            skipped: raw.skipped,
            entries: raw.entries,
        }
    }
}

/// Strings, of which there are not more than anybody needs.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {REQUIRES_LIMIT} strings")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut strings = Vec::new();
            while let Some(string) = seq.next_element()? {
                if strings.len() == REQUIRES_LIMIT {
                    return Err(A::Error::invalid_length(strings.len() + 1, &self));
                }
                strings.push(string);
            }
            Ok(strings)
        }
    }
    deserializer.deserialize_seq(Few)
}

/// What is known before the first file is read; also the content of `header.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    /// Features without which the archive can't be restored rightly.
    pub(crate) requires: Vec<String>,
    pub(crate) name: String,
    pub(crate) tool: String,
    pub(crate) created: Timestamp,
    pub(crate) source: String,
    pub(crate) level: i32,
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
            #[serde(default, deserialize_with = "few")]
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

/// Nanoseconds since 1970; beyond the years 1677 to 2262 the nearest of them.
pub(crate) fn timestamp_ns(instant: Timestamp) -> i64 {
    let ns = instant.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

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
}
