//! The one place that prints: results on stdout, everything else on stderr.

pub(crate) mod progress;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod units;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use lyra::errors::{Error, Result};
use serde::Serialize;
use snafu::ResultExt as _;

use crate::args::{Format, Global};
use crate::error::OutputSnafu;
use progress::Progress;

/// Who is told what, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    verbosity: Verbosity,
    colour: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

impl Output {
    pub(crate) fn new(format: Format, global: &Global) -> Self {
        let verbosity = match (global.quiet, global.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { format, verbosity, colour }
    }

    /// For errors that arise before the arguments are understood.
    pub(crate) fn early(format: Format) -> Self {
        Self { format, verbosity: Verbosity::Normal, colour: false }
    }

    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// The result of the command: `document` for machines, or what `human`
    /// makes of it for people. Called once.
    pub(crate) fn result<T: Serialize>(
        self,
        document: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        let text = match self.format {
            Format::Human => harmless(&human(document)).into_owned(),
            Format::Json => {
                return self.stream(document).map(|_| ());
            }
        };
        match text.trim_end() {
            "" => Ok(()),
            text => self.payload(|stdout| told_all(writeln!(stdout, "{text}"))).map(|_| ()),
        }
    }

    /// The document for machines, written while it is made; nothing where the
    /// reader went away.
    pub(crate) fn stream<T: Serialize>(self, document: &T) -> Result<Option<()>> {
        let is_watched = io::stdout().is_terminal();
        self.payload(|stdout| {
            let escaped = Escaped(&mut *stdout);
            json(match is_watched {
                true => serde_json::to_writer_pretty(escaped, document),
                false => serde_json::to_writer(escaped, document),
            })?;
            told_all(writeln!(stdout))
        })
    }

    /// One document of several, on a line of its own; nothing where the reader
    /// went away.
    pub(crate) fn line<T: Serialize>(self, document: &T) -> Result<Option<()>> {
        self.payload(|stdout| {
            json(serde_json::to_writer(Escaped(&mut *stdout), document))?;
            told_all(writeln!(stdout))
        })
    }

    /// One line of several for people; nothing where the reader went away.
    pub(crate) fn text(self, text: impl fmt::Display) -> Result<Option<()>> {
        let text = text.to_string();
        self.payload(|stdout| told_all(writeln!(stdout, "{}", harmless(&text))))
    }

    /// Lets `write` put on stdout what is too long to be held in memory.
    ///
    /// A reader that has seen enough (`lyra … | head`) is no error: the rest
    /// is not written, and there is nothing to return.
    pub(crate) fn payload<T>(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut stdout = Stdout { stdout: io::stdout().lock(), gone: false };
        let mut buffer = io::BufWriter::new(&mut stdout);
        let written = write(&mut buffer).and_then(|value| told_all(buffer.flush()).map(|()| value));
        // What could not be written once is not tried again.
        let _ = buffer.into_parts();
        match written {
            Ok(value) => Ok(Some(value)),
            Err(_) if stdout.gone => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A part of the result that people see as it comes; machines get it all
    /// at the end, from [`result`](Self::result).
    pub(crate) fn step(self, text: impl fmt::Display) -> Result<()> {
        match self.format {
            Format::Human => {
                let text = text.to_string();
                self.payload(|stdout| told_all(writeln!(stdout, "{}", harmless(&text)))).map(|_| ())
            }
            Format::Json => Ok(()),
        }
    }

    /// A line beside the result.
    pub(crate) fn note(self, text: impl fmt::Display) {
        if self.verbosity >= Verbosity::Normal {
            told(&text);
        }
    }

    /// A line that the result is not understood without, as the name of what
    /// was left out; said also to those who want it quiet.
    pub(crate) fn warn(self, text: impl fmt::Display) {
        told(&text);
    }

    /// A line for those who asked for more.
    pub(crate) fn detail(self, text: impl fmt::Display) {
        if self.verbosity >= Verbosity::Verbose {
            told(&text);
        }
    }

    /// A question whose answer stands on the same line.
    pub(crate) fn ask(self, question: impl fmt::Display) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{question}");
        let _ = stderr.flush();
    }

    /// A bar on a terminal, once the work takes longer than a second.
    pub(crate) fn bytes_bar(self, what: &'static str) -> Progress {
        Progress::of_bytes(what, self.verbosity >= Verbosity::Normal)
    }

    /// A count on a terminal, once the work takes longer than a second.
    pub(crate) fn entries_bar(self, what: &'static str) -> Progress {
        Progress::of_entries(what, self.verbosity >= Verbosity::Normal)
    }

    /// Whether somebody watches stderr, so that a bar says it better than
    /// lines.
    pub(crate) fn is_watched(self) -> bool {
        io::stderr().is_terminal()
    }

    /// What failed, its context, its causes and what to do.
    pub(crate) fn failure(self, error: &Error) {
        let headline = format!("error: {error} [{}]", error.code());
        if self.format == Format::Json {
            told(&headline);
            let document = error.to_json();
            // Nobody is left to tell if this fails, too.
            let _ = self.payload(|stdout| told_all(writeln!(Escaped(&mut *stdout), "{document}")));
            return;
        }
        let mut text = headline;
        for (key, value) in error.context().iter() {
            text += &format!("\n  {}: {value}", harmless(key));
        }
        for cause in error.causes() {
            let cause = cause.to_string().replace('\n', " ");
            text += &format!("\n  caused by: {cause}");
        }
        if self.verbosity >= Verbosity::Verbose {
            text += &format!("\n  at: {}:{}", error.location().file(), error.location().line());
        }
        let text = format!("{text}\n  hint: {}", error.code().hint());
        let (red, plain) = if self.colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let painted = harmless(&text).replacen("error:", &format!("{red}error:{plain}"), 1);
        let _ = writeln!(io::stderr().lock(), "{painted}");
    }
}

/// Standard output that knows whether its reader went away.
struct Stdout<'a> {
    stdout: io::StdoutLock<'a>,
    gone: bool,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stdout.write(bytes);
        self.noticed(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stdout.flush();
        self.noticed(flushed)
    }
}

impl Stdout<'_> {
    fn noticed<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        self.gone |= done.as_ref().is_err_and(broken);
        done
    }
}

