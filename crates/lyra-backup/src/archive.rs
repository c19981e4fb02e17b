//! Reads an archive: its end first, then every byte in order.
//!
//! One decoder serves validation, the dry run and the restore; what differs is
//! the sink that the members go to.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zstd::stream::read::Decoder;

mod tar_stream;

use self::tar_stream::TarStream;
use crate::error::{
    BackupError, CorruptSnafu, IoAt as _, NewerFormatSnafu, Result, UnsafeMemberSnafu, io_error,
};
use crate::format::digest::Digest;
use crate::format::entry::{Entry, EntryKind};
use crate::format::manifest::{Manifest, ManifestError};
use crate::format::member::{check_records, pax_size};
use crate::format::seek_table::{FOOTER_BYTES, Frame, SeekTable, TableError};
use crate::format::{
    BLOCK, HEADER_LIMIT, MANIFEST_LIMIT, MANIFEST_RATIO, MANIFEST_SLACK, PAX_LIMIT, padding,
};
use crate::progress::Counter;

/// Larger windows than 128 MiB are never written, and would let a small file ask for much memory.
const WINDOW_LOG_MAX: u32 = 27;
const CHUNK: usize = 128 << 10;

/// Where members go. Everything handed over comes from the checked manifest;
/// the content is known to be right only once `end` is called.
pub(crate) trait MemberSink {
    fn begin(&mut self, entry: &Entry) -> Result<()>;
    fn data(&mut self, bytes: &[u8]) -> Result<()>;
    fn end(&mut self, entry: &Entry) -> Result<()>;
}

/// Takes everything and keeps nothing.
pub(crate) struct Discard;

impl MemberSink for Discard {
    fn begin(&mut self, _: &Entry) -> Result<()> {
        Ok(())
    }
    fn data(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn end(&mut self, _: &Entry) -> Result<()> {
        Ok(())
    }
}

/// An archive whose end and manifest were read and found in order.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) len: u64,
    /// BLAKE3 of every byte before these last 32.
    pub(crate) tail_digest: Digest,
    pub(crate) table: SeekTable,
    file: File,
    table_frame: Vec<u8>,
    manifest_digest: blake3::Hash,
}

/// What a whole pass over an archive tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked {
    /// BLAKE3 of the whole file, as `b3sum` prints it.
    pub(crate) archive_digest: Digest,
}

