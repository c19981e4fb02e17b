//! One walk through a text, that stops only at bytes where a secret can be.

use std::ops::Range;

use super::extent::{self, Reach};
use super::keys::{Keys, Verdict};
use super::tokens;

/// The next secret that begins at `from` or later.
pub(super) fn next(keys: &Keys, text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    (from..bytes.len()).filter(|&at| STOPS[usize::from(bytes[at])]).find_map(|at| {
        let found = match bytes[at] {
            b':' => password_of_url(bytes, at).or_else(|| under_key(keys, text, at)),
            b'=' => under_key(keys, text, at),
            _ => tokens::at(bytes, at),
        }?;
        // What reaches back into an earlier secret is a part of that one.
        let found = found.start.max(from)..found.end;
        (!found.is_empty()).then_some(found)
    })
}

/// Each kind of secret has one byte that ordinary text has seldom.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut i = 0;
    while i < tokens::STOPS.len() {
        stops[tokens::STOPS[i] as usize] = true;
        i += 1;
    }
    stops[b':' as usize] = true;
    stops[b'=' as usize] = true;
    stops
};

/// `scheme://user:password@host`, with `at` at the first colon.
fn password_of_url(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + 3;
    if !bytes[at..].starts_with(b"://") {
        return None;
    }
    let reach = |ends: &[u8]| {
        let rest = &bytes[start..];
        start
            + rest
                .iter()
                .position(|b| {
                    b.is_ascii_whitespace() || b"\"'`<>\\".contains(b) || ends.contains(b)
                })
                .unwrap_or(rest.len())
    };
    let mut end = reach(b"/?#");
    let colon = start + bytes[start..end].iter().position(|&b| b == b':')?;
    let mut sign = bytes[start..end].iter().rposition(|&b| b == b'@').map(|at| start + at);
    // What is no port is a password with one of the bytes that end a host.
    if sign.is_none() && !bytes[colon + 1..end].iter().all(u8::is_ascii_digit) {
        end = reach(b"");
        sign = bytes[start..end].iter().rposition(|&b| b == b'@').map(|at| start + at);
    }
    let sign = sign.filter(|&sign| sign > colon + 1)?;
    let secret = colon + 1..sign;
    (&bytes[secret.clone()] != super::MARK.as_bytes()).then_some(secret)
}

/// The value behind a key that says it is secret, with `at` between the two.
fn under_key(keys: &Keys, text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if bytes[at] == b':' && (bytes.get(at + 1) == Some(&b':') || bytes[..at].ends_with(b":")) {
        return None; // the path of a Rust item
    }
    let key = key_before(text, at)?;
    let verdict = keys.judge(key);
    if verdict == Verdict::Plain {
        return None;
    }
    let reach = if is_header(key) { Reach::Line } else { Reach::Word };
    let value = extent::of(text, at + 1, reach)?;
    let number = verdict == Verdict::UnlessNumber
        && bytes[value.clone()].iter().all(|b| b.is_ascii_digit() || b"._,".contains(b));
    (!number).then_some(value)
}

/// Their values have spaces in them.
fn is_header(key: &str) -> bool {
    ["authorization", "cookie"].iter().any(|header| {
        key.len() >= header.len()
            && key.as_bytes()[key.len() - header.len()..].eq_ignore_ascii_case(header.as_bytes())
    })
}

/// The key that ends at `end`, also one in quotes, and in quotes that are
/// escaped because the text was quoted as a whole.
fn key_before(text: &str, end: usize) -> Option<&str> {
    const LONGEST: usize = 128;
    let bytes = text.as_bytes();
    let back_over = |end: usize, skip: fn(u8) -> bool| {
        let floor = end.saturating_sub(LONGEST);
        (floor..end).rev().find(|&at| !skip(bytes[at])).map_or(floor, |at| at + 1)
    };
    let end = back_over(end, |b| b == b' ' || b == b'\t');
    let end = back_over(end, |b| b"\"'`\\])?!".contains(&b));
    let mut start =
        back_over(end, |b| b.is_ascii_alphanumeric() || b"_-.".contains(&b) || b >= 0x80);
    // `\n` of a text that was quoted as a whole is no part of the key.
    if start > 0
        && bytes[start - 1] == b'\\'
        && matches!(bytes.get(start), Some(b'n' | b'r' | b't'))
    {
        start += 1;
    }
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..end).filter(|key| !key.is_empty())
}
