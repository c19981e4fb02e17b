//! A value as text, whatever the value does.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Settings;

/// What is rendered beyond the limit, so that a secret that the limit would
/// cut in two is still known by its whole.
const BEYOND: usize = 1024;

/// After so much more a value is taken for endless.
const ENDLESS: usize = 64 * 1024 * 1024;

/// Appends the value, and says how many bytes of it found no room.
///
/// A panic in the value ends here, and is told in the text.
pub(crate) fn render(out: &mut String, max: usize, value: fmt::Arguments<'_>) -> usize {
    let mut text = Capped { out, room: max + BEYOND, missing: 0 };
    let rendered = contain(|| text.write_fmt(value));
    let Capped { out, missing, .. } = text;
    match rendered {
        Ok(Ok(())) => {}
        Ok(Err(_)) if missing > ENDLESS => out.push_str("…[and no end]"),
        Ok(Err(_)) => out.push_str("…[display failed]"),
        Err(panic) => {
            out.push_str("…[panicked: ");
            out.push_str(&panic);
            out.push(']');
        }
    }
    missing
}

/// As much of `text` as [`render`] would have kept, and how much it left out.
pub(crate) fn first(text: &str, max: usize) -> (&str, usize) {
    let end = char_boundary(text, max + BEYOND);
    (&text[..end], text.len() - end)
}

/// The text without secrets, and then no longer than `max`, with a mark for
/// what is missing.
pub(crate) fn settle<'a>(
    text: &'a str,
    missing: usize,
    max: usize,
    settings: &Settings,
) -> Cow<'a, str> {
    let clean = settings.redaction.clean(text);
    if clean.len() <= max && missing == 0 {
        return clean;
    }
    let kept = char_boundary(&clean, max);
    let missing = clean.len() - kept + missing;
    Cow::Owned(format!("{}…[+{missing} bytes]", &clean[..kept]))
}

/// Runs code that is not ours; of a panic the text is left.
pub(crate) fn contain<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = panic_text(&*payload).chars().take(1000).collect();
        // To drop it may panic as well, and then so may what that threw.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        text
    })
}

/// What was given to `panic!`, where that is text.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

/// The end of the last character that is whole within `max` bytes.
fn char_boundary(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Keeps what there is room for and counts the rest.
struct Capped<'a> {
    out: &'a mut String,
    room: usize,
    missing: usize,
}

impl Write for Capped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.missing == 0 { self.room - self.out.len().min(self.room) } else { 0 };
        let kept = char_boundary(text, room);
        self.out.push_str(&text[..kept]);
        self.missing += text.len() - kept;
        if self.missing > ENDLESS { Err(fmt::Error) } else { Ok(()) }
    }
}
