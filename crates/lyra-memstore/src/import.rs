//! Files into a collection: checked whole, then committed in batches, and
//! repeatable after a kill at any moment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::MemoryError;
use crate::fault::{Fault, Faults};
use crate::store::rows::Prepared;
use crate::{Collection, Entry, EntryKind, validate};

mod files;
mod json_lines;
mod prose;

/// How an import goes about its work.
///
/// It is idempotent: an entry without an id gets one from its content, an
/// entry that is stored already and identical is skipped, and a different one
/// under the same id is left as it is and reported. Each file is validated
/// whole before its first batch. An entry that brings no vector is identical
/// to a stored one that has any.
///
/// | field | default |
/// |---|---|
/// | `kind`, of entries that name none | `journal` |
/// | `invalid` | [`OnInvalid::SkipFile`] |
/// | `batch`, entries a commit | 500 |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportOptions {
    /// The kind of an entry whose source names none.
    pub kind: EntryKind,
    /// What happens to a file in which something is not valid.
    pub invalid: OnInvalid,
    /// How many entries of the source go into one transaction; 0 is 1.
    pub batch: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { kind: EntryKind::Journal, invalid: OnInvalid::SkipFile, batch: 500 }
    }
}

/// What happens to a file in which something is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnInvalid {
    /// Nothing of that file is written.
    #[default]
    SkipFile,
    /// Only what is not valid is left out.
    SkipEntry,
}

/// What an import tells while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportProgress {
    /// A file is read for the first time.
    Checking {
        /// Which one.
        file: PathBuf,
    },
    /// A batch is durable.
    Committed {
        /// How many entries of this import are stored by now, those that were
        /// there before included.
        entries: u64,
        /// How many of them this import has added.
        added: u64,
    },
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// How many files were read.
    pub files: u64,
    /// How many files in folders were passed over, being of no known sort.
    pub ignored_files: u64,
    /// How many files were left out for what is not valid in them.
    pub skipped_files: u64,
    /// How many entries were added.
    pub added: u64,
    /// How many were there already, identical.
    pub identical: u64,
    /// How many have the id of another entry, which was left as it is.
    pub conflict_count: u64,
    /// The first 1,000 of those.
    pub conflicts: Vec<ImportConflict>,
    /// How many faults were found.
    pub fault_count: u64,
    /// The first 1,000 of those.
    pub faults: Vec<ImportFault>,
}

/// One thing that is not valid, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportFault {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; in a JSON array the position of the element.
    pub line: u64,
    /// What is wrong, with the path within the entry.
    #[serde(flatten)]
    pub fault: Fault,
}

/// An entry whose id is taken by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportConflict {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; in a JSON array the position of the element.
    pub line: u64,
    /// The id.
    pub id: String,
}

/// The first this many faults and conflicts are kept.
const MAX_KEPT: usize = 1000;

/// An entry of a file, or what is wrong with it.
struct Found {
    line: u64,
    entry: Result<Entry, Faults>,
}

pub(crate) fn run(
    collection: &Collection,
    paths: &[PathBuf],
    options: &ImportOptions,
    progress: &mut dyn FnMut(&ImportProgress),
) -> Result<ImportReport, MemoryError> {
    let sources = files::find(paths)?;
    let mut import = Import { collection, options, progress, report: ImportReport::default() };
    import.report.ignored_files = sources.ignored;
    for source in &sources.files {
        import.file(source)?;
    }
    Ok(import.report)
}

struct Import<'a> {
    collection: &'a Collection,
    options: &'a ImportOptions,
    progress: &'a mut dyn FnMut(&ImportProgress),
    report: ImportReport,
}

