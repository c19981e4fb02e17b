//! A log that is read: its files in the order in which they were written.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::query::Query;
use super::record::{Broken, Entry, Record};
use super::source::Source;
use super::verify::Report;
use super::{Follow, verify};
use crate::files::FileError;
use crate::files::disk::{Disk as _, Os};
use crate::files::error::{IoAt as _, NotFoundSnafu, io_error};
use crate::files::shelf::number_of;

/// A log on the disk: the current file and the old ones.
#[derive(Debug, Clone)]
pub struct Log {
    dir: PathBuf,
    name: String,
    base: String,
}

/// All entries of a log, oldest first. The files are opened at once, so that a
/// rotation meanwhile hides nothing and shows nothing twice; what is appended
/// to the current file while it is read is read too.
#[derive(Debug)]
pub struct Records {
    sources: VecDeque<Source>,
    unopened: VecDeque<Entry>,
}

/// The files that could not be opened, and why.
type Unopened = Vec<(PathBuf, io::Error)>;

/// Files with higher numbers are not ours: no log keeps that many.
const MOST: u32 = 10_000;

impl Log {
    /// The log of that name, `<name>.log` in `dir`.
    ///
    /// # Errors
    ///
    /// `log.not_found` where no file of it is there, `log.io` where the
    /// directory can't be read.
    pub fn open(dir: impl Into<PathBuf>, name: &str) -> Result<Self, FileError> {
        Self::with_base(dir.into(), name, format!("{name}.log"))
    }

