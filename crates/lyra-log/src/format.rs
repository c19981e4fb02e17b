//! How a line looks. What it says is the same in all formats.

pub(crate) mod human;
pub(crate) mod json;

use std::fmt::Debug;

use tracing::Level;

use crate::fields::ErrorView;
use crate::key::Key;
use crate::stamp::Clock;

/// What stands at the beginning of each line.
pub(crate) struct Stamp<'a> {
    pub(crate) clock: &'a mut Clock,
    pub(crate) now: std::time::SystemTime,
    pub(crate) level: Level,
    pub(crate) seq: u64,
}

/// How the parts of a line are written, one behind the other. Texts come
/// without their secrets, and as long as they may be.
pub(crate) trait Format: Debug + Send + Sync + 'static {
    /// The beginning of a line, in at most [`HEAD`] bytes.
    fn head(&self, out: &mut Vec<u8>, stamp: Stamp<'_>);
    fn target(&self, out: &mut Vec<u8>, target: &str);
    fn message(&self, out: &mut Vec<u8>, message: &str);
    fn operation(&self, out: &mut Vec<u8>, name: &str);
    /// The key of a field; its value follows. Numbers and truth values look the
    /// same in all formats.
    fn key(&self, out: &mut Vec<u8>, key: &Key);
    fn text(&self, out: &mut Vec<u8>, text: &str);
    fn error(&self, out: &mut Vec<u8>, error: &ErrorView);
    /// The end of a line, with how many fields found no room.
    fn end(&self, out: &mut Vec<u8>, dropped: usize, run: &str);
}

/// The room for the beginning of a line: the time takes 30 bytes, the number
/// at most 20.
pub(crate) const HEAD: usize = 128;

/// A whole number in decimal: `write!` takes three times as long.
pub(crate) fn whole(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789"[usize::try_from(number % 10).unwrap_or_default()];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Whether a character would break a line, move a terminal's cursor or change
/// the order in which text is read.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
