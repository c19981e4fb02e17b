//! Files into a collection: checked whole, then committed in batches, and
//! repeatable after a kill at any moment.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::MemoryError;
use crate::fault::{Fault, Faults};
use crate::{Collection, Entry, EntryKind, validate, vector};

mod files;
mod json_lines;
mod prose;

pub use files::FileSort;

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
/// | `folder_sorts`, what is read below a folder | every [`FileSort`] |
/// | `batch`, entries a commit | 500 |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportOptions {
    /// The kind of an entry whose source names none.
    pub kind: EntryKind,
    /// What happens to a file in which something is not valid.
    pub invalid: OnInvalid,
    /// Which files below a folder are read; one that is named always is.
    pub folder_sorts: Vec<FileSort>,
    /// How many entries of the source go into one transaction; 0 is 1.
    pub batch: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            kind: EntryKind::Journal,
            invalid: OnInvalid::SkipFile,
            folder_sorts: FileSort::ALL.to_vec(),
            batch: 500,
        }
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
    /// The line, counted from 1; in a JSON array the position of the element;
    /// 0 for the file or the folder as a whole.
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

/// What stands at one place of a file: an entry, as far as it could be read,
/// and what is wrong with it so far.
struct Found {
    line: u64,
    entry: Option<Entry>,
    faults: Faults,
}

impl Found {
    fn of(line: u64, (entry, faults): (Option<Entry>, Faults)) -> Self {
        Self { line, entry, faults }
    }
}

