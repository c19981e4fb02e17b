use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text;

/// One value of a [`Context`](crate::Context).
///
/// Made from numbers, text, paths, options and lists by `From`. There is no
/// conversion from [`Secret`](crate::Secret), and none is meant to exist.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Known to be absent.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits into 64 bits with a sign.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A finite number; `From<f64>` makes text of NaN and the infinities.
    Float(f64),
    /// Text. Within a context at most 1 KiB of it is kept.
    Text(Cow<'static, str>),
    /// Several values. Within a context at most 1 KiB of them is kept.
    List(Vec<Value>),
}

impl Value {
    /// How many bytes it takes in JSON.
    pub(crate) fn json_len(&self) -> usize {
        match self {
            Self::Text(text) => text::json_len(text) + 2,
            Self::List(items) => {
                items.iter().map(Self::json_len).sum::<usize>() + items.len().max(1) + 1
            }
            // serde_json writes an exponent as `e+300`, `Display` as `e300`.
            Self::Float(number) => serde_json::to_string(number).map_or(4, |text| text.len()),
            scalar => scalar.to_string().len(),
        }
    }

    /// The value when it takes at most `max` bytes in JSON, else as much of
    /// it as fits with a mark. `max` is at least 64.
    pub(crate) fn capped(self, max: usize) -> Self {
        self.settled(MAX_DEPTH).cut(max)
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn cut(self, max: usize) -> Self {
        match self {
            value if value.json_len() <= max => value,
            Self::Text(text) => match text::cut(&text, max - 2) {
                Cow::Borrowed(_) => Self::Text(text),
                Cow::Owned(short) => Self::Text(short.into()),
            },
            Self::List(items) => Self::List(cap_list(items, max)),
            scalar => scalar,
        }
    }

    /// The one form of the value that is read back equal from its JSON, with
    /// lists nested no deeper than `depth`.
    fn settled(self, depth: usize) -> Self {
        match self {
            Self::Float(number) => Self::from(number),
            Self::Uint(number) => Self::from(number),
            Self::List(_) if depth == 0 => Self::from("…[nested too deep]"),
            Self::List(items) => {
                Self::List(items.into_iter().map(|item| item.settled(depth - 1)).collect())
            }
            other => other,
        }
    }
}

/// JSON readers stop at some depth, often at 128.
const MAX_DEPTH: usize = 16;

/// The first of `items` that fit into `max` bytes, with a mark for the rest.
fn cap_list(items: Vec<Value>, max: usize) -> Vec<Value> {
    // Room for the brackets and for the mark of what is left out.
    const MARK: usize = 32;
    let count = items.len();
    let mut kept = Vec::with_capacity(count.min(64));
    let mut used = 2;
    for item in items {
        let room = max.saturating_sub(used + MARK);
        let item = if room >= 64 { item.cut(room) } else { item };
        let needed = item.json_len() + 1;
        if needed > room {
            break;
        }
        used += needed;
        kept.push(item);
    }
    if kept.len() < count {
        kept.push(Value::from(format!("…[+{} items]", count - kept.len())));
    }
    kept
}

/// As in JSON, but text on its own has no quotes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            // `{:?}`, so that 1.0 is seen to be a float.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => f.write_str(&text::one_line(text)),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Float(value) => serializer.serialize_str(&value.to_string()),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.to_owned().into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    /// A context has no nested objects; one that a foreign writer made is
    /// kept as the text of its JSON.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
            // How numbers arrive when some crate of the program has switched
            // on `arbitrary_precision` of serde_json for all.
            if let ("$serde_json::private::Number", Some(text)) = (key.as_str(), value.as_str()) {
                return Ok(number_from_text(text));
            }
            object.insert(key, value);
        }
        Ok(serde_json::Value::Object(object).to_string().into())
    }
}

fn number_from_text(text: &str) -> Value {
    let integer = text.parse::<i64>().map(Value::from);
    let unsigned = || text.parse::<u64>().map(Value::from).ok();
    let float = || text.parse::<f64>().map(Value::from).ok();
    integer.ok().or_else(unsigned).or_else(float).unwrap_or_else(|| text.into())
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Uint(value), Self::Int)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Self::Float(value)
        } else {
            // JSON has no such numbers, and null would hide which one it was.
            Self::Text(value.to_string().into())
        }
    }
}

/// Numbers beyond 64 bits become text, with every digit.
impl From<u128> for Value {
    fn from(value: u128) -> Self {
        u64::try_from(value).map_or_else(|_| value.to_string().into(), Self::from)
    }
}

