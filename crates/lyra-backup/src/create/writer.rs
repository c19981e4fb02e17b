//! Writes the members of one archive, in order, and then its manifest and end.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::readlinkat;
use snafu::IntoError as _;

use crate::beneath::{Beneath, is_gone, look};
use crate::error::{InvalidArgumentSnafu, IoAt as _, Result, UnreadableSnafu};
use crate::format::digest::Digest;
use crate::format::entry::{Consistency, Entry, EntryKind, merkle_root};
use crate::format::frame::FrameWriter;
use crate::format::manifest::{Header, HeaderFile, Manifest, SkippedEntry, Totals};
use crate::format::{BLOCK, MANIFEST_LIMIT, padding};
use crate::partial::Partial;
use crate::progress::Counter;
use crate::report::{CreateReport, DatabaseNote, SkipReason, Skipped};
use crate::sidecar::Sidecar;
use crate::source_file::{Read, SourceFile, Whole, mtime_ns, read, stood_still};
use crate::sqlite::{self, Snapshot};
use crate::walk::{Found, FoundKind};

const CHUNK: usize = 128 << 10;

/// The archive that is being written, and what is known about it so far.
pub(super) struct Writer<'a> {
    partial: &'a Partial,
    source: &'a Path,
    root: Beneath,
    /// The directory that the last member was read from.
    parent: (PathBuf, OwnedFd),
    header: Header,
    header_file: HeaderFile,
    frames: FrameWriter<HashingWriter<'a>>,
    entries: Vec<Entry>,
    totals: Totals,
    /// Databases whose `-wal` and the like are left out.
    snapshots: HashSet<PathBuf>,
    unchecked: Vec<DatabaseNote>,
    unsnapshotted: Vec<DatabaseNote>,
    pub(super) skipped: Vec<Skipped>,
    counter: Counter,
}

pub(super) struct Written {
    pub(super) report: CreateReport,
    pub(super) sidecar: Sidecar,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(
        partial: &'a Partial,
        source: &'a Path,
        header: Header,
        counter: Counter,
    ) -> Result<Self> {
        let root = Beneath::open(source).at("open", source)?;
        let out = HashingWriter { file: partial.file(), hasher: blake3::Hasher::new(), written: 0 };
        let mut frames = FrameWriter::new(out, header.level).at("write", partial.path())?;
        let json = to_json(&header);
        let mut member = header.own_member("header.json", json.len() as u64);
        member.extend_from_slice(&json);
        member.resize(member.len() + padding(json.len() as u64), 0);
        frames.write_all(&member).at("write", partial.path())?;
        Ok(Self {
            partial,
            source,
            parent: (PathBuf::new(), root.open_dir(Path::new("")).at("open", source)?),
            root,
            header_file: HeaderFile {
                size: json.len() as u64,
                blake3: Digest(*blake3::hash(&json).as_bytes()),
            },
            header,
            frames,
            entries: Vec::new(),
            totals: Totals::default(),
            snapshots: HashSet::new(),
            unchecked: Vec::new(),
            unsnapshotted: Vec::new(),
            skipped: Vec::new(),
            counter,
        })
    }

    pub(super) fn member(&mut self, found: &Found) -> Result<()> {
        let path = self.source.join(&found.path);
        let entered = self.enter_parent(&found.path).map_err(io::Error::from);
        match found.kind {
            FoundKind::Directory => self.directory(&found.path, &path, entered)?,
            _ if entered.as_ref().is_err_and(is_gone) => self.vanished(&found.path),
            _ if entered.is_err() => {
                return entered.map_err(|e| UnreadableSnafu { path }.into_error(e));
            }
            FoundKind::Symlink => self.symlink(&found.path, &path)?,
            FoundKind::File => self.file(&found.path, &path)?,
        }
        self.counter.member(&found.path)
    }

    /// Opens the directory that `name` lies in, beneath the source: a link that
    /// takes a directory's place while the source is read leads nowhere.
    fn enter_parent(&mut self, name: &Path) -> rustix::io::Result<()> {
        let parent = name.parent().unwrap_or(Path::new(""));
        if self.parent.0 != parent {
            self.parent = (parent.to_owned(), self.root.open_dir(parent)?);
        }
        Ok(())
    }

