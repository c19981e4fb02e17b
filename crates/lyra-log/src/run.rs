//! One run of the program: its name, and the number of each line.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// One run of a program, as its lines tell it: each has the run's name and the
/// next number, so that a gap in the numbers of a run is a line that is lost.
///
/// All that writes into the same place shares one.
pub struct Run {
    id: String,
    lines: AtomicU64,
}

impl Run {
    /// A run with a name of its own: when it began, in milliseconds, and the
    /// number of the process, both in base 36, such as `mh3q2x1a-3f7`. One
    /// that is begun later has a name that sorts later, for the next 1,900
    /// years.
    #[must_use]
    pub fn new() -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut id = String::with_capacity(16);
        base36(&mut id, began.as_millis());
        id.push('-');
        base36(&mut id, std::process::id().into());
        Self { id, lines: AtomicU64::new(0) }
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many numbers were given.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// The number of the next line, from 1. Taken when the line is finished,
    /// so that one whose making fails leaves no gap.
    pub(crate) fn next(&self) -> u64 {
        self.lines.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", &self.id).field("lines", &self.lines()).finish()
    }
}

fn base36(out: &mut String, number: u128) {
    if number >= 36 {
        base36(out, number / 36);
    }
    let digit = u32::try_from(number % 36).unwrap_or_default();
    out.extend(char::from_digit(digit, 36));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one_and_names_are_short() {
        let run = Run::new();
        assert_eq!((run.next(), run.next(), run.lines()), (1, 2, 2));
        assert!(run.id().len() <= 16, "{}", run.id());
        assert_eq!(u64::from_str_radix(&run.id()[9..], 36), Ok(std::process::id().into()));
    }
}