pub(crate) fn run(
    collection: &Collection,
    paths: &[PathBuf],
    options: &ImportOptions,
    progress: &mut dyn FnMut(&ImportProgress),
) -> Result<ImportReport, MemoryError> {
    let sources = files::find(paths, &options.folder_sorts)?;
    let mut import = Import { collection, options, progress, report: ImportReport::default() };
    import.report.ignored_files = sources.ignored;
    for (folder, error) in &sources.unreadable {
        import.unreadable(folder, error);
    }
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
        let all_valid = match self.check(source) {
            Ok(all_valid) => all_valid,
            // One file among many that cannot be read is a fault like others.
            Err(MemoryError::Io { source: error, path, .. }) if path == source.path => {
                self.report.skipped_files += 1;
                self.unreadable(&path, &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
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
            let mut faults = self.faults_of(&found);
            if let Some(entry) = found.entry.filter(|_| faults.count() == 0)
                && !is_first(&entry, &mut seen)
            {
                let message = "another entry of this file has the same id".to_owned();
                faults.push("id", "duplicate", message);
            }
            all_valid &= faults.count() == 0;
            self.report_faults(&source.path, found.line, &faults);
            Ok(())
        })?;
        Ok(all_valid)
    }

    /// The faults of reading, and those of the rules in fields that could be
    /// read: what came as a number cannot also be too long.
    fn faults_of(&self, found: &Found) -> Faults {
        let mut faults = found.faults.clone();
        if let Some(entry) = &found.entry {
            let mut rules = Faults::default();
            let collection = self.collection;
            let limits = collection.store().limits();
            validate::entry(entry, limits, Some(collection.space()), "", &mut rules);
            let field = |path: &str| path.split(['[', '.']).next().unwrap_or_default().to_owned();
            let unread: HashSet<String> = found.faults.iter().map(|f| field(&f.path)).collect();
            for fault in rules.iter().filter(|fault| !unread.contains(&field(&fault.path))) {
                faults.push(fault.path.clone(), fault.code, fault.message.clone());
            }
        }
        faults
    }

    /// Reads the file once more and commits it in batches.
    fn write(&mut self, source: &files::Source) -> Result<(), MemoryError> {
        let size = self.options.batch.max(1);
        let mut batch = Vec::with_capacity(size.min(10_000));
        source.read(self.options.kind, &mut |found| {
            // What is not valid was told by the check; should the file have
            // changed since, the same rules still keep it out.
            if self.faults_of(&found).count() == 0
                && let Some(entry) = found.entry
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

    /// One transaction: what is new is added, what is there is compared.
    fn commit(
        &mut self,
        source: &files::Source,
        batch: &[(u64, Entry)],
    ) -> Result<(), MemoryError> {
        // Others may delete what was there when we looked; then we look again.
        let mut outcome = None;
        while outcome.is_none() {
            outcome = self.try_commit(batch)?;
        }
        let outcome = outcome.expect("the loop has ended");
        self.report.added += outcome.added;
        self.report.identical += outcome.identical;
        for &place in &outcome.conflicts {
            let (line, entry) = &batch[place];
            self.report.conflict(source, *line, &entry.stored_id());
        }
        let entries = self.report.added + self.report.identical;
        (self.progress)(&ImportProgress::Committed { entries, added: self.report.added });
        Ok(())
    }

    /// Nothing, when an entry vanished between the look and the turn to write.
    fn try_commit(&self, batch: &[(u64, Entry)]) -> Result<Option<Outcome>, MemoryError> {
        let ids: Vec<String> = batch.iter().map(|(_, entry)| entry.stored_id()).collect();
        let mut known: Vec<Option<Entry>> = self.collection.fetch(&ids)?;
        let mut outcome = Outcome::default();
        let mut first_places: HashMap<&str, usize> = HashMap::new();
        let mut missing = Vec::new();
        for (place, id) in ids.iter().enumerate() {
            // Of several under one id the first is added, and the others are
            // compared with it as if it were there already.
            if known[place].is_none() {
                match first_places.get(id.as_str()) {
                    Some(&first) => {
                        let mut entry = batch[first].1.clone();
                        entry.embedding = self.settled_vector(&entry);
                        known[place] = Some(entry);
                    }
                    None => {
                        first_places.insert(id, place);
                        missing.push(batch[place].1.clone());
                        continue;
                    }
                }
            }
            match known[place]
                .as_ref()
                .is_some_and(|there| self.is_identical(&batch[place].1, there))
            {
                true => outcome.identical += 1,
                false => outcome.conflicts.push(place),
            }
        }
        // Nothing to write, no turn to wait for.
        if missing.is_empty() {
            return Ok(Some(outcome));
        }
        let prepared = self.collection.prepare(missing)?;
        outcome.added = prepared.len() as u64;
        let added =
            self.collection.store().transaction(|tx| tx.add_prepared(self.collection, &prepared));
        match added {
            Ok(_) => Ok(Some(outcome)),
            // Another thread has added one of them since we looked.
            Err(MemoryError::AlreadyExists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The vector as it will be stored, where the entry brings one.
    fn settled_vector(&self, entry: &Entry) -> Option<Vec<f32>> {
        let metric = self.collection.space().metric();
        entry.embedding.clone().map(|given| vector::settle(given, metric))
    }

    fn is_identical(&self, new: &Entry, stored: &Entry) -> bool {
        let same_vector = match (&self.settled_vector(new), &stored.embedding) {
            (Some(a), Some(b)) => a.iter().map(|n| n.to_bits()).eq(b.iter().map(|n| n.to_bits())),
            _ => true,
        };
        same_vector
            && new.kind == stored.kind
            && new.content == stored.content
            && new.summary == stored.summary
            && new.tags == stored.tags
            && new.significance == stored.significance
            && new.metadata == stored.metadata
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let mut faults = Faults::default();
        faults.push("file", "unreadable", format!("cannot be read: {error}"));
        self.report_faults(path, 0, &faults);
    }

    fn report_faults(&mut self, file: &Path, line: u64, faults: &Faults) {
        self.report.fault_count += faults.count() as u64;
        let room = MAX_KEPT.saturating_sub(self.report.faults.len());
        self.report.faults.extend(faults.iter().take(room).map(|fault| ImportFault {
            file: file.to_owned(),
            line,
            fault: fault.clone(),
        }));
    }
}

/// What one batch came to.
#[derive(Default)]
struct Outcome {
    added: u64,
    identical: u64,
    /// Places in the batch.
    conflicts: Vec<usize>,
}

/// Whether no other entry of the file has the same id; the same entry twice
/// is one.
fn is_first(entry: &Entry, seen: &mut HashMap<String, blake3::Hash>) -> bool {
    let hash = blake3::hash(&serde_json::to_vec(entry).unwrap_or_default());
    *seen.entry(entry.stored_id()).or_insert(hash) == hash
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
