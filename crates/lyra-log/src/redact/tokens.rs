//! Tokens that are known by how they begin.
//!
//! A look at a place may go through much of the text and find nothing. What it
//! has seen is kept in [`Seen`], so that the walk as a whole takes a time in
//! proportion to the text, whatever is in it.

use std::cell::Cell;
use std::ops::Range;

/// How a token begins, and what follows.
struct Shape {
    prefix: &'static [u8],
    /// The place of a byte in the prefix that ordinary text has seldom.
    stop: usize,
    /// How many bytes must follow at least.
    least: usize,
    follows: fn(u8) -> bool,
    /// Whether it must be at the beginning of a word.
    at_word: bool,
}

const fn shape(prefix: &'static [u8], stop: usize, least: usize, follows: fn(u8) -> bool) -> Shape {
    Shape { prefix, stop, least, follows, at_word: false }
}

/// The `stop` bytes of all shapes, and of those below them.
pub(super) const STOPS: &[u8] = b"-_IJzbB";

const SHAPES: &[Shape] = &[
    Shape { at_word: true, ..shape(b"sk-", 2, 16, token) },
    shape(b"sk_live_", 2, 12, token),
    shape(b"sk_test_", 2, 12, token),
    shape(b"rk_live_", 2, 12, token),
    shape(b"ghp_", 3, 16, letter),
    shape(b"gho_", 3, 16, letter),
    shape(b"ghu_", 3, 16, letter),
    shape(b"ghs_", 3, 16, letter),
    shape(b"ghr_", 3, 16, letter),
    shape(b"github_pat_", 6, 16, token),
    shape(b"glpat-", 5, 16, token),
    Shape { at_word: true, ..shape(b"hf_", 2, 20, letter) },
    Shape { at_word: true, ..shape(b"npm_", 3, 30, letter) },
    shape(b"xoxa-", 4, 10, token),
    shape(b"xoxb-", 4, 10, token),
    shape(b"xoxp-", 4, 10, token),
    shape(b"xoxr-", 4, 10, token),
    shape(b"xoxs-", 4, 10, token),
    Shape { at_word: true, ..shape(b"xapp-", 4, 10, token) },
    Shape { at_word: true, ..shape(b"whsec_", 5, 16, letter) },
    shape(b"AGE-SECRET-KEY-", 3, 20, capital),
    shape(b"AKIA", 2, 12, capital),
    shape(b"ASIA", 2, 12, capital),
    shape(b"AIza", 2, 30, token),
];

/// What one walk has seen to be no secret, each as the place where that ends.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Lower-case letters and hyphens.
    words: Cell<usize>,
    /// What a web token's first part can be, with no second one behind it.
    lone_part: Cell<usize>,
    /// What a URL can be, with no `@` in it.
    pub(super) signless: Cell<usize>,
}

/// The token that has its stop byte at `at`.
pub(super) fn at(bytes: &[u8], at: usize, seen: &Seen) -> Option<Range<usize>> {
    match bytes[at] {
        b'b' | b'B' => bearer(bytes, at),
        b'J' => web_token(bytes, at, seen),
        b'-' if bytes[at..].starts_with(b"-----BEGIN ") => private_key(bytes, at),
        b'-' if bytes[at..].starts_with(b"---- BEGIN ") => private_key(bytes, at),
        _ => SHAPES.iter().find_map(|shape| shape.around(bytes, at, seen)),
    }
}

impl Shape {
    fn around(&self, bytes: &[u8], at: usize, seen: &Seen) -> Option<Range<usize>> {
        if self.prefix[self.stop] != bytes[at] {
            return None;
        }
        let start = at.checked_sub(self.stop)?;
        let rest = bytes[start..].strip_prefix(self.prefix)?;
        if self.at_word && !begins_word(bytes, start) {
            return None;
        }
        // `sk-learn-style-names` are words; what is random has a digit or a capital.
        if self.at_word && start < seen.words.get() {
            return None;
        }
        let length = run(rest, self.follows);
        let words =
            self.at_word && !rest[..length].iter().any(|b| !b.is_ascii_lowercase() && *b != b'-');
        if words {
            seen.words.set(start + self.prefix.len() + length);
        }
        (length >= self.least && !words).then(|| start..start + self.prefix.len() + length)
    }
}

/// Also behind the `n` of a `\n` in a text that was quoted as a whole.
fn begins_word(bytes: &[u8], start: usize) -> bool {
    match bytes[..start] {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., before] => !before.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// `Bearer` and a token: the token.
fn bearer(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let word = bytes.get(at..at + 6)?;
    if !word.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    let spaces = run(&bytes[at + 6..], |b| b.is_ascii_whitespace());
    let start = at + 6 + spaces;
    let length = run(&bytes[start..], |b| token(b) || b"._~+/=".contains(&b));
    (spaces > 0 && length >= 8).then(|| start..start + length)
}

/// `eyJ….….…`, with `at` at the `J`.
fn web_token(bytes: &[u8], at: usize, seen: &Seen) -> Option<Range<usize>> {
    let start = at.checked_sub(2).filter(|&start| bytes[start..].starts_with(b"eyJ"))?;
    if start < seen.lone_part.get() {
        return None;
    }
    let part = |b| token(b) || b == b'.' || b == b'=';
    let header = run(&bytes[start..], token);
    let behind = &bytes[start + header..];
    let has_more = run(&behind[..behind.len().min(5)], part) == 5;
    if !has_more {
        seen.lone_part.set(start + header);
    }
    (header >= 12 && has_more).then(|| start..start + header + run(behind, part))
}

fn private_key(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let title = &bytes[at..bytes.len().min(at + 80)];
    find(title, b"PRIVATE KEY")?;
    let (last, close): (&[u8], &[u8]) = match bytes[at + 4] {
        b'-' => (b"-----END ", b"-----"),
        _ => (b"---- END ", b"----"),
    };
    let end = find(&bytes[at..], last)
        .map(|end| at + end + last.len())
        .and_then(|end| find(&bytes[end..], close).map(|found| end + found + close.len()));
    Some(at..end.unwrap_or(bytes.len()))
}

/// A token with a prefix that the host added.
pub(super) fn with_prefix(prefix: &str, text: &str, from: usize) -> Option<Range<usize>> {
    text[from..].match_indices(prefix).find_map(|(at, _)| {
        let start = from + at;
        let length = run(&text.as_bytes()[start + prefix.len()..], token);
        (length >= 4).then(|| start..start + prefix.len() + length)
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn run(bytes: &[u8], follows: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&b| !follows(b)).unwrap_or(bytes.len())
}

fn token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn letter(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn capital(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}
