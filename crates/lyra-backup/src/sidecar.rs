//! The cached summary beside an archive. It is never needed and never trusted blindly.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::archive::{Archive, open_regular};
use crate::durable::write_atomically;
use crate::error::Result;
use crate::format::digest::Digest;
use crate::format::entry::{Consistency, Entry, EntryKind};
use crate::format::manifest::{Manifest, Totals};
use crate::name::{SIDECAR_DRAFT, SIDECAR_SUFFIX, random_id};

/// Larger than any sidecar that this crate writes.
const SIDECAR_LIMIT: u64 = 1 << 20;

/// What `list` shows, and what tells whether it still belongs to the archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) tool: String,
    pub(crate) source: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) totals: Totals,
    pub(crate) changed_files: u64,
    pub(crate) unchecked_databases: u64,
    pub(crate) unsnapshotted_databases: u64,
    pub(crate) archive_bytes: u64,
    /// The archive's own last 32 bytes.
    pub(crate) tail_digest: Digest,
    /// BLAKE3 of the whole file, where it was computed.
    pub(crate) archive_blake3: Option<Digest>,
    pub(crate) manifest_offset: u64,
    pub(crate) verdict: Verdict,
}

/// What the last look at every byte said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum Verdict {
    Unverified,
    Verified { at: Timestamp },
    Damaged { at: Timestamp, detail: String },
}

impl Sidecar {
    pub(crate) fn of(
        manifest: &Manifest,
        archive_bytes: u64,
        tail_digest: Digest,
        archive_blake3: Option<Digest>,
        manifest_offset: u64,
    ) -> Self {
        let count = |wanted: Consistency| {
            let has = |e: &&Entry| matches!(e.kind, EntryKind::File { consistency, .. } if consistency == wanted);
            manifest.entries.iter().filter(has).count() as u64
        };
        Self {
            name: manifest.header.name.clone(),
            created: manifest.header.created,
            tool: manifest.header.tool.clone(),
            source: manifest.header.source.clone(),
            metadata: manifest.header.metadata.clone(),
            totals: manifest.totals,
            changed_files: count(Consistency::ChangedDuringRead),
            unchecked_databases: count(Consistency::SqliteUnchecked),
            unsnapshotted_databases: count(Consistency::SqliteUnsnapshotted),
            archive_bytes,
            tail_digest,
            archive_blake3,
            manifest_offset,
            verdict: Verdict::Unverified,
        }
    }

    pub(crate) fn of_archive(archive: &Archive) -> Self {
        Self::of(
            &archive.manifest,
            archive.len,
            archive.tail_digest,
            None,
            archive.table.manifest_offset(),
        )
    }

    /// The sidecar of `name`, if it is whole, whether or not its archive is there.
    pub(crate) fn read(dir: &Path, name: &str) -> Option<Self> {
        let path = dir.join(format!("{name}{SIDECAR_SUFFIX}"));
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > SIDECAR_LIMIT {
            return None;
        }
        let mut value: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let summary = value.get_mut("summary")?.take();
        if value.get("blake3")?.as_str()? != checksum(&summary) {
            return None;
        }
        let sidecar: Self = serde_json::from_value(summary).ok()?;
        (sidecar.name == name).then_some(sidecar)
    }

    /// The sidecar of `name`, if it is whole and belongs to the archive that lies there now.
    pub(crate) fn load(dir: &Path, name: &str, archive: &Path) -> Option<Self> {
        let sidecar = Self::read(dir, name)?;
        let file = open_regular(archive).ok()?;
        let len = file.metadata().ok()?.len();
        let mut tail = [0; 32];
        file.read_exact_at(&mut tail, len.checked_sub(32)?).ok()?;
        let belongs = sidecar.archive_bytes == len && sidecar.tail_digest == Digest(tail);
        belongs.then_some(sidecar)
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let summary =
            serde_json::to_value(self).expect("the sidecar's types have no failing serialiser");
        let blake3 = checksum(&summary);
        let document = json!({ "summary": summary, "blake3": blake3 });
        let text = format!("{document:#}\n");
        let path = dir.join(format!("{}{SIDECAR_SUFFIX}", self.name));
        let draft = dir.join(format!(".{}{SIDECAR_DRAFT}{}", self.name, random_id()));
        write_atomically(&path, &draft, text.as_bytes())
    }
}

/// Over the compact form with sorted keys, which is how `Value` prints itself,
/// so that fields of later versions are covered too.
fn checksum(summary: &Value) -> String {
    blake3::hash(summary.to_string().as_bytes()).to_hex().to_string()
}
