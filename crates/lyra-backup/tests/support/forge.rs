//! Writes archives by hand, after FORMAT.md and not with the crate's own code,
//! so that they can be wrong in any one way.

use serde_json::{Value, json};
use tar::{EntryType, Header};

pub(crate) const NAME: &str = "lyra_20261123T023000.000Z_f0rged";
const MTIME_NS: i64 = 1_700_000_000_000_000_001;

/// One archive in the making: frames of members, and the manifest about them.
pub(crate) struct Forge {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) entries: Vec<Value>,
    pub(crate) manifest: Value,
    /// Bytes that the seek table claims for a frame instead of its real decoded size.
    pub(crate) claimed: Option<(usize, u64)>,
}

impl Forge {
    /// The header and the root directory.
    pub(crate) fn new() -> Self {
        let created = "2026-11-23T02:30:00Z";
        let header = json!({"format": 1, "requires": [], "name": NAME, "tool": "forge", "created": created,
            "source": "/nowhere", "level": 3, "metadata": {}});
        let text = header.to_string();
        let mut manifest = header;
        manifest["header_file"] =
            json!({"size": text.len(), "blake3": blake3::hash(text.as_bytes()).to_hex().as_str()});
        let created_ns = 1_795_401_000_000_000_000;
        let first = member(
            ".lyra-backup/header.json",
            EntryType::Regular,
            0o644,
            created_ns,
            text.as_bytes(),
        );
        let mut forge = Self { frames: vec![first], entries: vec![], manifest, claimed: None };
        forge.directory(".");
        forge
    }

    pub(crate) fn directory(&mut self, path: &str) {
        self.list(json!({"path": path, "type": "directory", "mode": 0o755, "mtime_ns": MTIME_NS}));
        let shown = if path == "." { "" } else { path };
        self.push(&member(shown, EntryType::Directory, 0o755, MTIME_NS, b""));
    }

    pub(crate) fn file(&mut self, path: &str, content: &[u8]) {
        self.list_file(path, content);
        self.push(&member(path, EntryType::Regular, 0o644, MTIME_NS, content));
    }

    pub(crate) fn list_file(&mut self, path: &str, content: &[u8]) {
        self.list(json!({"path": path, "type": "file", "mode": 0o644, "mtime_ns": MTIME_NS, "size": content.len(),
            "blake3": blake3::hash(content).to_hex().as_str(), "consistency": "stable"}));
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.list(json!({"path": path, "type": "symlink", "mode": 0o777, "mtime_ns": MTIME_NS, "target": target}));
        self.push(&member(path, EntryType::Symlink, 0o777, MTIME_NS, target.as_bytes()));
    }

    pub(crate) fn list(&mut self, entry: Value) {
        self.entries.push(entry);
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.frames.last_mut().unwrap().extend_from_slice(bytes);
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let count = |kind: &str| self.entries.iter().filter(|e| e["type"] == kind).count();
        let bytes = self
            .entries
            .iter()
            .fold(0_u64, |sum, e| sum.saturating_add(e["size"].as_u64().unwrap_or(0)));
        let mut manifest = self.manifest.clone();
        let mut set = |key: &str, value: Value| {
            if manifest.get(key).is_none() {
                manifest[key] = value;
            }
        };
        set(
            "totals",
            json!({"files": count("file"), "directories": count("directory"),
            "symlinks": count("symlink"), "bytes": bytes}),
        );
        set("merkle_root", json!(hex(merkle(&self.entries))));
        set("entries", json!(self.entries));
        let mut last = member(
            ".lyra-backup/manifest.json",
            EntryType::Regular,
            0o644,
            1_795_401_000_000_000_000,
            manifest.to_string().as_bytes(),
        );
        last.extend_from_slice(&[0; 1024]);
        let mut frames = self.frames.clone();
        frames.push(last);
        seal(&frames, self.claimed)
    }
}

/// Compresses the frames and ends them with a right seek table and digest.
pub(crate) fn seal(frames: &[Vec<u8>], claimed: Option<(usize, u64)>) -> Vec<u8> {
    let compressed: Vec<(Vec<u8>, u64)> = frames
        .iter()
        .enumerate()
        .map(|(i, frame)| {
            let size = match claimed {
                Some((at, size)) if at == i => size,
                _ => frame.len() as u64,
            };
            (compress(frame), size)
        })
        .collect();
    seal_compressed(&compressed)
}

