use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Named values beside an entry's text, for filters.
///
/// The keys are sorted. A null is the same as an absent key, so there is no
/// value for it.
pub type Metadata = BTreeMap<String, MetadataValue>;

/// One value of an entry's [`Metadata`].
///
/// -0.0 becomes 0.0 on the way into the store; NaN and the infinities are
/// faults.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum MetadataValue {
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A finite number; 1.0 stays a float and equals the integer 1 in filters.
    Float(f64),
    /// Text.
    Text(String),
}

/// By way of a JSON value, because an untagged enum does not understand its
/// numbers once some crate of the program has switched on `serde_json`'s
/// `arbitrary_precision` for all.
impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(&value).ok_or_else(|| {
            D::Error::custom("metadata is text, a number of 64 bits or a truth value")
        })
    }
}

impl MetadataValue {
    /// The value, where it is one that metadata can hold. An integer beyond
    /// 64 bits is none: as a float it would be another.
    pub(crate) fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Bool(value) => Some(Self::Bool(*value)),
            serde_json::Value::String(text) => Some(Self::Text(text.clone())),
            serde_json::Value::Number(number) if number.is_u64() && !number.is_i64() => None,
            serde_json::Value::Number(number) => {
                let float = || number.as_f64().map(Self::Float);
                number.as_i64().map(Self::Int).or_else(float)
            }
            _ => None,
        }
    }
}

impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

macro_rules! metadata_from {
    ($($source:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$source> for MetadataValue {
            fn from($value: $source) -> Self {
                $made
            }
        }
    )*};
}

metadata_from! {
    bool => |value| Self::Bool(value);
    i32 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    i64 => |value| Self::Int(value);
    f32 => |value| Self::Float(value.into());
    f64 => |value| Self::Float(value);
    &str => |text| Self::Text(text.to_owned());
    &String => |text| Self::Text(text.clone());
    String => |text| Self::Text(text);
}

/// The value as it is stored: without a negative zero, which no filter could
/// tell from zero and one backend would lose.
pub(crate) fn settle(value: MetadataValue) -> MetadataValue {
    match value {
        MetadataValue::Float(number) => MetadataValue::Float(number + 0.0),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_zero_is_settled() {
        let MetadataValue::Float(zero) = settle((-0.0).into()) else { panic!("still a float") };
        assert!(zero.is_sign_positive());
        assert_eq!(settle((-1.5).into()), MetadataValue::Float(-1.5));
    }

    #[test]
    fn integers_and_floats_keep_their_type_in_json() {
        let json = r#"{"a":1,"b":1.0,"c":9223372036854775807,"d":5e-324,"e":true,"f":"x"}"#;
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        assert_eq!(metadata["a"], MetadataValue::Int(1));
        assert_eq!(metadata["b"], MetadataValue::Float(1.0));
        assert_eq!(metadata["c"], MetadataValue::Int(i64::MAX));
        assert_eq!(metadata["d"], MetadataValue::Float(5e-324));
        assert_eq!(serde_json::to_string(&metadata).unwrap(), json);
    }
}
