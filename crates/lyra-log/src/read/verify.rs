//! Whether a log is whole: what is missing, torn, double or out of order.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::log::Log;
use super::losses::{Edge, Losses, len};
use super::ranges::Ranges;
use super::record::{Broken, Entry, Fault, Record};
use crate::files::FileError;

/// What [`Log::verify`] has found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Each file, oldest first.
    pub files: Vec<FileReport>,
    /// Each run of the program, in the order of their first records. Empty for
    /// a log of errors alone, whose numbers have gaps by nature.
    pub runs: Vec<RunReport>,
    /// What is no record, and where: the first 1000.
    pub broken: Vec<Broken>,
    /// How many of those there are.
    pub broken_count: u64,
    /// How many of those are the torn end of a run, which is no line yet: at the
    /// end of the newest file, or directly before the next run.
    pub torn_ends: u64,
    /// Records that have no run or no number, but for the log's own.
    pub unnumbered: u64,
}

/// One file of a log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileReport {
    /// Its path when it was opened.
    pub path: PathBuf,
    /// How many records it holds.
    pub records: u64,
    /// What keeps it from being read to its end, if anything does.
    pub damage: Option<String>,
}

/// One run of the program, from its start to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunReport {
    /// What stands under `run`.
    pub run: String,
    /// How many different records there are.
    pub records: u64,
    /// The lowest number. The first run in the files may begin late, because
    /// what came before was rotated away; for any other that is a gap.
    pub first: u64,
    /// The highest number.
    pub last: u64,
    /// The numbers that are missing in between: the first 1000 ranges.
    pub gaps: Vec<RangeInclusive<u64>>,
    /// How many numbers are missing in all.
    pub missing: u64,
    /// How many lines were told as lost, by records of the log itself.
    pub told: u64,
    /// How many of the missing numbers are told as lost where they are missing.
    pub missing_told: u64,
    /// How many records stand behind one with a higher number.
    pub out_of_order: u64,
    /// How many records have a number that stood there before.
    pub duplicates: u64,
    /// How often the clock was set back by more than a second.
    pub set_back: u64,
}

/// More than that nobody reads.
const MOST_TOLD: usize = 1000;

impl Report {
    /// Whether every line is there or told as lost, once, and can be read. A
    /// last line that a dying process has torn is no line yet, and does no harm.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.files.iter().all(|file| file.damage.is_none())
            && self.broken_count == self.torn_ends
            && self.runs.iter().all(|run| run.untold() == 0 && run.duplicates == 0)
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }
}

impl RunReport {
    /// How many numbers are missing of which nothing tells why.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.missing.saturating_sub(self.missing_told)
    }
}

pub(crate) fn verify(log: &Log) -> Result<Report, FileError> {
    let entries = log.entries()?;
    let mut report = Report::default();
    for path in entries.files() {
        report.file(path);
    }
    let mut runs = Runs::default();
    let mut ends = Ends::default();
    for entry in entries {
        report.torn_ends += ends.met(&entry);
        match entry {
            Entry::Record(record) => {
                report.file(record.file()).records += 1;
                if !log.is_of_errors() && !runs.take(&record) {
                    report.unnumbered += 1;
                }
            }
            Entry::Broken(broken) => report.take(broken),
        }
    }
    report.torn_ends += ends.torn;
    report.runs = runs.finish();
    Ok(report)
}

impl Report {
    fn take(&mut self, broken: Broken) {
        if let Fault::Damaged(text) = &broken.fault {
            self.file(&broken.file).damage = Some(text.clone());
        }
        self.broken_count += 1;
        if self.broken.len() < MOST_TOLD {
            self.broken.push(broken);
        }
    }

    fn file(&mut self, path: &Path) -> &mut FileReport {
        // It is the last one, but for files that could not be opened.
        let at = self.files.iter().rposition(|file| file.path == path).unwrap_or_else(|| {
            self.files.push(FileReport { path: path.to_owned(), records: 0, damage: None });
            self.files.len() - 1
        });
        &mut self.files[at]
    }
}

