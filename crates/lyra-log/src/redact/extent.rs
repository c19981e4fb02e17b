//! How far the value behind a key reaches.

use std::ops::Range;

use super::MARK;

/// Where a value without quotes ends.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Reach {
    Word,
    Line,
}

/// The value that begins at `from`, or nothing where there is none to hide.
///
/// Where the text is cut off or its quotes don't match, it reaches to the end:
/// too much hidden is a smaller harm than too little.
pub(super) fn of(text: &str, from: usize, reach: Reach) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = skip(bytes, from, |b| b.is_ascii_whitespace() || b == b'=' || b == b'>');
    let prefix = skip(bytes, start, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'#');
    let slashes = skip(bytes, start, |b| b == b'\\') - start;
    let value = match bytes.get(start + slashes) {
        Some(&quote @ (b'"' | b'\'' | b'`')) => quoted(bytes, start + slashes, slashes, quote),
        _ => match bytes.get(prefix) {
            // `b"…"` and `r#"…"#`, as `Debug` and Rust write them.
            Some(b'"') if prefix - start <= 3 => quoted(bytes, prefix, 0, b'"'),
            Some(b'(' | b'[' | b'{') => start..balanced(bytes, prefix),
            _ if reach == Reach::Line => start..line(bytes, start),
            _ => start..word(bytes, start),
        },
    };
    let hidden = &text.get(value.clone())?;
    let tells_nothing = ["", "None", "null", "true", "false", "()", "[]", "{}", MARK];
    (!tells_nothing.contains(hidden)).then_some(value)
}

fn skip(bytes: &[u8], from: usize, over: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|&b| !over(b)).map_or(bytes.len(), |at| from + at)
}

/// Between quotes that have `slashes` before them, because the text that they
/// are in was itself quoted so often.
fn quoted(bytes: &[u8], open: usize, slashes: usize, quote: u8) -> Range<usize> {
    let start = open + 1;
    let mut before = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(start) {
        if byte == b'\\' {
            before += 1;
        } else {
            // An escaped quote has one more pair's half than a closing one.
            let closes = before < slashes || before % (2 * (slashes + 1)) == slashes;
            if byte == quote && closes {
                return start..(at - before.min(slashes)).max(start);
            }
            before = 0;
        }
    }
    start..bytes.len()
}

/// Behind the bracket that closes the one at `open`, minding quotes.
fn balanced(bytes: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0_usize, open);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => {
                let slashes = bytes[open..at].iter().rev().take_while(|&&b| b == b'\\').count();
                at = skip(bytes, quoted(bytes, at, slashes, b'"').end, |b| b == b'\\');
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn line(bytes: &[u8], start: usize) -> usize {
    (start..bytes.len())
        .find(|&at| match bytes[at] {
            b'\n' | b'\r' | b'"' => true,
            b'\\' => matches!(bytes.get(at + 1), Some(b'n' | b'r' | b'"' | b'\\')),
            _ => false,
        })
        .unwrap_or(bytes.len())
}

fn word(bytes: &[u8], start: usize) -> usize {
    let ends = |b: u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`' | b'&');
    let end = skip(bytes, start, |b| !ends(b));
    let schemes: [&[u8]; 4] = [b"basic", b"bearer", b"digest", b"token"];
    if bytes.get(end) == Some(&b' ')
        && schemes.iter().any(|s| bytes[start..end].eq_ignore_ascii_case(s))
    {
        return skip(bytes, skip(bytes, end, |b| b == b' '), |b| !ends(b));
    }
    let trailing = bytes[start..end].iter().rev().take_while(|b| b",;)]}>".contains(b)).count();
    end - trailing
}