    fn look(&self, name: &Path) -> io::Result<Metadata> {
        look(&self.parent.1, name.file_name().unwrap_or(OsStr::new(".")))
    }

    fn directory(&mut self, name: &Path, path: &Path, entered: io::Result<()>) -> Result<()> {
        match entered.and_then(|()| self.look(name)) {
            Ok(metadata) if metadata.is_dir() => {
                self.headers(entry(name, EntryKind::Directory, &metadata))
            }
            // Its children were listed, so an entry has to stand before them;
            // they will be found to have vanished as well.
            Ok(_) => self.vanished_directory(name),
            Err(e) if is_gone(&e) => self.vanished_directory(name),
            Err(e) => Err(UnreadableSnafu { path }.into_error(e)),
        }
    }

    fn vanished_directory(&mut self, name: &Path) -> Result<()> {
        self.skipped.push(Skipped::new(name, SkipReason::Vanished));
        let placeholder =
            Entry { path: name.to_owned(), kind: EntryKind::Directory, mode: 0o700, mtime_ns: 0 };
        self.headers(placeholder)
    }

    fn symlink(&mut self, name: &Path, path: &Path) -> Result<()> {
        let file_name = name.file_name().unwrap_or(OsStr::new("."));
        let read = self
            .look(name)
            .and_then(|m| Ok((m, readlinkat(&self.parent.1, file_name, Vec::new())?)));
        match read {
            Ok((metadata, target)) => {
                let target = target.into_bytes();
                self.headers(entry(name, EntryKind::Symlink { target }, &metadata))
            }
            // EINVAL: it is something else by now.
            Err(e) if is_gone(&e) || e.kind() == io::ErrorKind::InvalidInput => {
                self.vanished(name);
                Ok(())
            }
            Err(e) => Err(UnreadableSnafu { path }.into_error(e)),
        }
    }