pub(crate) fn seal_compressed(frames: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let mut out: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    let count = u32::try_from(frames.len()).unwrap();
    out.extend_from_slice(&0x184D_2A5C_u32.to_le_bytes());
    out.extend_from_slice(&(count * 16 + 48).to_le_bytes());
    for (bytes, decoded) in frames {
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&decoded.to_le_bytes());
    }
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
    out.extend_from_slice(b"LYRASEEK");
    let digest = *blake3::hash(&out).as_bytes();
    out.extend_from_slice(&digest);
    out
}

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// A whole tar member below the archive's root: extended header, header, content, padding.
pub(crate) fn member(
    path: &str,
    kind: EntryType,
    mode: u32,
    mtime_ns: i64,
    content: &[u8],
) -> Vec<u8> {
    member_with(path, kind, mode, mtime_ns, content, b"")
}

pub(crate) fn member_with(
    path: &str,
    kind: EntryType,
    mode: u32,
    mtime_ns: i64,
    content: &[u8],
    more_records: &[u8],
) -> Vec<u8> {
    let mut full = if path.is_empty() { NAME.to_owned() } else { format!("{NAME}/{path}") };
    if kind == EntryType::Directory {
        full.push('/');
    }
    let (link, body) =
        if kind == EntryType::Symlink { (content, &b""[..]) } else { (&b""[..], content) };
    let mut records = Vec::new();
    if full.len() > 100 {
        records.extend_from_slice(&record("path", full.as_bytes()));
    }
    let time = format!("{}.{:09}", mtime_ns / 1_000_000_000, mtime_ns % 1_000_000_000);
    records.extend_from_slice(&record("mtime", time.as_bytes()));
    records.extend_from_slice(more_records);
    let mut out =
        block(EntryType::XHeader, b"PaxHeaders/member", 0o644, records.len() as u64, 0, b"");
    pad(&mut out, &records);
    let seconds = u64::try_from(mtime_ns / 1_000_000_000).unwrap();
    out.extend_from_slice(&block(kind, full.as_bytes(), mode, body.len() as u64, seconds, link));
    pad(&mut out, body);
    out
}

pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let len = (1..)
        .map(|n| n + rest.len())
        .find(|len| len.to_string().len() + rest.len() == *len)
        .unwrap();
    [len.to_string().as_bytes(), &rest].concat()
}

pub(crate) fn block(
    kind: EntryType,
    name: &[u8],
    mode: u32,
    size: u64,
    mtime: u64,
    link: &[u8],
) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(mtime);
    let fields = header.as_old_mut();
    fields.name[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    fields.linkname[..link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn pad(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
}

fn merkle(entries: &[Value]) -> [u8; 32] {
    let leaf = |e: &Value| {
        let text = |key: &str| e[key].as_str().unwrap_or("").as_bytes().to_vec();
        let (kind, tail) = match e["type"].as_str().unwrap() {
            "directory" => (b'd', vec![]),
            "symlink" => (b'l', text("target")),
            _ => (
                b'f',
                blake3::Hash::from_hex(text("blake3")).map_or(vec![], |h| h.as_bytes().to_vec()),
            ),
        };
        let path = text("path");
        let mut bytes = vec![0, kind];
        bytes.extend_from_slice(&u32::try_from(e["mode"].as_u64().unwrap()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&e["mtime_ns"].as_i64().unwrap().to_le_bytes());
        bytes.extend_from_slice(&e["size"].as_u64().unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&(path.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&path);
        bytes.extend_from_slice(&tail);
        *blake3::hash(&bytes).as_bytes()
    };
    let mut level: Vec<[u8; 32]> = entries.iter().map(leaf).collect();
    while level.len() > 1 {
        let join = |pair: &[[u8; 32]]| match pair {
            [a, b] => *blake3::hash(&[&[1][..], a, b].concat()).as_bytes(),
            one => one[0],
        };
        level = level.chunks(2).map(join).collect();
    }
    level[0]
}

fn hex(bytes: [u8; 32]) -> String {
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}
