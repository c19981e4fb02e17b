//! A part of the terminal that is drawn again and again.

use std::io::{self, Write as _};

use lyra::errors::Result;
use snafu::ResultExt as _;

use super::harmless;
use crate::error::OutputSnafu;

/// A line for people, and whether it is alarming.
#[derive(Debug)]
pub(crate) struct Line {
    text: String,
    tone: Tone,
}

/// How a line looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Warning,
    Alarm,
}

impl Line {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The terminal on stdout, as a page of its own; dropped, what was there
/// before is there again.
#[derive(Debug)]
pub(crate) struct Screen {
    colour: bool,
}

impl Screen {
    pub(crate) fn open() -> Result<Self> {
        let colour = std::env::var_os("NO_COLOR").is_none();
        // The other page, and no cursor on it.
        put("\x1b[?1049h\x1b[?25l")?;
        Ok(Self { colour })
    }

    /// Draws these lines, as far as they fit, over what was drawn before.
    pub(crate) fn draw(&mut self, lines: &[Line]) -> Result<()> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        // Some terminals do not know their size.
        let size = size.filter(|size| size.ws_row > 0 && size.ws_col > 0);
        let (rows, columns) = size.map_or((24, 80), |size| (size.ws_row, size.ws_col));
        put(&frame(lines, rows.into(), columns.into(), self.colour))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where it cannot be written to, there is nothing to be restored.
        let _ = put("\x1b[?25h\x1b[?1049l");
    }
}

fn put(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(written.context(OutputSnafu)?)
}

/// From the corner on, each line over the old one, and nothing below.
fn frame(lines: &[Line], rows: usize, columns: usize, colour: bool) -> String {
    let shown = lines.iter().take(rows).map(|line| {
        let text: String = harmless(&line.text).chars().take(columns).collect();
        let paint = match line.tone {
            Tone::Warning if colour => "\x1b[33m",
            Tone::Alarm if colour => "\x1b[1;31m",
            _ => "",
        };
        let plain = if paint.is_empty() { "" } else { "\x1b[0m" };
        format!("{paint}{text}{plain}\x1b[K")
    });
    // A line break after the last one would scroll.
    format!("\x1b[H{}\x1b[J", shown.collect::<Vec<_>>().join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_its_terminal_and_paints_what_is_alarming() {
        let lines = [
            Line::plain("one\x1b[2J"),
            Line::new("two is long", Tone::Alarm),
            Line::plain("three"),
        ];
        assert_eq!(
            frame(&lines, 2, 9, true),
            "\x1b[Hone\\u{1b}\x1b[K\r\n\x1b[1;31mtwo is lo\x1b[0m\x1b[K\x1b[J"
        );
        assert_eq!(frame(&lines[1..], 1, 80, false), "\x1b[Htwo is long\x1b[K\x1b[J");
    }
}
