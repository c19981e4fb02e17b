//! One walk through a text, that stops only at bytes where a secret can be.

use std::ops::Range;

use super::extent::{self, Reach};
use super::keys::{Keys, Verdict};
use super::tokens::{self, Seen};

/// The next secret that begins at `from` or later.
pub(super) fn next(keys: &Keys, text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let seen = Seen::default();
    (from..bytes.len()).filter(|&at| STOPS[usize::from(bytes[at])]).find_map(|at| {
        let found = match bytes[at] {
            b':' => user_of_url(bytes, at, &seen).or_else(|| under_key(keys, text, at, at + 1)),
            b'=' => under_key(keys, text, at, at + 1),
            // An equals sign that was encoded along with its key.
            b'%' if matches!(bytes.get(at + 1..at + 3), Some(b"3D" | b"3d")) => {
                under_key(keys, text, at, at + 3)
            }
            b'%' => None,
            // `("authorization", "Basic …")`
            b',' => under_key_of_pair(keys, text, at),
            b'-' if bytes[at..].starts_with(b"--") && bytes.get(at + 2) != Some(&b'-') => {
                under_flag(keys, text, at)
            }
            _ => tokens::at(bytes, at, &seen),
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
    stops[b'%' as usize] = true;
    stops[b',' as usize] = true;
    stops
};

/// `scheme://user:password@host`, with `at` at the first colon, or
/// `scheme://token@host`.
fn user_of_url(bytes: &[u8], at: usize, seen: &Seen) -> Option<Range<usize>> {
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
    let mut sign = bytes[start..end].iter().rposition(|&b| b == b'@').map(|at| start + at);
    let Some(colon) = bytes[start..end].iter().position(|&b| b == b':') else {
        // No user's name is that long and has digits in it.
        let user = start..sign?;
        let is_token = user.len() >= 16 && bytes[user.clone()].iter().any(u8::is_ascii_digit);
        return is_token.then_some(user);
    };
    let colon = start + colon;
    // What is no port is a password with one of the bytes that end a host.
    if sign.is_none()
        && start >= seen.signless.get()
        && !bytes[colon + 1..end].iter().all(u8::is_ascii_digit)
    {
        end = reach(b"");
        sign = bytes[start..end].iter().rposition(|&b| b == b'@').map(|at| start + at);
        if sign.is_none() {
            seen.signless.set(end);
        }
    }
    let sign = sign.filter(|&sign| sign > colon + 1)?;
    let secret = colon + 1..sign;
    (&bytes[secret.clone()] != super::MARK.as_bytes()).then_some(secret)
}

/// The value behind a key that says it is secret: the key ends at `at` at the
/// latest, and the value begins at `from` at the earliest.
fn under_key(keys: &Keys, text: &str, at: usize, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if bytes[at] == b':' && (bytes.get(at + 1) == Some(&b':') || bytes[..at].ends_with(b":")) {
        return None; // the path of a Rust item
    }
    // `user%5Bpassword%5D=…`
    let at = match &bytes[..at] {
        [.., b'%', b'5', b'D' | b'd'] => at - 3,
        _ => at,
    };
    let mut key = key_before(text, at)?;
    if key == "value" {
        key = named_before(text, at).unwrap_or(key);
    }
    value(keys, key, text, from)
}

/// The second of two texts, the first of which names it.
fn under_key_of_pair(keys: &Keys, text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let quote = *bytes[..at].last().filter(|b| b"\"'".contains(b))?;
    let key = key_before(text, at)?;
    let open = at.checked_sub(key.len() + 3)?;
    let is_pair = bytes[open] == b'(' && bytes[open + 1] == quote;
    if is_pair { value(keys, key, text, at + 1) } else { None }
}

/// `--password x`, also as parts of a list: `"--password", "x"`.
fn under_flag(keys: &Keys, text: &str, at: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 64;
    let bytes = text.as_bytes();
    if at > 0 && (bytes[at - 1] == b'-' || bytes[at - 1].is_ascii_alphanumeric()) {
        return None;
    }
    let rest = &bytes[at + 2..bytes.len().min(at + 2 + LONGEST)];
    let length = rest.iter().position(|b| !b.is_ascii_alphanumeric() && !b"_-".contains(b))?;
    let end = at + 2 + length;
    let value_at = match &bytes[end..] {
        [b' ', b'-', ..] => return None,
        [b' ', ..] => end,
        [b'"', b',', b' ', b'"', ..] | [b'\'', b',', b' ', b'\'', ..] => end + 2,
        _ => return None,
    };
    value(keys, text.get(at + 2..end)?, text, value_at)
}

/// The value that a key stands before, if the key says that it is secret.
fn value(keys: &Keys, key: &str, text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let verdict = keys.judge(key);
    if verdict == Verdict::Plain {
        return None;
    }
    let reach = if is_header(key) { Reach::Line } else { Reach::Word };
    let value = extent::of(text, from, reach)?;
    let number = verdict == Verdict::UnlessNumber
        && bytes[value.clone()].iter().all(|b| b.is_ascii_digit() || b"._,".contains(b));
    (!number).then_some(value)
}

/// What a `value` is of, where the name stands right before it, as in
/// `{"name":"Authorization","value":"…"}`.
fn named_before(text: &str, at: usize) -> Option<&str> {
    const LONGEST: usize = 200;
    let mut start = at.saturating_sub(LONGEST);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let before = text[start..at].trim_end_matches(|c: char| !c.is_alphanumeric());
    let before = before.strip_suffix("value")?;
    let before = before.trim_end_matches(|c: char| c.is_whitespace() || "\"'\\,;".contains(c));
    let name = before.rfind(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))? + 1;
    let label = before[..name].trim_end_matches(|c: char| !c.is_alphanumeric());
    (label.ends_with("name") || label.ends_with("key")).then(|| &before[name..])
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
