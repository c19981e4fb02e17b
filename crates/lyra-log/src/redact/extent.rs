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
    let prefix = skip(bytes, start, |b| b.is_ascii_alphanumeric() || b"_#:".contains(&b));
    let slashes = skip(bytes, start, |b| b == b'\\') - start;
    let value = match bytes.get(start + slashes) {
        Some(&quote @ (b'"' | b'\'' | b'`')) => {
            let value = quoted(bytes, start + slashes, slashes, quote);
            // `Cookie: "a"; b=…` goes on.
            match bytes.get(value.end + 1) {
                Some(b';') if reach == Reach::Line => start..line(bytes, value.end + 1),
                _ => value,
            }
        }
        _ => match bytes.get(prefix) {
            // `b"…"` and `r#"…"#`, as `Debug` and Rust write them.
            Some(b'"') if prefix - start <= 3 => quoted(bytes, prefix, 0, b'"'),
            Some(b'(' | b'[' | b'{') => start..balanced(bytes, prefix),
            // `Password { inner: "…" }`, as `Debug` writes what has fields.
            Some(b' ')
                if names_type(&bytes[start..prefix]) && bytes.get(prefix + 1) == Some(&b'{') =>
            {
                start..balanced(bytes, prefix + 1)
            }
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

/// Whether it is the name of a type, with its path or without.
fn names_type(name: &[u8]) -> bool {
    let last = name.rsplit(|&b| b == b':').next().unwrap_or_default();
    last.first().is_some_and(u8::is_ascii_uppercase)
}

/// Between quotes that have `slashes` before them, because the text that they
/// are in was itself quoted so often.
fn quoted(bytes: &[u8], open: usize, slashes: usize, quote: u8) -> Range<usize> {
    let start = open + 1;
    let (mut at, mut before) = (start, 0);
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            before += 1;
            at += 1;
            continue;
        }
        // An escaped quote has one more pair's half than a closing one.
        let closes = before < slashes || before % (2 * (slashes + 1)) == slashes;
        if byte == quote && closes {
            // SQL writes a quote within quotes twice.
            let is_doubled = quote == b'\'' && slashes == 0 && bytes.get(at + 1) == Some(&quote);
            if !is_doubled || at == start {
                return start..(at - before.min(slashes)).max(start);
            }
            at += 1;
        }
        before = 0;
        at += 1;
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

/// To the end of the line, or of the text in quotes that it is in. What is in
/// quotes within it follows an equals sign, as in `response="…"`.
fn line(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        let quote: &[u8] = match byte {
            b'\n' | b'\r' => return at,
            b'"' => b"\"",
            b'\\' if bytes.get(at + 1) == Some(&b'"') => b"\\\"",
            b'\\' if matches!(bytes.get(at + 1), Some(b'n' | b'r' | b'\\')) => return at,
            _ => {
                at += 1;
                continue;
            }
        };
        if at == start || bytes[at - 1] != b'=' {
            return at;
        }
        let inner = at + quote.len();
        let Some(close) = bytes[inner..].windows(quote.len()).position(|w| w == quote) else {
            return bytes.len();
        };
        at = inner + close + quote.len();
    }
    bytes.len()
}

fn word(bytes: &[u8], start: usize) -> usize {
    let ends = |b: u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'&');
    let mut end = skip(bytes, start, |b| !ends(b));
    // A quote ends it as well, but for one in the middle of a word.
    let quote = (start..end).find(|&at| {
        matches!(bytes[at], b'\'' | b'`')
            && !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
    });
    end = quote.unwrap_or(end);
    let schemes: [&[u8]; 4] = [b"basic", b"bearer", b"digest", b"token"];
    if bytes.get(end) == Some(&b' ')
        && schemes.iter().any(|s| bytes[start..end].eq_ignore_ascii_case(s))
    {
        return skip(bytes, skip(bytes, end, |b| b == b' '), |b| !ends(b));
    }
    let trailing = bytes[start..end].iter().rev().take_while(|b| b",;)]}>".contains(b)).count();
    end - trailing
}