/// Tells the torn ends of runs from what is torn within one.
#[derive(Debug, Default)]
struct Ends {
    runs: HashSet<String>,
    /// Torn lines since the last record: several where a start was torn, too.
    torn: u64,
}

impl Ends {
    /// How many torn lines turn out to be ends.
    fn met(&mut self, entry: &Entry) -> u64 {
        match entry {
            Entry::Broken(broken) if broken.fault == Fault::Torn => {
                self.torn += 1;
                0
            }
            Entry::Broken(_) => {
                self.torn = 0;
                0
            }
            Entry::Record(record) => {
                let torn = std::mem::take(&mut self.torn);
                let is_new = record.run().is_some_and(|run| !self.runs.contains(run));
                if !is_new {
                    return 0;
                }
                self.runs.extend(record.run().map(str::to_owned));
                torn
            }
        }
    }
}

#[derive(Debug, Default)]
struct Runs {
    in_order: Vec<Run>,
    places: HashMap<String, usize>,
}

#[derive(Debug, Default)]
struct Run {
    name: String,
    numbers: Ranges,
    records: u64,
    duplicates: u64,
    losses: Losses,
    edge: Edge,
    out_of_order: u64,
    latest: u64,
    set_back: u64,
}

impl Runs {
    /// Whether the record says where it belongs.
    fn take(&mut self, record: &Record) -> bool {
        let is_ours = record.is_of_the_log();
        let Some(name) = record.run() else { return is_ours };
        let run = self.of(name);
        let highest = run.numbers.last();
        if let Some(lost) = record.lost() {
            run.losses.told(lost, highest);
        }
        let Some(number) = record.seq() else { return is_ours };
        match run.numbers.insert(number) {
            true => {
                run.records += 1;
                run.out_of_order += u64::from(highest.is_some_and(|highest| number < highest));
            }
            false => run.duplicates += 1,
        }
        run.losses.passed(number);
        run.edge.passed(number);
        if let Some(second) = record.time().and_then(second) {
            // Lines of different threads stand slightly out of order.
            if second + 1 < run.latest {
                run.set_back += 1;
                run.latest = second;
            }
            run.latest = run.latest.max(second);
        }
        true
    }

    fn of(&mut self, name: &str) -> &mut Run {
        let at = match self.places.get(name) {
            Some(&at) => at,
            None => {
                self.in_order.push(Run { name: name.to_owned(), ..Run::default() });
                self.places.insert(name.to_owned(), self.in_order.len() - 1);
                self.in_order.len() - 1
            }
        };
        &mut self.in_order[at]
    }

    fn finish(self) -> Vec<RunReport> {
        let runs = self.in_order.into_iter().enumerate();
        runs.map(|(at, run)| run.report(at == 0)).collect()
    }
}

impl Run {
    fn report(self, may_begin_late: bool) -> RunReport {
        let first = self.numbers.first().unwrap_or(0);
        let missed = (!may_begin_late && first > 1).then(|| 1..=first - 1);
        let edge = if may_begin_late && first > 1 { self.edge.begin() } else { 0 };
        let gaps = missed.into_iter().chain(self.numbers.gaps()).filter(|gap| *gap.end() >= edge);
        let missing = gaps.clone().map(|gap| len(&gap)).fold(0, u64::saturating_add);
        let missing_told = self.losses.in_gaps(gaps.clone());
        RunReport {
            records: self.records,
            first,
            last: self.numbers.last().unwrap_or(0),
            gaps: gaps.take(MOST_TOLD).collect(),
            missing,
            told: self.losses.sum(),
            missing_told,
            out_of_order: self.out_of_order,
            duplicates: self.duplicates,
            set_back: self.set_back,
            run: self.name,
        }
    }
}

/// The second that an RFC 3339 time in UTC names, counted so that they are in
/// order: every month has 31 days for that.
fn second(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let days = (number(0, 4)? * 12 + number(5, 7)?) * 31 + number(8, 10)?;
    Some(((days * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?)
}