impl Archive {
    /// Opens the archive and reads its seek table and manifest, which is a few
    /// reads however large it is.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_regular(path)?;
        let len = file.metadata().at("read the size of", path)?.len();
        let corrupt = |detail: &str| corrupt(path, detail.to_owned());
        let footer_len = FOOTER_BYTES.min(len);
        let footer = read_at(&file, path, len - footer_len, footer_len)?;
        let table_len = SeekTable::encoded_bytes(&footer).map_err(|e| table_error(path, e))?;
        if table_len > len {
            return Err(corrupt("its seek table is larger than the file"));
        }
        let table_frame = read_at(&file, path, len - table_len, table_len)?;
        let table = SeekTable::decode(&table_frame, len).map_err(|e| table_error(path, e))?;
        let tail: [u8; 32] = table_frame[table_frame.len() - 32..]
            .try_into()
            .map_err(|_| corrupt("it has no digest"))?;
        let Some(last) = table.frames.last().copied() else {
            return Err(corrupt("it has no frames"));
        };
        if last.decoded > len.saturating_mul(MANIFEST_RATIO).saturating_add(MANIFEST_SLACK) {
            return Err(corrupt("its manifest is out of all proportion"));
        }
        let decoded = read_manifest_frame(&file, path, table.manifest_offset(), last)?;
        let manifest = parse_manifest_frame(path, &decoded)?;
        Ok(Self {
            path: path.to_owned(),
            manifest,
            len,
            tail_digest: Digest(tail),
            table,
            file,
            table_frame,
            manifest_digest: blake3::hash(&decoded),
        })
    }

    /// Reads the archive from its first byte to its last and hands each member to `sink`.
    ///
    /// # Errors
    /// `Corrupt` at the first thing that is not what the manifest, the seek
    /// table or the digest says.
    pub(crate) fn decode(
        &self,
        sink: &mut impl MemberSink,
        counter: &mut Counter,
    ) -> Result<Checked> {
        let mut stream = TarStream::new(self)?;
        self.read_header_member(&mut stream)?;
        for entry in &self.manifest.entries {
            self.read_member(&mut stream, entry, sink, counter)?;
        }
        if stream.frames_left() != 1 || stream.left_in_frame != 0 {
            return Err(self.corrupt("it holds more than its manifest lists"));
        }
        stream.expect_manifest_frame(self.manifest_digest)?;
        let mut hasher = stream.into_hasher()?;
        let digest_at = self.table_frame.len() - 32;
        hasher.update(&self.table_frame[..digest_at]);
        if hasher.finalize() != self.tail_digest.0 {
            return Err(self.corrupt("its bytes differ from the digest at its end"));
        }
        hasher.update(&self.table_frame[digest_at..]);
        Ok(Checked { archive_digest: Digest(*hasher.finalize().as_bytes()) })
    }

    fn read_header_member(&self, stream: &mut TarStream<'_>) -> Result<()> {
        let expected = self.manifest.header_file;
        if expected.size > HEADER_LIMIT {
            return Err(self.corrupt("its header is too large"));
        }
        let blocks = self.manifest.header.own_member("header.json", expected.size);
        stream.expect_bytes(&blocks, "its first member is not the header")?;
        let mut content = vec![0; usize::try_from(expected.size).unwrap_or(0)];
        stream.read_exact(&mut content)?;
        if blake3::hash(&content) != expected.blake3.0 {
            return Err(self.corrupt("its header differs from the manifest"));
        }
        stream.expect_padding(expected.size)
    }

    fn read_member(
        &self,
        stream: &mut TarStream<'_>,
        entry: &Entry,
        sink: &mut impl MemberSink,
        counter: &mut Counter,
    ) -> Result<()> {
        let damaged =
            |reason: &str| corrupt(&self.path, format!("{}: {reason}", entry.path.display()));
        let full_path = self.manifest.member_path(entry);
        let member = Manifest::member(entry, &full_path);
        stream.member_begins();
        let mut block = [0; BLOCK];
        stream.read_exact(&mut block)?;
        let records_len = pax_size(&block).map_err(damaged)?.min(PAX_LIMIT);
        let mut records = vec![0; usize::try_from(records_len).unwrap_or(0)];
        stream.read_exact(&mut records)?;
        check_records(&records, &member).map_err(damaged)?;
        stream.expect_padding(records_len)?;
        stream.read_exact(&mut block)?;
        if block != member.ustar_header() {
            return Err(damaged("its header differs from the manifest"));
        }
        sink.begin(entry)?;
        if let EntryKind::File { size, blake3, .. } = &entry.kind {
            let mut hasher = blake3::Hasher::new();
            let mut left = *size;
            let mut chunk = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
            while left > 0 {
                let count = chunk.len().min(usize::try_from(left).unwrap_or(CHUNK));
                let bytes = &mut chunk[..count];
                stream.read_exact(bytes)?;
                hasher.update(bytes);
                sink.data(bytes)?;
                left -= count as u64;
                counter.bytes(&entry.path, count)?;
            }
            if hasher.finalize() != blake3.0 {
                return Err(damaged("its content differs from its digest"));
            }
            stream.expect_padding(*size)?;
        }
        sink.end(entry)?;
        counter.member(&entry.path)
    }

    fn corrupt(&self, detail: &str) -> BackupError {
        corrupt(&self.path, detail.to_owned())
    }
}

