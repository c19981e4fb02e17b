//! One line for a person at a console.

use tracing::Level;

use super::{Format, Stamp, is_control, whole};
use crate::fields::ErrorView;
use crate::key::{self, Key};

/// Whether lines have colours. They are for a terminal: the caller knows
/// whether it writes to one, and whether `NO_COLOR` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colours {
    /// None.
    #[default]
    Off,
    /// The level in its colour, what is of less weight dimmed.
    On,
}

/// See [`HumanLayer`](crate::HumanLayer).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Human {
    pub(crate) colours: Colours,
}

impl Human {
    fn coloured(self, out: &mut Vec<u8>, colour: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if self.colours == Colours::Off {
            return write(out);
        }
        out.extend_from_slice(colour.as_bytes());
        write(out);
        out.extend_from_slice(b"\x1b[0m");
    }

    fn dimmed(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.coloured(out, "\x1b[2m", write);
    }
}

impl Format for Human {
    fn head(&self, out: &mut Vec<u8>, stamp: Stamp<'_>) {
        let (name, colour) = level(stamp.level);
        self.dimmed(out, |out| stamp.clock.write(out, stamp.now, 3));
        out.push(b' ');
        self.coloured(out, colour, |out| out.extend_from_slice(name.as_bytes()));
        out.push(b' ');
    }

    fn target(&self, out: &mut Vec<u8>, target: &str) {
        self.dimmed(out, |out| {
            visible(out, target);
            out.push(b':');
        });
    }

    fn message(&self, out: &mut Vec<u8>, message: &str) {
        if !message.is_empty() {
            out.push(b' ');
            visible(out, message);
        }
    }

    fn operation(&self, out: &mut Vec<u8>, name: &str) {
        out.push(b' ');
        self.dimmed(out, |out| out.extend_from_slice(b"operation="));
        self.text(out, name);
    }

    fn key(&self, out: &mut Vec<u8>, key: &Key) {
        out.push(b' ');
        self.dimmed(out, |out| {
            if key.prefixed {
                out.extend_from_slice(key::PREFIX.as_bytes());
            }
            if key.plain {
                out.extend_from_slice(key.name.as_bytes());
            } else {
                visible(out, key.name);
            }
            out.push(b'=');
        });
    }

    /// In quotes where it would not be seen where it ends.
    fn text(&self, out: &mut Vec<u8>, text: &str) {
        let bare = !text.is_empty() && !text.contains([' ', '"', '\\', '=']);
        if bare && !text.contains(is_control) {
            return out.extend_from_slice(text.as_bytes());
        }
        out.push(b'"');
        for part in text.split_inclusive(['"', '\\']) {
            match part.as_bytes() {
                [start @ .., last @ (b'"' | b'\\')] => {
                    visible(out, std::str::from_utf8(start).unwrap_or_default());
                    out.extend_from_slice(&[b'\\', *last]);
                }
                _ => visible(out, part),
            }
        }
        out.push(b'"');
    }

    fn error(&self, out: &mut Vec<u8>, error: &ErrorView) {
        let mut text = error.message.clone();
        for cause in &error.causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        if error.cut {
            text.push_str(": …");
        }
        if let Some(class) = &error.class {
            text.push_str(" [");
            text.push_str(class.code);
            text.push(']');
        }
        self.text(out, &text);
    }

    fn end(&self, out: &mut Vec<u8>, dropped: usize, _run: &str) {
        if dropped > 0 {
            out.extend_from_slice(b" (and ");
            whole(out, dropped as u64);
            out.extend_from_slice(b" fields that did not fit)");
        }
        out.push(b'\n');
    }
}

fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("ERROR", "\x1b[31m"),
        Level::WARN => (" WARN", "\x1b[33m"),
        Level::INFO => (" INFO", "\x1b[32m"),
        Level::DEBUG => ("DEBUG", "\x1b[34m"),
        Level::TRACE => ("TRACE", "\x1b[35m"),
    }
}

/// With control characters escaped: a line must not drive the terminal.
fn visible(out: &mut Vec<u8>, text: &str) {
    if !text.contains(is_control) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut utf8 = [0; 4];
    for c in text.chars() {
        if is_control(c) {
            out.extend(c.escape_default().map(|c| u8::try_from(c).unwrap_or(b'?')));
        } else {
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
    }
}