fn json(written: serde_json::Result<()>) -> Result<()> {
    told_all(written.map_err(io::Error::from))
}

/// A failure to write to stdout as an error of the command.
fn told_all<T>(written: io::Result<T>) -> Result<T> {
    Ok(written.context(OutputSnafu)?)
}

/// Nobody is left to tell when stderr is gone, so that is no failure.
fn told(text: &dyn fmt::Display) {
    let text = text.to_string();
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{}", harmless(&text));
    let _ = stderr.flush();
}

/// What a person reads, without the control characters that an entry or the
/// name of a file may hold: a terminal would obey them. Nor what breaks lines
/// or changes the order of reading.
fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| !matches!(c, '\n' | '\t') && is_obeyed(c);
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

fn is_obeyed(c: char) -> bool {
    match c {
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    }
}

/// JSON whose texts are escaped beyond what JSON asks for: a terminal obeys more
/// than the control characters of ASCII, and what an entry had escaped is
/// not let loose by passing through here. What pretty printing puts between the
/// texts stays.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The serializer cuts at what it escapes itself, never in a character.
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        let obeyed = |c: char| c != '\n' && is_obeyed(c);
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| obeyed(*c)) {
            self.0.write_all(&rest.as_bytes()[..at])?;
            // All of them have four digits at most.
            write!(self.0, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_all(rest.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_what_is_shown() {
        assert_eq!(harmless("a\tb\nü"), "a\tb\nü");
        assert_eq!(harmless("\x1b[2Jgone\r\u{9b}1m"), "\\u{1b}[2Jgone\\r\\u{9b}1m");
        assert_eq!(harmless("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
        assert_eq!(harmless("\u{61c}"), "\\u{61c}");
    }

    #[test]
    fn a_terminal_obeys_nothing_in_json() {
        let text = "ü\n\u{9b}\u{7f}\u{61c}\u{200e}x\u{202e}\u{2066}\u{2028}\u{1b}";
        let mut written = Vec::new();
        serde_json::to_writer_pretty(Escaped(&mut written), &[text]).unwrap_or_default();
        let written = String::from_utf8(written).unwrap_or_default();
        let expected = r#""ü\n\u009b\u007f\u061c\u200ex\u202e\u2066\u2028\u001b""#;
        assert_eq!(written, format!("[\n  {expected}\n]"));
        assert_eq!(serde_json::from_str(&written).ok(), Some([text.to_owned()]));
    }
}