/// Never follows a link and never waits on a pipe that someone put in the archive's place.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .at("open", path)?;
    if file.metadata().at("open", path)?.is_file() {
        Ok(file)
    } else {
        Err(corrupt(path, "it is not a regular file".to_owned()))
    }
}

fn read_at(file: &File, path: &Path, at: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(bytes),
        Err(e) => Err(decode_error(e, path)),
    }
}

fn read_manifest_frame(file: &File, path: &Path, at: u64, frame: Frame) -> Result<Vec<u8>> {
    if frame.decoded > MANIFEST_LIMIT || frame.compressed > MANIFEST_LIMIT {
        return Err(corrupt(path, "its manifest is larger than 256 MiB".to_owned()));
    }
    let compressed = read_at(file, path, at, frame.compressed)?;
    let mut decoder =
        Decoder::with_buffer(compressed.as_slice()).map_err(|e| decode_error(e, path))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|e| decode_error(e, path))?;
    let mut decoded = Vec::new();
    decoder.take(frame.decoded + 1).read_to_end(&mut decoded).map_err(|e| decode_error(e, path))?;
    if decoded.len() as u64 == frame.decoded {
        Ok(decoded)
    } else {
        Err(corrupt(path, "its last frame differs from the seek table".to_owned()))
    }
}

/// The last frame is the manifest member and the two zero blocks that end a tar, nothing else.
fn parse_manifest_frame(path: &Path, decoded: &[u8]) -> Result<Manifest> {
    let malformed = || corrupt(path, "its last frame is not a manifest".to_owned());
    let (block, rest) = decoded.split_first_chunk::<BLOCK>().ok_or_else(malformed)?;
    let records_len = pax_size(block).map_err(|_| malformed())?;
    let skip = usize::try_from(records_len).unwrap_or(0) + padding(records_len);
    let header =
        rest.get(skip..).and_then(|rest| rest.first_chunk::<BLOCK>()).ok_or_else(malformed)?;
    let size = tar::Header::from_byte_slice(header).entry_size().map_err(|_| malformed())?;
    let start = BLOCK + skip + BLOCK;
    let json = usize::try_from(size)
        .ok()
        .and_then(|size| decoded.get(start..start.checked_add(size)?))
        .ok_or_else(malformed)?;
    let manifest = Manifest::parse(json).map_err(|e| manifest_error(path, e))?;
    let mut canonical = manifest.header.own_member("manifest.json", size);
    canonical.extend_from_slice(json);
    canonical.resize(canonical.len() + padding(size) + 2 * BLOCK, 0);
    if canonical == decoded { Ok(manifest) } else { Err(malformed()) }
}

fn corrupt(archive: &Path, detail: String) -> BackupError {
    CorruptSnafu { archive, detail }.build()
}

/// zstd reports damage as an I/O error without an OS code; a real I/O error has one.
fn decode_error(error: io::Error, archive: &Path) -> BackupError {
    if error.raw_os_error().is_some() {
        return io_error(error, "read", archive);
    }
    let detail = if error.kind() == io::ErrorKind::UnexpectedEof {
        "it is cut short".to_owned()
    } else {
        format!("it can't be decompressed: {error}")
    };
    corrupt(archive, detail)
}

fn table_error(archive: &Path, error: TableError) -> BackupError {
    match error {
        TableError::Damaged(detail) => corrupt(archive, detail.to_owned()),
        TableError::Newer(version) => {
            NewerFormatSnafu { archive, needs: format!("seek table {version}") }.build()
        }
    }
}

fn manifest_error(archive: &Path, error: ManifestError) -> BackupError {
    match error {
        ManifestError::Newer(needs) => NewerFormatSnafu { archive, needs }.build(),
        ManifestError::Damaged(detail) => corrupt(archive, detail),
        ManifestError::Unsafe { member, reason } => {
            UnsafeMemberSnafu { archive, member, reason }.build()
        }
    }
}
