//! One line of a log, as far as it can be understood.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::Level;

use super::lines::Span;

/// What stands in a line.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A record.
    Record(Record),
    /// Bytes that are none.
    Broken(Broken),
}

/// A record, and where it was found.
#[derive(Debug, Clone)]
pub struct Record {
    raw: String,
    fields: Map<String, Value>,
    file: Arc<Path>,
    offset: u64,
}

/// Bytes that are no record, and where they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// The file, by the name that it had when it was opened.
    pub file: PathBuf,
    /// Where they begin; in a compressed file, in what it holds.
    pub offset: u64,
    /// How many they are, as far as that is known.
    pub len: u64,
    /// What is wrong with them.
    pub fault: Fault,
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The line ends too early: the process or the disk died in it.
    Torn,
    /// The line is no JSON object.
    Invalid,
    /// The line is longer than 16 MiB, and was skipped.
    TooLong,
    /// The file can't be read from there on.
    Damaged(String),
    /// Files that were followed are gone before they were read, and with them
    /// that many records, where the numbers tell it.
    Missed(Option<u64>),
}

impl Entry {
    /// The record, if it is one.
    #[must_use]
    pub fn into_record(self) -> Option<Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Broken(_) => None,
        }
    }

    pub(crate) fn unopened(file: &Path, error: &io::Error) -> Self {
        let fault = Fault::Damaged(error.to_string());
        Self::Broken(Broken { file: file.to_owned(), offset: 0, len: 0, fault })
    }

    pub(crate) fn new(file: &Arc<Path>, span: Span, line: &[u8], has_end: bool) -> Self {
        let broken = |fault| {
            let Span { offset, len, .. } = span;
            Self::Broken(Broken { file: file.to_path_buf(), offset, len, fault })
        };
        if span.is_too_long {
            return broken(Fault::TooLong);
        }
        let parsed = std::str::from_utf8(line).ok().map(serde_json::from_str);
        match parsed {
            Some(Ok(Value::Object(fields))) => {
                let raw = String::from_utf8_lossy(line).into_owned();
                Self::Record(Record { raw, fields, file: Arc::clone(file), offset: span.offset })
            }
            _ if !has_end || is_torn(line) => broken(Fault::Torn),
            _ => broken(Fault::Invalid),
        }
    }
}

impl Record {
    /// The line as it stands in the file, without its newline.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// When it was written: RFC 3339 in UTC.
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        self.text("time")
    }

    /// How loud it is. Bunyan's numbers are understood as well.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        match self.fields.get("level")? {
            Value::String(name) => name.parse().ok(),
            number => match number.as_u64()? {
                0..20 => Some(Level::TRACE),
                20..30 => Some(Level::DEBUG),
                30..40 => Some(Level::INFO),
                40..50 => Some(Level::WARN),
                _ => Some(Level::ERROR),
            },
        }
    }

    /// Its number in the run, from 1.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.fields.get("seq")?.as_u64()
    }

    /// The run of the program that wrote it.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.text("run")
    }

    /// The part of the program that it comes from.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.text("target")
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.text("msg")
    }

    /// The operation that it belongs to.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.text("operation")
    }

    /// A field by its name; in nested objects by the names with dots between.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).or_else(|| {
            let (outer, inner) = name.split_once('.')?;
            inner.split('.').try_fold(self.fields.get(outer)?, |value, part| value.get(part))
        })
    }

    /// Every field.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The file that it stands in, by the name that it had when it was opened.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where it begins in the file, in bytes; in a compressed file, in what
    /// that holds.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many lines it tells as lost, if that is what it is for.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        self.fields.get("lost").filter(|_| self.is_of_the_log())?.as_u64()
    }

    /// Whether the log itself wrote it. What has a number is an event of the
    /// program, whatever target that gave it.
    pub(crate) fn is_of_the_log(&self) -> bool {
        self.target() == Some("lyra_log") && !self.fields.contains_key("seq")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }
}

/// Whether a line is the beginning of a record. The next start of the program
/// ends it with a newline, and a power cut fills it up with zeros: the length of
/// a file may reach the disk before what was written.
fn is_torn(line: &[u8]) -> bool {
    let zeros = line.iter().rev().take_while(|&&byte| byte == 0).count();
    let begin = &line[..line.len() - zeros];
    let text = match std::str::from_utf8(begin) {
        Ok(text) => text,
        // Torn within a character.
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(&begin[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) => zeros > 0 && value.is_object(),
        Err(e) => e.is_eof() && !line.is_empty(),
    }
}
