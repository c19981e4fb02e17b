//! An entry from JSON, with every fault of its types told by its path.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fault::Faults;
use crate::metadata::settle;
use crate::{Entry, EntryKind, Metadata, MetadataValue};

impl Entry {
    /// Reads an entry from a JSON object with the keys `id`, `kind`
    /// (`journal` unless told otherwise), `content`, `summary`, `tags`,
    /// `significance`, `metadata`, `embedding` and `embedder` (the fingerprint
    /// of whoever made the embedding, absent for a vector of the caller's).
    ///
    /// A null is the same as an absent key. The limits are not checked here.
    ///
    /// ```
    /// use lyra_memstore::{Entry, EntryKind};
    ///
    /// let entry = Entry::from_json(r#"{"kind":"fact","content":"Water is wet."}"#).unwrap();
    /// assert_eq!(entry.kind(), EntryKind::Fact);
    ///
    /// let faults = Entry::from_json(r#"{"tags":["a",7]}"#).unwrap_err();
    /// let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    /// assert_eq!(paths, ["content", "tags[1]"]);
    /// ```
    ///
    /// # Errors
    ///
    /// All keys that are missing, unknown or of a wrong type.
    pub fn from_json(json: &str) -> Result<Self, Faults> {
        match read(json, EntryKind::Journal) {
            (Some(entry), faults) => faults.into_result().map(|()| entry),
            (None, faults) => Err(faults),
        }
    }
}

/// As [`Entry::from_json`], with the kind of an entry that names none; and
/// beside the faults what could be read of the entry, where that is anything.
pub(crate) fn read(json: &str, kind: EntryKind) -> (Option<Entry>, Faults) {
    let mut faults = Faults::default();
    let mut entry = match serde_json::from_str(json) {
        Ok(Value::Object(object)) => from_object(object, kind, &mut faults),
        Ok(_) => {
            faults.push("entry", "type", "is no JSON object".to_owned());
            return (None, faults);
        }
        Err(error) => {
            faults.push("entry", "type", format!("is no JSON: {error}"));
            return (None, faults);
        }
    };
    lost_integers(json, &entry, &mut faults);
    if entry.embedding.is_some() {
        // Read once more as f32: by way of f64 a number could be rounded
        // twice, and the last bit would not be the one that was written.
        #[derive(Deserialize)]
        struct Exact {
            embedding: Vec<f32>,
        }
        if let Ok(exact) = serde_json::from_str::<Exact>(json) {
            entry.embedding = Some(exact.embedding);
        }
    }
    (Some(entry), faults)
}

fn from_object(object: Map<String, Value>, kind: EntryKind, faults: &mut Faults) -> Entry {
    let mut entry = Entry::of(kind, String::new());
    let mut has_content = false;
    for (key, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "id" => entry.id = text(value, "id", faults),
            "kind" => match value.as_str().and_then(EntryKind::from_name) {
                Some(kind) => entry.kind = kind,
                None => faults.push("kind", "type", "is neither `journal` nor `fact`".to_owned()),
            },
            "content" => {
                has_content = true;
                entry.content = text(value, "content", faults).unwrap_or_default();
            }
            "summary" => entry.summary = text(value, "summary", faults),
            "tags" => entry.tags = tags(value, faults),
            "significance" => match value.as_i64() {
                Some(number) => entry.significance = Some(number),
                None => faults.push("significance", "type", "is no integer".to_owned()),
            },
            "metadata" => entry.metadata = metadata(value, faults),
            "embedding" => entry.embedding = embedding(&value, faults),
            "embedder" => entry.embedder = text(value, "embedder", faults),
            unknown => {
                let message = "is no field of an entry; put it into `metadata`".to_owned();
                faults.push(crate::validate::shown(unknown), "unknown", message);
            }
        }
    }
    if !has_content {
        let mut all = Faults::default();
        all.push("content", "required", "is missing".to_owned());
        for fault in &*faults {
            all.push(fault.path.clone(), fault.code, fault.message.clone());
        }
        *faults = all;
    }
    entry
}

fn text(value: Value, path: &str, faults: &mut Faults) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        other => {
            faults.push(path, "type", format!("is {}, not a text", name_of(&other)));
            None
        }
    }
}

fn tags(value: Value, faults: &mut Faults) -> Vec<String> {
    let Value::Array(items) = value else {
        faults.push("tags", "type", format!("is {}, not a list", name_of(&value)));
        return Vec::new();
    };
    let mut tags = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        tags.extend(text(item, &format!("tags[{i}]"), faults));
    }
    tags
}

fn metadata(value: Value, faults: &mut Faults) -> Metadata {
    let Value::Object(object) = value else {
        faults.push("metadata", "type", format!("is {}, not an object", name_of(&value)));
        return Metadata::new();
    };
    let mut metadata = Metadata::new();
    for (key, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
        let name = name_of(&value);
        match MetadataValue::from_json(&value) {
            Some(value) => drop(metadata.insert(key, settle(value))),
            None => faults.push(
                format!("metadata[{}]", crate::validate::shown(&key)),
                "type",
                format!("is {name}, not a text, a truth value, or a number of 64 bits"),
            ),
        }
    }
    metadata
}