    /// The errors of the log of that name alone, `<name>_errors.log` in `dir`.
    /// Their numbers have gaps by nature.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_errors(dir: impl Into<PathBuf>, name: &str) -> Result<Self, FileError> {
        Self::with_base(dir.into(), name, format!("{name}_errors.log"))
    }

    /// Every log in a directory, by name.
    ///
    /// # Errors
    ///
    /// `log.io` where the directory can't be read.
    pub fn all_in(dir: impl Into<PathBuf>) -> Result<Vec<Self>, FileError> {
        let dir = dir.into();
        // In a moment of each rotation there are old files alone.
        let files = names(&dir)?.into_iter().filter(|name| !dir.join(name).is_dir());
        let found: BTreeSet<String> = files.filter_map(|file| name_of(&file)).collect();
        let log = |name: String| Self { dir: dir.clone(), base: format!("{name}.log"), name };
        Ok(found.into_iter().map(log).collect())
    }

    fn with_base(dir: PathBuf, name: &str, base: String) -> Result<Self, FileError> {
        let log = Self { dir, name: name.to_owned(), base };
        if log.numbers()?.is_empty() {
            return NotFoundSnafu { dir: log.dir, name }.fail();
        }
        Ok(log)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn is_of_errors(&self) -> bool {
        self.base != format!("{}.log", self.name)
    }

    /// Every entry, oldest first.
    ///
    /// # Errors
    ///
    /// `log.io` where the directory can't be read, or no file at all can be
    /// opened. If only some can't be, each is an entry of its own,
    /// [`Fault::Damaged`](super::Fault::Damaged).
    pub fn records(&self) -> Result<Records, FileError> {
        let (sources, unopened) = self.opened()?;
        Ok(Records { sources: sources.into(), unopened: unopened.into() })
    }

    /// As [`records`](Self::records), also where no file can be opened.
    pub(crate) fn entries(&self) -> Result<Records, FileError> {
        let (sources, unopened) = self.sources()?;
        let unopened = unopened.iter().map(|(path, e)| Entry::unopened(path, e)).collect();
        Ok(Records { sources: sources.into(), unopened })
    }

    /// The records that fit, oldest first.
    ///
    /// It holds them all in memory: give [`limit`](Query::limit) or
    /// [`last`](Query::last) where there may be many, or filter
    /// [`records`](Self::records) with [`Query::matches`].
    ///
    /// # Errors
    ///
    /// As [`records`](Self::records).
    pub fn query(&self, query: Query) -> Result<Vec<Record>, FileError> {
        self.query_telling(query, |_| {})
    }

    /// As [`query`](Self::query), and `tell` is called with what is no record in
    /// as much as it reads.
    ///
    /// # Errors
    ///
    /// As [`records`](Self::records).
    #[allow(clippy::needless_pass_by_value, reason = "a query is made for one call")]
    pub fn query_telling(
        &self,
        query: Query,
        mut tell: impl FnMut(Broken),
    ) -> Result<Vec<Record>, FileError> {
        let mut fitting = |entry: Entry| match entry {
            Entry::Record(record) => query.matches(&record).then_some(record),
            Entry::Broken(broken) => {
                tell(broken);
                None
            }
        };
        let Some(last) = query.last else {
            let most = query.limit.unwrap_or(usize::MAX);
            return Ok(self.records()?.filter_map(fitting).take(most).collect());
        };
        // From the newest file back, as far as it takes.
        let mut found: VecDeque<Record> = VecDeque::new();
        let (sources, unopened) = self.opened()?;
        for entry in unopened {
            fitting(entry);
        }
        for source in sources.into_iter().rev() {
            let missing = last - found.len();
            if missing == 0 {
                break;
            }
            let records = Records { sources: [source].into(), unopened: VecDeque::new() };
            let mut newest = VecDeque::new();
            for record in records.filter_map(&mut fitting) {
                if newest.len() == missing {
                    newest.pop_front();
                }
                newest.push_back(record);
            }
            newest.append(&mut found);
            found = newest;
        }
        found.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(found.into())
    }

    /// The last `records` records.
    ///
    /// # Errors
    ///
    /// As [`records`](Self::records).
    pub fn tail(&self, records: usize) -> Result<Vec<Record>, FileError> {
        self.query(Query::new().last(records))
    }

    /// What is written from now on, across rotations. Where there is nothing
    /// new `wait` is called, which sleeps for a while and returns true, or
    /// false to end it.
    ///
    /// # Errors
    ///
    /// As [`records`](Self::records).
    pub fn follow<W: FnMut() -> bool>(&self, wait: W) -> Result<Follow<W>, FileError> {
        Follow::new(self.clone(), wait)
    }

    /// Reads everything and says what is missing. Memory grows with the number
    /// of gaps and runs, not with that of the records.
    ///
    /// # Errors
    ///
    /// As [`records`](Self::records).
    pub fn verify(&self) -> Result<Report, FileError> {
        verify::verify(self)
    }

    /// Where no file can be opened, there is nothing to go on with.
    pub(crate) fn opened(&self) -> Result<(Vec<Source>, Vec<Entry>), FileError> {
        let (sources, mut unopened) = self.sources()?;
        if sources.is_empty() && !unopened.is_empty() {
            let (path, error) = unopened.swap_remove(0);
            return Err(io_error(error, "open", &path));
        }
        let unopened = unopened.iter().map(|(path, e)| Entry::unopened(path, e)).collect();
        Ok((sources, unopened))
    }

    /// Opens every file, oldest first, and tells which could not be.
    ///
    /// They are opened from the newest to the oldest. A rotation meanwhile moves
    /// files to higher numbers, so that none gets past: it is met again at most,
    /// and known by its identity. A listing would miss files, because it
    /// is not made in one moment.
    pub(crate) fn sources(&self) -> Result<(Vec<Source>, Unopened), FileError> {
        let (mut sources, mut unopened) = (Vec::new(), Unopened::new());
        let mut highest = self.numbers()?.into_iter().max().unwrap_or(0).min(MOST);
        let mut number = 0;
        // The highest may move on while it is approached, and leave a gap for a
        // moment behind which it lies.
        while number <= highest + 2 {
            for path in self.paths(number) {
                match Source::open(&path) {
                    Ok(source) => {
                        highest = highest.max(number);
                        meet(&mut sources, source, Source::is_same);
                        // Beside a plain file lies what may become of it.
                        break;
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => unopened.push((path, e)),
                }
            }
            number += 1;
        }
        sources.reverse();
        Ok((sources, unopened))
    }

    /// The name of the file that is written to.
    pub(crate) fn current(&self) -> PathBuf {
        self.dir.join(&self.base)
    }

    fn paths(&self, number: u32) -> Vec<PathBuf> {
        match number {
            0 => vec![self.current()],
            _ => ["", ".zst"]
                .map(|end| self.dir.join(format!("{}.{number}{end}", self.base)))
                .to_vec(),
        }
    }

    /// The numbers of the files that are there; the current one is 0.
    fn numbers(&self) -> Result<Vec<u32>, FileError> {
        let names = names(&self.dir)?;
        let number = |name: &String| match number_of(&self.base, name) {
            Some((number, _)) => Some(number),
            None => (*name == self.base).then_some(0),
        };
        Ok(names.iter().filter_map(number).collect())
    }
}

/// The log that a file belongs to, by its name; none for the file of errors.
fn name_of(file: &str) -> Option<String> {
    let base = match file.rfind(".log.") {
        Some(at) if number_of(&file[..at + 4], file).is_some() => &file[..at + 4],
        _ => file,
    };
    let name = base.strip_suffix(".log").filter(|name| !name.ends_with("_errors"))?;
    Some(name.to_owned())
}

/// Where there is no directory, there is no log.
fn names(dir: &Path) -> Result<Vec<String>, FileError> {
    match Os.list(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.at("list", dir),
    }
}

impl Records {
    /// The path of each file, oldest first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(Source::path)
    }
}

impl Iterator for Records {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(entry) = self.unopened.pop_front() {
            return Some(entry);
        }
        while let Some(source) = self.sources.front_mut() {
            if let Some(entry) = source.next().or_else(|| source.rest()) {
                return Some(entry);
            }
            self.sources.pop_front();
        }
        None
    }
}

/// Takes in what comes from newer to older, and now and then again: what was met
/// since the first time is newer than all of it, because a rotation came in
/// between, and what is older is still to come.
fn meet<T>(met: &mut Vec<T>, next: T, is_same: impl Fn(&T, &T) -> bool) {
    match met.iter().position(|other| is_same(other, &next)) {
        Some(known) => met.truncate(known + 1),
        None => met.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_rotations_move_are_met_in_order() {
        let mut met = Vec::new();
        // 5 is current when it begins; then 6 comes and moves it on.
        for next in [5, 6, 5, 4, 4, 3] {
            meet(&mut met, next, |a, b| a == b);
        }
        assert_eq!(met, [5, 4, 3]);
    }
}
