//! An entry from JSON, with every fault of its types told by its path.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::fault::Faults;
use crate::metadata::settle;
use crate::{Entry, EntryKind, Metadata, MetadataValue};

impl Entry {
    /// Reads an entry from a JSON object with the keys `id`, `kind`
    /// (`journal` unless told otherwise), `content`, `summary`, `tags`,
    /// `significance`, `metadata` and `embedding`.
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
        from_json_or(json, EntryKind::Journal)
    }
}

/// As [`Entry::from_json`], with the kind of an entry that names none.
pub(crate) fn from_json_or(json: &str, kind: EntryKind) -> Result<Entry, Faults> {
    let mut faults = Faults::default();
    let mut entry = match serde_json::from_str(json) {
        Ok(Value::Object(object)) => from_object(object, kind, &mut faults),
        Ok(_) => {
            faults.push("entry", "type", "is no JSON object".to_owned());
            return Err(faults);
        }
        Err(error) => {
            faults.push("entry", "type", format!("is no JSON: {error}"));
            return Err(faults);
        }
    };
    faults.into_result()?;
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
    Ok(entry)
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
        let value = match value {
            Value::Bool(value) => Some(value.into()),
            Value::String(text) => Some(text.into()),
            Value::Number(number) => number_value(&number),
            _ => None,
        };
        match value {
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

/// An integer that does not fit is a fault: as a float it would be another.
fn number_value(number: &Number) -> Option<MetadataValue> {
    if number.is_u64() && !number.is_i64() {
        return None;
    }
    number.as_i64().map(MetadataValue::Int).or_else(|| number.as_f64().map(MetadataValue::Float))
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