/// Integers beyond 64 bits come as floats from the reader, which is where
/// their last digits are lost; only the text tells them from floats.
fn lost_integers(json: &str, entry: &Entry, faults: &mut Faults) {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    #[derive(Deserialize)]
    struct Exact<'a> {
        #[serde(borrow)]
        metadata: BTreeMap<String, &'a RawValue>,
    }
    let large =
        |value: &MetadataValue| matches!(value, MetadataValue::Float(n) if n.abs() >= TWO_TO_63);
    if !entry.metadata.values().any(large) {
        return;
    }
    let Ok(exact) = serde_json::from_str::<Exact<'_>>(json) else { return };
    for (key, _) in entry.metadata.iter().filter(|(_, value)| large(value)) {
        let text = exact.metadata.get(key).map_or("", |raw| raw.get());
        if !text.contains(['.', 'e', 'E']) {
            let path = format!("metadata[{}]", crate::validate::shown(key));
            faults.push(path, "type", "is an integer of more than 64 bits".to_owned());
        }
    }
}

fn embedding(value: &Value, faults: &mut Faults) -> Option<Vec<f32>> {
    let Value::Array(items) = value else {
        faults.push("embedding", "type", format!("is {}, not a list of numbers", name_of(value)));
        return None;
    };
    let mut vector = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match item.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is read again as f32")]
            Some(number) => vector.push(number as f32),
            None => {
                let message = format!("is {}, not a number", name_of(item));
                faults.push(format!("embedding[{i}]"), "type", message);
                // A vector has too many places to name each.
                return None;
            }
        }
    }
    Some(vector)
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults_of(json: &str) -> Vec<(String, &'static str)> {
        let faults = Entry::from_json(json).unwrap_err();
        faults.iter().map(|fault| (fault.path.clone(), fault.code)).collect()
    }

    #[test]
    fn every_fault_of_a_line_is_told_by_its_path() {
        let json = r#"{"kind":"diary","content":7,"tags":["a",1],"significance":1.5,"extra":1,
            "metadata":{"list":[1],"big":9223372036854775808},"embedding":[1,"x"],"id":{}}"#;
        let mut found = faults_of(json);
        found.sort();
        let wanted = [
            ("\"extra\"", "unknown"),
            ("content", "type"),
            ("embedding[1]", "type"),
            ("id", "type"),
            ("kind", "type"),
            ("metadata[\"big\"]", "type"),
            ("metadata[\"list\"]", "type"),
            ("significance", "type"),
            ("tags[1]", "type"),
        ];
        assert_eq!(found, wanted.map(|(path, code)| (path.to_owned(), code)));
    }

    #[test]
    fn what_is_no_object_is_told_without_a_panic() {
        for json in ["", "{", "[]", "7", "{\"content\":1e999}", "\u{0}"] {
            assert_eq!(faults_of(json)[0].0, "entry", "{json}");
        }
        assert_eq!(faults_of("{}"), [("content".to_owned(), "required")]);
    }

    #[test]
    fn an_integer_that_does_not_fit_is_a_fault_and_no_float() {
        let json = |n: &str| format!(r#"{{"content":"x","metadata":{{"n":{n}}}}}"#);
        for bad in ["18446744073709551616", "-9223372036854775809", "9223372036854775808"] {
            assert_eq!(faults_of(&json(bad)), [("metadata[\"n\"]".to_owned(), "type")], "{bad}");
        }
        for good in ["9223372036854775807", "1e300", "18446744073709551616.0"] {
            assert!(Entry::from_json(&json(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_vector_is_read_as_f32_and_not_by_way_of_f64() {
        // Halfway between two f32 but for the last digit, which f64 loses.
        let json = r#"{"content":"x","embedding":[1.00000017881393432617187499]}"#;
        let entry = Entry::from_json(json).unwrap();
        assert_eq!(entry.embedding.unwrap()[0].to_bits(), 1.000_000_1_f32.to_bits());
    }

    #[test]
    fn a_null_is_an_absent_key() {
        let json = r#"{"content":"x","summary":null,"metadata":{"a":null},"embedding":null}"#;
        assert_eq!(Entry::from_json(json).unwrap(), Entry::of(EntryKind::Journal, "x".to_owned()));
    }

    proptest! {
        #[test]
        fn an_entry_reads_back_equal_with_every_bit_of_its_numbers(
            content in any::<String>(),
            tags in prop::collection::vec(any::<String>(), 0..4),
            float in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL,
            integer in any::<i64>(),
            vector in prop::collection::vec(
                prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO, 1..20),
        ) {
            let entry = Entry::journal(content, "s")
                .with_tags(tags)
                .with_metadata("f", float)
                .with_metadata("i", integer)
                .with_embedding(vector);
            let json = serde_json::to_string(&entry).unwrap();
            let again = Entry::from_json(&json).unwrap();
            let bits = |e: &Entry| e.embedding.iter().flatten().map(|n| n.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&again), bits(&entry));
            prop_assert_eq!(again, entry);
        }

        #[test]
        fn no_text_makes_the_reader_panic(json in "\\{?\"?(content|tags|embedding)?\"?:?.{0,40}") {
            let _ = Entry::from_json(&json);
        }
    }
}
