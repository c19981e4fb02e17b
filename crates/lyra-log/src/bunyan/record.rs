//! A line of the formatter, taken apart and put together again.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tracing::Level;

use crate::Settings;
use crate::fields::{first, settle};
use crate::redact::{MARK, Verdict};

/// What bunyan's tools need.
const CORE: &[&str] = &["v", "name", "msg", "level", "hostname", "pid", "time"];

/// What is ours in a line, so that a field of that name gets another.
const OURS: &[&str] = &["seq", "run", "fields_dropped"];

/// The keys in their order, none of them twice: the first counts.
#[derive(Debug)]
pub(super) struct Record {
    fields: Vec<(String, Value)>,
}

impl Record {
    /// What can't be read, which the formatter doesn't write, is kept as a
    /// message.
    pub(super) fn read(line: &[u8]) -> Self {
        serde_json::from_slice(line).unwrap_or_else(|_| Self {
            fields: vec![("msg".to_owned(), String::from_utf8_lossy(line).into())],
        })
    }

    /// With that level, in bunyan's numbers.
    pub(super) fn at(mut self, level: Level) -> Self {
        let number = match level {
            Level::ERROR => 50,
            Level::WARN => 40,
            Level::INFO => 30,
            Level::DEBUG => 20,
            Level::TRACE => 10,
        };
        if let Some((_, value)) = self.fields.iter_mut().find(|(key, _)| key == "level") {
            *value = number.into();
        }
        self
    }

    /// Without secrets, and no longer than it may be.
    pub(super) fn mended(mut self, settings: &Settings) -> Self {
        let mut bytes = 0;
        let mut dropped = 0_u64;
        self.fields.retain_mut(|(key, value)| {
            mend(settings, settings.redaction.judge(key), value);
            let core = CORE.contains(&key.as_str());
            let length = key.len() + value.to_string().len();
            let fits = core || bytes + length <= settings.max_line;
            bytes += if fits { length } else { 0 };
            dropped += u64::from(!fits);
            fits
        });
        if dropped > 0 {
            self.fields.push(("fields_dropped".to_owned(), dropped.into()));
        }
        self
    }

    pub(super) fn into_line(mut self, seq: u64, run: &str) -> Vec<u8> {
        self.fields.push(("seq".to_owned(), seq.into()));
        self.fields.push(("run".to_owned(), run.into()));
        let mut line = String::from("{");
        for (key, value) in self.fields {
            if line.len() > 1 {
                line.push(',');
            }
            line.push_str(&json!(key).to_string());
            line.push(':');
            line.push_str(&value.to_string());
        }
        line.push_str("}\n");
        line.into_bytes()
    }
}

fn mend(settings: &Settings, verdict: Verdict, value: &mut Value) {
    match (verdict, &mut *value) {
        (_, Value::Null | Value::Bool(_)) | (Verdict::UnlessNumber, Value::Number(_)) => {}
        (Verdict::Plain, Value::Number(_)) => {}
        (Verdict::Plain, Value::String(text)) => {
            let (kept, missing) = first(text, settings.max_text());
            *text = settle(kept, missing, settings.max_text(), settings).into_owned();
        }
        (Verdict::Plain, Value::Array(items)) => {
            items.iter_mut().for_each(|item| mend(settings, verdict, item));
        }
        (Verdict::Plain, Value::Object(object)) => {
            mend_object(settings, object);
        }
        _ => *value = MARK.into(),
    }
}

fn mend_object(settings: &Settings, object: &mut Map<String, Value>) {
    for (key, value) in object.iter_mut() {
        mend(settings, settings.redaction.judge(key), value);
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line in the bunyan format")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields: Vec<(String, Value)> = Vec::new();
                while let Some((mut key, value)) = map.next_entry::<String, Value>()? {
                    if OURS.contains(&key.as_str()) || key.starts_with(crate::key::PREFIX) {
                        key.insert_str(0, crate::key::PREFIX);
                    }
                    if fields.iter().all(|(known, _)| *known != key) {
                        fields.push((key, value));
                    }
                }
                Ok(Record { fields })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}