    fn file(&mut self, name: &Path, path: &Path) -> Result<()> {
        if self.is_companion(name) {
            self.skipped.push(Skipped::new(name, SkipReason::SqliteCompanion));
            return Ok(());
        }
        let metadata = match self.look(name) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => {
                self.vanished(name);
                return Ok(());
            }
            Err(e) if is_gone(&e) => {
                self.vanished(name);
                return Ok(());
            }
            Err(e) => return Err(UnreadableSnafu { path }.into_error(e)),
        };
        if metadata.len() == 0 {
            return self.empty(name, &metadata);
        }
        let mut mark = Consistency::Stable;
        if sqlite::may_be_database(metadata.len()) {
            let staging = self.partial.staging_path();
            match sqlite::snapshot(path, &staging)? {
                Snapshot::NotADatabase => {}
                Snapshot::Taken => {
                    let mark = Consistency::SqliteSnapshot;
                    return self.snapshot(name, &metadata, &staging, mark);
                }
                Snapshot::TakenUnchecked(reason) => {
                    self.unchecked.push(DatabaseNote::new(name, reason));
                    let mark = Consistency::SqliteUnchecked;
                    return self.snapshot(name, &metadata, &staging, mark);
                }
                Snapshot::Refused(reason) => {
                    self.unsnapshotted.push(DatabaseNote::new(name, reason));
                    mark = Consistency::SqliteUnsnapshotted;
                }
            }
        }
        match read(&self.parent.1, name.file_name().unwrap_or(OsStr::new(".")), path)? {
            Read::Vanished => {
                self.vanished(name);
                Ok(())
            }
            Read::Whole(whole) => self.whole(name, &whole, mark),
            Read::Large(source) => self.large(name, path, source, mark),
        }
    }

    /// A file without content is not opened: it may be a database in its first
    /// transaction, whose locks our close would drop.
    fn empty(&mut self, name: &Path, metadata: &Metadata) -> Result<()> {
        let kind = EntryKind::File {
            size: 0,
            blake3: Digest(*blake3::hash(b"").as_bytes()),
            consistency: Consistency::Stable,
        };
        self.headers(entry(name, kind, metadata))
    }

    /// The copy of a database, under the name and the times of the original.
    fn snapshot(
        &mut self,
        name: &Path,
        original: &Metadata,
        staging: &Path,
        mark: Consistency,
    ) -> Result<()> {
        self.snapshots.insert(name.to_owned());
        let file = File::open(staging).at("open", staging)?;
        let metadata = file.metadata().at("open", staging)?;
        let shape = entry(name, EntryKind::Directory, original);
        let stood = self.stream(shape, staging, file, &metadata, mark)?;
        debug_assert!(stood, "nobody else writes to the staging file");
        fs::remove_file(staging).at("remove", staging)
    }

    fn whole(&mut self, name: &Path, whole: &Whole, mark: Consistency) -> Result<()> {
        let kind = EntryKind::File {
            size: whole.bytes.len() as u64,
            blake3: Digest(*blake3::hash(&whole.bytes).as_bytes()),
            consistency: if whole.changed { Consistency::ChangedDuringRead } else { mark },
        };
        self.headers(entry(name, kind, &whole.metadata))?;
        self.write(&whole.bytes)?;
        self.write(&[0; BLOCK][..padding(whole.bytes.len() as u64)])?;
        self.counter.bytes(name, whole.bytes.len())
    }

    fn large(
        &mut self,
        name: &Path,
        path: &Path,
        source: SourceFile,
        mark: Consistency,
    ) -> Result<()> {
        let shape = entry(name, EntryKind::Directory, &source.metadata);
        self.stream(shape, path, source.file, &source.metadata, mark)?;
        Ok(())
    }

    /// Writes exactly as many bytes as the header declares, whatever the file
    /// does meanwhile, and says whether it stood still.
    fn stream(
        &mut self,
        shape: Entry,
        path: &Path,
        mut file: File,
        metadata: &Metadata,
        mark: Consistency,
    ) -> Result<bool> {
        let size = metadata.len();
        let mut entry = Entry {
            kind: EntryKind::File { size, blake3: Digest([0; 32]), consistency: mark },
            ..shape
        };
        self.write_headers(&entry)?;
        let mut hasher = blake3::Hasher::new();
        let mut chunk = vec![0; CHUNK];
        let mut left = size;
        let mut shrunk = false;
        while left > 0 {
            let want = chunk.len().min(usize::try_from(left).unwrap_or(CHUNK));
            let mut count = 0;
            if !shrunk {
                count = file
                    .read(&mut chunk[..want])
                    .map_err(|e| UnreadableSnafu { path }.into_error(e))?;
            }
            if count == 0 {
                shrunk = true;
                chunk[..want].fill(0);
                count = want;
            }
            hasher.update(&chunk[..count]);
            self.write(&chunk[..count])?;
            left -= count as u64;
            self.counter.bytes(&entry.path, count)?;
        }
        self.write(&[0; BLOCK][..padding(size)])?;
        let after = file.metadata().map_err(|e| UnreadableSnafu { path }.into_error(e))?;
        let still = !shrunk && stood_still(metadata, &after);
        entry.kind = EntryKind::File {
            size,
            blake3: Digest(*hasher.finalize().as_bytes()),
            consistency: if still { mark } else { Consistency::ChangedDuringRead },
        };
        self.totals.add(&entry.kind);
        self.entries.push(entry);
        Ok(still)
    }

    fn headers(&mut self, entry: Entry) -> Result<()> {
        self.write_headers(&entry)?;
        self.totals.add(&entry.kind);
        self.entries.push(entry);
        Ok(())
    }

    fn write_headers(&mut self, entry: &Entry) -> Result<()> {
        let path = self.header.member_path(&entry.path);
        let blocks = Manifest::member(entry, &path).encode();
        self.frames
            .member_boundary(blocks.len() as u64 + entry.size())
            .at("write", self.partial.path())?;
        self.write(&blocks)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.frames.write_all(bytes).at("write", self.partial.path())
    }

    fn vanished(&mut self, name: &Path) {
        self.skipped.push(Skipped::new(name, SkipReason::Vanished));
    }

    /// The files of a database sort behind it, so its snapshot is known by now.
    fn is_companion(&self, name: &Path) -> bool {
        let bytes = name.as_os_str().as_bytes();
        [&b"-wal"[..], b"-shm", b"-journal"].iter().any(|suffix| {
            bytes
                .strip_suffix(*suffix)
                .is_some_and(|base| self.snapshots.contains(Path::new(OsStr::from_bytes(base))))
        })
    }

    pub(super) fn finish(mut self) -> Result<Written> {
        let path = self.partial.path();
        let manifest = Manifest {
            header: self.header,
            totals: self.totals,
            header_file: self.header_file,
            merkle_root: merkle_root(&self.entries),
            skipped: self
                .skipped
                .iter()
                .map(|s| SkippedEntry {
                    path: s.path.display().to_string(),
                    reason: s.reason.to_string(),
                })
                .collect(),
            entries: self.entries,
        };
        let json = to_json(&manifest);
        let size = json.len() as u64;
        if size > MANIFEST_LIMIT - (1 << 20) {
            return InvalidArgumentSnafu {
                what: format!("the source {}", self.source.display()),
                reason: "holds more entries than one archive can list",
            }
            .fail();
        }
        self.frames.end_frame().at("write", path)?;
        self.frames
            .write_all(&manifest.header.own_member("manifest.json", size))
            .at("write", path)?;
        self.frames.write_all(&json).at("write", path)?;
        self.frames.write_all(&vec![0; padding(size) + 2 * BLOCK]).at("write", path)?;
        let (mut out, table) = self.frames.finish().at("write", path)?;
        out.write_all(&table.encode()).at("write", path)?;
        let tail_digest = Digest(*out.hasher.finalize().as_bytes());
        out.write_all(&tail_digest.0).at("write", path)?;
        let sidecar = Sidecar::of(
            &manifest,
            out.written,
            tail_digest,
            Some(Digest(*out.hasher.finalize().as_bytes())),
            table.manifest_offset(),
        );
        Ok(Written {
            report: CreateReport {
                sqlite_unchecked: self.unchecked,
                sqlite_unsnapshotted: self.unsnapshotted,
                skipped: self.skipped,
                ..report(&manifest, out.written)
            },
            sidecar,
        })
    }
}

