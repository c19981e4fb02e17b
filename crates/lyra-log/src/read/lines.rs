//! Lines of bounded length, with their places.

use std::io::{self, BufRead};

/// A line that is longer is skipped. The writer's own limit of a file is
/// smaller by default.
pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

/// Splits what is read at newlines. What has no newline yet waits for more.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    /// The line that is being read, up to `longest` bytes of it.
    line: Vec<u8>,
    longest: usize,
    /// Where it begins, and how far it was read.
    begin: u64,
    end: u64,
    is_done: bool,
}

/// Where a line stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    /// Without the newline.
    pub(crate) len: u64,
    pub(crate) is_too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, longest: usize) -> Self {
        Self { reader, line: Vec::new(), longest, begin: 0, end: 0, is_done: false }
    }

    /// The next line that has an end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Span, &[u8])>> {
        if std::mem::take(&mut self.is_done) {
            self.line.clear();
            self.begin = self.end;
        }
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if chunk.is_empty() {
                return Ok(None);
            }
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..newline.unwrap_or(chunk.len())];
            let room = self.longest - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let taken = part.len() + usize::from(newline.is_some());
            self.reader.consume(taken);
            self.end += taken as u64;
            if newline.is_some() {
                self.is_done = true;
                return Ok(Some((self.span(1), &self.line)));
            }
        }
    }

    /// What came after the last newline.
    pub(crate) fn rest(&self) -> Option<(Span, &[u8])> {
        (!self.is_done && self.end > self.begin).then(|| (self.span(0), &*self.line))
    }

    /// Where the line that is being read begins.
    pub(crate) fn offset(&self) -> u64 {
        if self.is_done { self.end } else { self.begin }
    }

    /// How far the file was read.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    fn span(&self, newline: u64) -> Span {
        let len = self.end - self.begin - newline;
        Span { offset: self.begin, len, is_too_long: len > self.longest as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (u64, Vec<u8>, bool);

    fn all(text: &[u8]) -> (Vec<Found>, Option<u64>) {
        // A small buffer, so that lines lie across its end.
        let mut lines = Lines::new(io::BufReader::with_capacity(4, text), 10);
        let mut found = Vec::new();
        while let Some((span, line)) = lines.next().unwrap() {
            assert!(line.len() <= 10);
            found.push((span.offset, line.to_vec(), span.is_too_long));
        }
        let rest = lines.rest().map(|(span, _)| span.offset);
        (found, rest)
    }

    #[test]
    fn lines_have_their_places() {
        let (found, rest) = all(b"one\n\nthree and more\nfour\nfi");
        let expected = [
            (0, b"one".to_vec(), false),
            (4, b"".to_vec(), false),
            (5, b"three and ".to_vec(), true),
            (20, b"four".to_vec(), false),
        ];
        assert_eq!((found, rest), (expected.to_vec(), Some(25)));
        assert_eq!(all(b"1234567890\n"), (vec![(0, b"1234567890".to_vec(), false)], None));
        assert_eq!(all(b""), (vec![], None));
    }
}