impl Import<'_> {
    fn file(&mut self, source: &files::Source) -> Result<(), MemoryError> {
        self.report.files += 1;
        (self.progress)(&ImportProgress::Checking { file: source.path.clone() });
        let all_valid = self.check(source)?;
        if !all_valid && self.options.invalid == OnInvalid::SkipFile {
            self.report.skipped_files += 1;
            return Ok(());
        }
        self.write(source)
    }

    /// Reads the file once without writing, and tells all its faults.
    fn check(&mut self, source: &files::Source) -> Result<bool, MemoryError> {
        let mut seen: HashMap<String, blake3::Hash> = HashMap::new();
        let mut all_valid = true;
        source.read(self.options.kind, &mut |found| {
            let faults = match found.entry {
                Ok(entry) => self.faults_of(&entry, &mut seen),
                Err(faults) => faults,
            };
            all_valid &= faults.count() == 0;
            self.report_faults(source, found.line, &faults);
            Ok(())
        })?;
        Ok(all_valid)
    }

    fn faults_of(&self, entry: &Entry, seen: &mut HashMap<String, blake3::Hash>) -> Faults {
        let mut faults = Faults::default();
        let space = self.collection.space();
        validate::entry(entry, self.collection.store().limits(), Some(space), "", &mut faults);
        if entry.embedding.is_none() && space.embedder().is_none() {
            let message = "is missing, and the collection has no embedder to make it";
            faults.push("embedding", "no_embedding", message.to_owned());
        }
        let json = serde_json::to_vec(entry).unwrap_or_default();
        let hash = blake3::hash(&json);
        let id = entry.stored_id();
        if *seen.entry(id).or_insert(hash) != hash {
            let message = "another entry of this file has the same id".to_owned();
            faults.push("id", "duplicate", message);
        }
        faults
    }

    /// Reads the file once more and commits it in batches.
    fn write(&mut self, source: &files::Source) -> Result<(), MemoryError> {
        let size = self.options.batch.max(1);
        let mut batch = Vec::with_capacity(size.min(10_000));
        source.read(self.options.kind, &mut |found| {
            // What is not valid was told by the check; and should the file
            // have changed since, preparing the batch refuses it.
            if let Ok(entry) = found.entry
                && self.is_valid(&entry)
            {
                batch.push((found.line, entry));
            }
            if batch.len() == size {
                self.commit(source, &batch)?;
                batch.clear();
            }
            Ok(())
        })?;
        if batch.is_empty() { Ok(()) } else { self.commit(source, &batch) }
    }

    fn is_valid(&self, entry: &Entry) -> bool {
        let mut faults = Faults::default();
        let collection = self.collection;
        let limits = collection.store().limits();
        validate::entry(entry, limits, Some(collection.space()), "", &mut faults);
        faults.count() == 0
            && (entry.embedding.is_some() || collection.space().embedder().is_some())
    }

    /// One transaction: what is new is added, what is there is compared.
    fn commit(
        &mut self,
        source: &files::Source,
        batch: &[(u64, Entry)],
    ) -> Result<(), MemoryError> {
        let name = self.collection.name();
        let ids: Vec<String> = batch.iter().map(|(_, entry)| entry.stored_id()).collect();
        // Looked up before the turn to write, so that only what is missing is
        // embedded, and once more inside, where nobody can interfere.
        let known = self.collection.fetch(&ids)?;
        let mut unique: HashMap<&str, usize> = HashMap::new();
        let mut missing = Vec::new();
        for (i, stored) in known.iter().enumerate() {
            if stored.is_none() && unique.insert(&ids[i], i).is_none() {
                missing.push(batch[i].1.clone());
            }
        }
        let mut prepared: HashMap<String, Prepared> =
            self.collection.prepare(missing)?.into_iter().map(|p| (p.id.clone(), p)).collect();
        let mut report = std::mem::take(&mut self.report);
        let result = self.collection.store().transaction(|tx| {
            let mut fresh = Vec::new();
            for ((line, entry), id) in batch.iter().zip(&ids) {
                match (tx.get(name, id)?, prepared.remove(id)) {
                    (None, Some(new)) => fresh.push(new),
                    (None, None) => report.identical += 1,
                    (Some(stored), _) if self.is_identical(entry, &stored) => {
                        report.identical += 1;
                    }
                    (Some(_), _) => report.conflict(source, *line, id),
                }
            }
            report.added += fresh.len() as u64;
            if !fresh.is_empty() {
                tx.add_prepared(name, &fresh)?;
            }
            Ok::<_, MemoryError>(())
        });
        self.report = report;
        result?;
        let entries = self.report.added + self.report.identical;
        (self.progress)(&ImportProgress::Committed { entries, added: self.report.added });
        Ok(())
    }

    fn is_identical(&self, new: &Entry, stored: &Entry) -> bool {
        let metric = self.collection.space().metric();
        let vector = new.embedding.clone().map(|given| crate::vector::settle(given, metric));
        let same_vector = vector.is_none_or(|vector| Some(vector) == stored.embedding);
        same_vector
            && new.kind == stored.kind
            && new.content == stored.content
            && new.summary == stored.summary
            && new.tags == stored.tags
            && new.significance == stored.significance
            && new.metadata == stored.metadata
    }

    fn report_faults(&mut self, source: &files::Source, line: u64, faults: &Faults) {
        self.report.fault_count += faults.count() as u64;
        let room = MAX_KEPT.saturating_sub(self.report.faults.len());
        self.report.faults.extend(faults.iter().take(room).map(|fault| ImportFault {
            file: source.path.clone(),
            line,
            fault: fault.clone(),
        }));
    }
}

impl ImportReport {
    fn conflict(&mut self, source: &files::Source, line: u64, id: &str) {
        self.conflict_count += 1;
        if self.conflicts.len() < MAX_KEPT {
            let file = source.path.clone();
            self.conflicts.push(ImportConflict { file, line, id: id.to_owned() });
        }
    }
}

/// The path as it stands in an entry's metadata: below the folder that was
/// given, with forward slashes on every system.
fn relative_name(path: &Path, root: Option<&Path>) -> String {
    let inside = root.and_then(|root| path.strip_prefix(root).ok());
    let path = inside.unwrap_or_else(|| path.file_name().map_or(path, Path::new));
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