fn report(manifest: &Manifest, archive_bytes: u64) -> CreateReport {
    let marked = |wanted: Consistency| {
        let has = move |entry: &&Entry| matches!(entry.kind, EntryKind::File { consistency, .. } if consistency == wanted);
        manifest.entries.iter().filter(has).map(|e| e.path.clone()).collect()
    };
    CreateReport {
        name: manifest.header.name.clone(),
        path: PathBuf::new(),
        created: manifest.header.created,
        archive_bytes,
        content_bytes: manifest.totals.bytes,
        files: manifest.totals.files,
        directories: manifest.totals.directories,
        symlinks: manifest.totals.symlinks,
        verified: false,
        took: Duration::ZERO,
        sqlite_snapshots: marked(Consistency::SqliteSnapshot),
        sqlite_unchecked: Vec::new(),
        sqlite_unsnapshotted: Vec::new(),
        changed: marked(Consistency::ChangedDuringRead),
        skipped: Vec::new(),
        external_symlinks: manifest
            .entries
            .iter()
            .filter(|e| e.points_outside())
            .map(|e| e.path.clone())
            .collect(),
    }
}

fn entry(name: &Path, kind: EntryKind, metadata: &Metadata) -> Entry {
    Entry {
        path: name.to_owned(),
        kind,
        mode: metadata.mode() & 0o7777,
        mtime_ns: mtime_ns(metadata),
    }
}

/// Maps of strings and numbers always serialise.
fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the manifest's types have no failing serialiser")
}

/// Digests what is written, as it is written.
struct HashingWriter<'a> {
    file: &'a File,
    hasher: blake3::Hasher,
    written: u64,
}

impl io::Write for HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
