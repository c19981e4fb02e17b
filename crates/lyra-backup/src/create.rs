//! Makes a backup: reads the source once, writes, syncs, reads back, publishes.

mod writer;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use self::writer::Writer;
use crate::archive::{Archive, Discard};
use crate::error::{InvalidArgumentSnafu, IoAt as _, Result};
use crate::format::FORMAT;
use crate::format::manifest::Header;
use crate::manager::BackupManager;
use crate::name::backup_name;
use crate::partial::{Partial, sweep};
use crate::progress::{Observer, Phase, Progress};
use crate::report::CreateReport;
use crate::sidecar::Verdict;
use crate::walk::walk;

/// All keys and values together.
const METADATA_LIMIT: usize = 64 << 10;

/// How one backup is made.
///
/// Defaults: no metadata, no progress callback, every byte read back and
/// checked before the backup gets its name.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    metadata: BTreeMap<String, String>,
    observer: Observer,
    verify: Verify,
}

/// Whether a backup is read back before it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Read every byte back and check it. Costs about a quarter of the time.
    Yes,
    /// Publish unread; the backup is listed as unverified until it is validated.
    No,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self { metadata: BTreeMap::new(), observer: Observer::default(), verify: Verify::Yes }
    }
}

impl CreateOptions {
    /// Stores a key and a value of the caller's in the backup. A key given
    /// twice keeps its last value; all together may take 64 KiB.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Calls back while the backup is made, at least once per member.
    /// `ControlFlow::Break` stops it; nothing is left behind then.
    #[must_use]
    pub fn with_progress(
        mut self,
        callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.observer = Observer::new(callback);
        self
    }

    /// Whether to read the archive back before it is published. Default: [`Verify::Yes`].
    #[must_use]
    pub fn with_verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }
}

pub(crate) fn create(manager: &BackupManager, options: &CreateOptions) -> Result<CreateReport> {
    let started = Instant::now();
    check_metadata(&options.metadata)?;
    let source = manager.resolve_source()?;
    let backup_dir = manager.open_backup_dir()?;
    sweep(&backup_dir)?;
    let created = manager.now();
    let name = backup_name(manager.prefix(), created);
    let partial = Partial::create(&backup_dir, &name)?;
    let tree = walk(&source, &backup_dir)?;
    let header = Header {
        format: FORMAT,
        requires: Vec::new(),
        name,
        tool: concat!("lyra-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
        created,
        source: source.display().to_string(),
        level: manager.level(),
        metadata: options.metadata.clone(),
    };
    let counter = options.observer.counter(Phase::Write, tree.found.len() as u64, tree.bytes);
    let mut writer = Writer::begin(&partial, &source, header, counter)?;
    writer.skipped = tree.skipped;
    for found in &tree.found {
        writer.member(found)?;
    }
    let mut written = writer.finish()?;
    partial.file().sync_all().at("sync", partial.path())?;
    if options.verify == Verify::Yes {
        let archive = Archive::open(partial.path())?;
        let totals = archive.manifest.totals;
        let mut counter = options.observer.counter(Phase::Verify, totals.members(), totals.bytes);
        archive.decode(&mut Discard, &mut counter)?;
        written.sidecar.verdict = Verdict::Verified { at: manager.now() };
    }
    let path = partial.publish()?;
    // The backup is good without its sidecar, which is only a cache.
    let _ = written.sidecar.write(&backup_dir);
    Ok(CreateReport {
        path,
        created,
        took: started.elapsed(),
        verified: options.verify == Verify::Yes,
        ..written.report
    })
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    let total: usize = metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
    if total > METADATA_LIMIT || metadata.keys().any(String::is_empty) {
        return InvalidArgumentSnafu {
            what: "the metadata",
            reason: "must have non-empty keys and take at most 64 KiB in all",
        }
        .fail();
    }
    Ok(())
}
