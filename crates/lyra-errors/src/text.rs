//! Text that stays within a size and on one line.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// How many bytes `text` takes in JSON, without its quotes.
///
/// Caps are kept in this measure, because it is what a log line pays: one
/// control character takes six bytes there.
pub(crate) fn json_len(text: &str) -> usize {
    text.chars().map(json_len_of).sum()
}

fn json_len_of(c: char) -> usize {
    match c {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// `text` when it takes at most `max` bytes in JSON, else as much of its
/// beginning as fits together with a mark that counts what is missing.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    // A byte takes at least one byte in JSON and at most six, so most texts
    // are decided without a walk through their characters.
    if text.len() <= max / 6 || (text.len() <= max && json_len(text) <= max) {
        return Cow::Borrowed(text);
    }
    let kept = prefix(text, max.saturating_sub(cut_mark(text.len()).len()));
    Cow::Owned(format!("{kept}{}", cut_mark(text.len() - kept.len())))
}

/// As much of the beginning as takes at most `max` bytes in JSON.
pub(crate) fn prefix(text: &str, max: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|&(_, c)| {
        used += json_len_of(c);
        used > max
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The mark behind a text that was cut by `missing` bytes.
fn cut_mark(missing: usize) -> String {
    format!("…[+{missing} bytes]")
}

/// What `value` displays, also when its implementation fails half-way.
///
/// `to_string` would panic then, and an error must be told even if the error
/// it wraps is badly made.
pub(crate) fn display(value: &dyn fmt::Display) -> String {
    let mut text = String::new();
    if write!(text, "{value}").is_err() {
        text.push_str("…[display failed]");
    }
    text
}

/// `text` with every control character escaped, so that it is one line and
/// reads in the order in which it was written.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let breaks_a_line = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if !text.contains(breaks_a_line) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if breaks_a_line(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn json_len_is_what_serde_json_writes(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(json_len(&text) + 2, written.len());
        }

        #[test]
        fn a_cut_text_fits_and_says_what_is_missing(text in "(?s).{0,400}", max in 32_usize..200) {
            let short = cut(&text, max);
            prop_assert!(json_len(&short) <= max);
            if short == text {
                prop_assert!(json_len(&text) <= max);
            } else {
                let (kept, mark) = short.rsplit_once("…[+").unwrap();
                let missing: usize = mark.trim_end_matches(" bytes]").parse().unwrap();
                prop_assert!(text.starts_with(kept));
                prop_assert_eq!(kept.len() + missing, text.len());
            }
        }

        #[test]
        fn one_line_has_no_control_character(text in any::<String>()) {
            let line = one_line(&text);
            prop_assert!(!line.contains(char::is_control));
            prop_assert!(line.lines().count() <= 1);
        }
    }

    #[test]
    fn a_display_that_fails_is_told() {
        struct Broken;
        impl fmt::Display for Broken {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                Err(fmt::Error)
            }
        }
        assert_eq!(display(&Broken), "half…[display failed]");
    }
}