/// Numbers beyond 64 bits become text, with every digit.
impl From<i128> for Value {
    fn from(value: i128) -> Self {
        i64::try_from(value).map_or_else(|_| value.to_string().into(), Self::from)
    }
}

impl From<f32> for Value {
    /// The shortest number that reads back as this f32, so that 0.1 stays 0.1.
    fn from(value: f32) -> Self {
        value.to_string().parse::<f64>().map_or_else(|_| f64::from(value).into(), Self::from)
    }
}

macro_rules! value_from {
    ($($source:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($value: $source) -> Self {
                $made
            }
        }
    )*};
}

value_from! {
    bool => |value| Self::Bool(value);
    i8 => |value| Self::Int(value.into());
    i16 => |value| Self::Int(value.into());
    i32 => |value| Self::Int(value.into());
    i64 => |value| Self::Int(value);
    u8 => |value| Self::Int(value.into());
    u16 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    isize => |value| Self::Int(value as i64);
    char => |value| Self::Text(value.to_string().into());
    &str => |value| Self::Text(value.to_owned().into());
    &String => |value| Self::Text(value.clone().into());
    String => |value| Self::Text(value.into());
    Cow<'static, str> => |value| Self::Text(value);
    &Path => |value| Self::Text(value.to_string_lossy().into_owned().into());
    &PathBuf => |value| Self::from(value.as_path());
    PathBuf => |value| Self::from(value.as_path());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Clone + Into<Self>> From<&[T]> for Value {
    fn from(items: &[T]) -> Self {
        Self::from(items.to_vec())
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_len_is_what_serde_json_writes() {
        let values = [
            Value::Null,
            true.into(),
            i64::MIN.into(),
            u64::MAX.into(),
            0.1.into(),
            1e300.into(),
            (-0.0).into(),
            "a\"\n\u{1}ü".into(),
            f64::NAN.into(),
            Value::List(vec![]),
            vec!["a", "b"].into(),
            Value::List(vec![vec![1, 2].into(), Value::Null]),
        ];
        for value in values {
            let written = serde_json::to_string(&value).unwrap();
            assert_eq!(value.json_len(), written.len(), "{written}");
        }
    }

    #[test]
    fn numbers_json_cannot_hold_keep_their_name() {
        assert_eq!(Value::from(f64::NAN).to_string(), "NaN");
        assert_eq!(serde_json::to_string(&Value::Float(f64::INFINITY)).unwrap(), "\"inf\"");
    }

    #[test]
    fn a_long_list_keeps_its_beginning_and_counts_the_rest() {
        let list = Value::from((0..10_000).collect::<Vec<i32>>()).capped(1024);
        assert!(list.json_len() <= 1024);
        let Value::List(items) = list else { panic!("still a list") };
        assert_eq!(items[0], Value::Int(0));
        let Some(Value::Text(mark)) = items.last() else { panic!("a mark at the end") };
        assert_eq!(**mark, format!("…[+{} items]", 10_000 - (items.len() - 1)));
    }

    #[test]
    fn numbers_beyond_64_bits_keep_every_digit() {
        assert_eq!(Value::from(7_u128), Value::Int(7));
        assert_eq!(Value::from(u128::MAX).as_str(), Some(&*u128::MAX.to_string()));
        assert_eq!(Value::from(i128::MIN).as_str(), Some(&*i128::MIN.to_string()));
        assert_eq!(Value::from(0.1_f32), Value::Float(0.1));
        assert_eq!(Value::from(f32::NAN).as_str(), Some("NaN"));
    }

    #[test]
    fn a_number_in_disguise_is_a_number() {
        for (text, value) in [
            ("1.5", Value::from(1.5)),
            ("-7", (-7).into()),
            ("18446744073709551615", u64::MAX.into()),
        ] {
            let json = format!("{{\"$serde_json::private::Number\":\"{text}\"}}");
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        }
    }

    #[test]
    fn a_capped_value_reads_back_equal_whatever_is_in_it() {
        let deep = (0..500).fold(Value::Null, |inner, _| Value::List(vec![inner]));
        for value in [deep, Value::Uint(5), Value::List(vec![Value::Float(f64::NAN)])] {
            let capped = value.capped(1024);
            let again: Value =
                serde_json::from_str(&serde_json::to_string(&capped).unwrap()).unwrap();
            assert_eq!(again, capped);
        }
    }

    #[test]
    fn a_list_of_long_texts_is_cut_too() {
        let list = Value::from(vec!["x".repeat(5_000); 3]).capped(1024);
        assert!(list.json_len() <= 1024, "{}", list.json_len());
    }
}
