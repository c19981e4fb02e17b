use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Value;
use crate::text;

/// Named values that say under which circumstances an error arose.
///
/// Keys keep the order in which they came; a key that comes again replaces
/// the value and keeps its place. The size is capped, measured in bytes of
/// JSON because that is what a log line pays: a key at 64, a value at 1 KiB,
/// all together at 8 KiB. What is too long is cut with a mark, what does not
/// fit any more is left out and [counted](Self::dropped); neither is an error.
///
/// ```
/// use lyra_errors::Context;
///
/// let context = Context::new().with("model", "llama-8b").with("layers", 32);
/// assert_eq!(serde_json::to_string(&context)?, r#"{"model":"llama-8b","layers":32}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Context {
    entries: Vec<(Cow<'static, str>, Value)>,
    /// What the entries take in JSON, without the braces.
    bytes: usize,
    dropped: u64,
}

impl Context {
    /// The most bytes of JSON that a whole context takes.
    pub const MAX_BYTES: usize = 8 * 1024;
    /// The most bytes of JSON that one value takes.
    pub const MAX_VALUE_BYTES: usize = 1024;
    /// The most bytes of JSON that one key takes, without its quotes.
    pub const MAX_KEY_BYTES: usize = 64;

    /// A context with nothing in it; it allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), bytes: 0, dropped: 0 }
    }

    /// The context with one more value.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.insert(key, value);
        self
    }

    /// Adds a value, or replaces the one under that key.
    ///
    /// When the new value does not fit, the old one goes too: a value that is
    /// no longer true is worse than none.
    pub fn insert(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        // Below this a cut value would be all mark and no content.
        const SMALLEST_CUT: usize = 64;
        let key = capped_key(key.into());
        let place = self.entries.iter().position(|(known, _)| *known == key);
        self.bytes -= place.map_or(0, |at| self.entry_len(at));
        // A quoted key, its colon, and the comma before or after the entry.
        let overhead = text::json_len(&key) + 4;
        let room = Self::MAX_BYTES.saturating_sub(2 + self.bytes + overhead);
        // Cut once, so that the mark counts all that is missing.
        let max = Self::MAX_VALUE_BYTES.min(room.max(SMALLEST_CUT));
        let value = value.into().capped(max);
        let length = value.json_len();
        if length > room {
            self.dropped += 1;
            place.map(|at| self.entries.remove(at));
            return;
        }
        self.bytes += overhead + length;
        match place {
            Some(at) => self.entries[at].1 = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Adds every value of `other`, in its order.
    pub fn extend(&mut self, other: Self) {
        self.dropped += other.dropped;
        for (key, value) in other.entries {
            self.insert(key, value);
        }
    }

    /// The value under `key`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Keys and values in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many values were left out because the context was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn entry_len(&self, at: usize) -> usize {
        let (key, value) = &self.entries[at];
        text::json_len(key) + 4 + value.json_len()
    }
}

/// A key that is too long ends in a hash of the whole, so that two of them
/// with the same beginning stay two.
fn capped_key(key: Cow<'static, str>) -> Cow<'static, str> {
    if text::json_len(&key) <= Context::MAX_KEY_BYTES {
        return key;
    }
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mark = format!("…#{hash:016x}");
    let kept = text::prefix(&key, Context::MAX_KEY_BYTES - mark.len());
    format!("{kept}{mark}").into()
}

impl<'a> IntoIterator for &'a Context {
    type Item = (&'a str, &'a Value);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Cow<'static, str>>, V: Into<Value>> FromIterator<(K, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut context = Self::new();
        for (key, value) in pairs {
            context.insert(key, value);
        }
        context
    }
}

/// A JSON object with the keys in their order.
impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The caps hold for what is read, too.
impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContextVisitor;

        impl<'de> Visitor<'de> for ContextVisitor {
            type Value = Context;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of named values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Context, A::Error> {
                let mut context = Context::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    context.insert(key, value);
                }
                Ok(context)
            }
        }

        deserializer.deserialize_map(ContextVisitor)
    }
}
