use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;

use crate::error::MemoryError;
use crate::fault::Faults;
use crate::store::checksum;
use crate::store::rows::{self, WITH_VECTOR};
use crate::{CollectionInfo, Limits, MemoryStore, Space, validate, vector};

mod derived;
mod full_text;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many entries were looked at.
    pub entries: u64,
    /// How many problems were found.
    pub problem_count: u64,
    /// The first 100 of them, each in a sentence.
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, text: String) {
        const MAX_KEPT: usize = 100;
        self.problem_count += 1;
        if self.problems.len() < MAX_KEPT {
            self.problems.push(text);
        }
    }
}

/// How large a store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreStats {
    /// The version of the format on disk.
    pub format: i64,
    /// The collections by name.
    pub collections: Vec<CollectionInfo>,
    /// The entries of all collections.
    pub entries: u64,
    /// The size of the database file, in bytes.
    pub database_bytes: u64,
    /// The size of what is committed but not yet moved into that file.
    pub wal_bytes: u64,
    /// The codes that this process has in memory, in bytes.
    pub code_bytes: u64,
}

impl MemoryStore {
    /// How large the store is.
    ///
    /// # Errors
    ///
    /// Whatever a read can meet.
    pub fn stats(&self) -> Result<StoreStats, MemoryError> {
        let collections = self.collections()?;
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let mut wal = self.database().as_os_str().to_owned();
        wal.push("-wal");
        Ok(StoreStats {
            format: self.format(),
            entries: collections.iter().map(|collection| collection.entries).sum(),
            collections,
            database_bytes: size(self.database()),
            wal_bytes: size(wal.as_ref()),
            code_bytes: self.codes().bytes() as u64,
        })
    }

    /// Reads everything and looks for what cannot be: damaged pages, entries
    /// without a vector, vectors of a wrong dimension, numbers that are none,
    /// entries that would not be accepted or are not as they were written,
    /// codes that are not those of their vectors, and an index that is not that
    /// of the entries.
    /// [`reindex`](Self::reindex) mends the last two.
    ///
    /// Entries are held to the widest limits, since those of another program
    /// may differ.
    ///
    /// # Errors
    ///
    /// Whatever a read can meet; what it finds wrong is in the report.
    pub fn check(&self) -> Result<CheckReport, MemoryError> {
        let mut report = CheckReport { entries: 0, problem_count: 0, problems: Vec::new() };
        // SQLite 3.54's check of a full-text table takes what the connection has
        // remembered of it, whatever others have committed since, and then
        // calls it damaged; a query looks first.
        self.read_afresh(|connection| {
            let failed = |source| self.failed("check", source);
            check_database(connection, &mut report).map_err(failed)?;
            // Rows of a damaged database may not even be readable.
            if report.is_ok() {
                check_entries(connection, &mut report).map_err(failed)?;
            }
            // Nothing follows from entries that are wrong themselves.
            if report.is_ok() {
                check_derived(connection, &mut report).map_err(failed)?;
            }
            Ok(())
        })?;
        #[cfg(feature = "metrics")]
        crate::metrics::checked(report.is_ok());
        Ok(report)
    }
}

fn check_database(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let mut found = statement.query([])?;
    loop {
        match found.next() {
            Ok(Some(row)) => {
                let line: String = row.get(0)?;
                if line != "ok" {
                    report.problem(format!("the database is damaged: {line}"));
                }
            }
            Ok(None) => break,
            Err(error) => {
                report.problem(format!("the database is damaged: {error}"));
                return Ok(());
            }
        }
    }
    let orphans: i64 =
        connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if orphans > 0 {
        report.problem(format!("{orphans} rows refer to rows that are not there"));
    }
    let bare: i64 = connection.query_row(
        "SELECT count(*) FROM entries WHERE entry NOT IN (SELECT entry FROM embeddings)",
        [],
        |row| row.get(0),
    )?;
    if bare > 0 {
        report.problem(format!("{bare} entries have no vector"));
    }
    Ok(())
}

fn check_entries(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let spaces = spaces(connection)?;
    let limits = widest_limits();
    let mut numbers = connection.prepare("SELECT collection, entry FROM entries ORDER BY entry")?;
    let mut found = numbers.query([])?;
    while let Some(row) = found.next()? {
        let (collection, number): (i64, i64) = (row.get(0)?, row.get(1)?);
        report.entries += 1;
        let Some(space) = spaces.get(&collection) else { continue };
        match rows::by_number(connection, WITH_VECTOR, number) {
            Ok(stored) => {
                let known = report.problem_count;
                check_entry(&stored.entry, number, &limits, space, report);
                // Whatever else is wrong says more.
                if report.problem_count == known && !checksum::holds(connection, number)? {
                    report.problem(format!("entry {number} is not as it was written"));
                }
            }
            Err(error) => report.problem(format!("entry {number} cannot be read: {error}")),
        }
    }
    Ok(())
}

fn check_derived(connection: &Connection, report: &mut CheckReport) -> rusqlite::Result<()> {
    let mut collections =
        connection.prepare("SELECT name, collection, dimension FROM collections")?;
    let mut found = collections.query([])?;
    while let Some(row) = found.next()? {
        let name: String = row.get(0)?;
        derived::check(connection, &name, row.get(1)?, row.get(2)?, report)?;
    }
    Ok(())
}

fn check_entry(
    entry: &crate::Entry,
    number: i64,
    limits: &Limits,
    space: &Space,
    report: &mut CheckReport,
) {
    let mut faults = Faults::default();
    validate::entry(entry, limits, Some(space), "", &mut faults);
    for fault in &faults {
        report.problem(format!("entry {number}: {fault}"));
    }
    let settled = entry.embedding.clone().map(|stored| vector::settle(stored, space.metric));
    if faults.count() == 0 && settled != entry.embedding {
        report.problem(format!("entry {number}: its vector is not of unit length"));
    }
}

fn spaces(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Space>> {
    connection
        .prepare("SELECT dimension, metric, embedder, collection FROM collections")?
        .query_map([], |row| Ok((row.get(3)?, crate::store::read_space(row)?)))?
        .collect()
}

fn widest_limits() -> Limits {
    Limits {
        min_content_chars: 0,
        max_content_chars: usize::MAX,
        max_tags: usize::MAX,
        max_tag_chars: usize::MAX,
        min_significance: i64::MIN,
        max_significance: i64::MAX,
        max_id_chars: usize::MAX,
        max_metadata_keys: usize::MAX,
        max_metadata_key_chars: usize::MAX,
        max_metadata_text_chars: usize::MAX,
    }
}
