//! Under which name a field stands in a line.

use crate::Redaction;
use crate::redact::Verdict;

/// What a line says of itself, and no field can say in its place.
const RESERVED: &[&str] =
    &["time", "level", "seq", "run", "target", "msg", "operation", "fields_dropped"];

/// Put before the name of a field that is reserved, or that begins with it:
/// so no two names become one.
pub(crate) const PREFIX: &str = "field.";

/// The name of a field, and what it says of the value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) prefixed: bool,
    pub(crate) verdict: Verdict,
    /// Whether the name needs no escapes in any format.
    pub(crate) plain: bool,
    /// One of 64 bits, by the name: names with different bits differ.
    pub(crate) bit: u64,
}

impl Key {
    pub(crate) fn new(name: &'static str, redaction: &Redaction) -> Self {
        let name = name.strip_prefix("r#").unwrap_or(name);
        Self {
            name,
            prefixed: RESERVED.contains(&name) || name.starts_with(PREFIX),
            verdict: redaction.judge(name),
            bit: 1
                << (name.bytes().fold(0_u32, |hash, b| hash.wrapping_mul(31) + u32::from(b)) % 64),
            plain: name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'),
        }
    }
}

/// The prefix follows from the name, and so does the verdict.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The keys that a thread has seen, by the place of their names.
///
/// Names live as long as the program, so the same place is the same name. To
/// judge one takes 50 ns, and an event in two spans has half a dozen.
#[derive(Debug)]
pub(crate) struct KnownKeys([Option<Known>; SLOTS]);

const SLOTS: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Known {
    /// Of which layer: each has its own redaction.
    layer: u64,
    place: usize,
    length: usize,
    key: Key,
}

impl KnownKeys {
    pub(crate) const fn new() -> Self {
        Self([None; SLOTS])
    }

    pub(crate) fn key(&mut self, layer: u64, name: &'static str, redaction: &Redaction) -> Key {
        let (place, length) = (name.as_ptr().addr(), name.len());
        // Names lie close together: a multiplication spreads them.
        let hash = place.wrapping_add(length).wrapping_mul(0x9e37_79b9) >> 20;
        let slot = &mut self.0[hash % SLOTS];
        match *slot {
            Some(known)
                if known.place == place && known.length == length && known.layer == layer =>
            {
                known.key
            }
            _ => {
                let key = Key::new(name, redaction);
                *slot = Some(Known { layer, place, length, key });
                key
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_prefixed_and_no_two_become_one() {
        let names = ["time", "field.time", "field.field.time", "times", "msg", "r#type", "message"];
        let shown: Vec<String> = names
            .map(|name| Key::new(name, &Redaction::off()))
            .map(|key| format!("{}{}", if key.prefixed { PREFIX } else { "" }, key.name))
            .into();
        let expected = [
            "field.time",
            "field.field.time",
            "field.field.field.time",
            "times",
            "field.msg",
            "type",
            "message",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_known_key_is_known_for_its_layer_alone() {
        let mut known = KnownKeys::new();
        for _ in 0..2 {
            assert_eq!(known.key(1, "token", &Redaction::new()).verdict, Verdict::Secret);
            assert_eq!(known.key(2, "token", &Redaction::off()).verdict, Verdict::Plain);
        }
        let text: &'static str = "tokens_used";
        assert_eq!(known.key(1, &text[..5], &Redaction::new()).verdict, Verdict::Secret);
        assert_eq!(known.key(1, text, &Redaction::new()).verdict, Verdict::Plain);
    }
}
