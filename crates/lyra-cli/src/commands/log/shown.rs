use lyra::log::read::Record;
use serde_json::Value;

/// One record as one line for a person.
pub(super) fn line(record: &Record) -> String {
    let time = record.time().unwrap_or("-");
    // Nobody reads nanoseconds.
    let time = match time.get(..23) {
        Some(short) if time.ends_with('Z') => format!("{short}Z"),
        _ => time.to_owned(),
    };
    let level = record.level().map_or("-", |level| level.as_str());
    let mut line = format!("{time} {level:<5} {}", record.target().unwrap_or("-"));
    if let Some(operation) = record.operation() {
        line += &format!(" [{operation}]");
    }
    line += &format!(" {}", record.message().unwrap_or("-"));
    for (key, value) in record.fields() {
        if !TOLD.contains(&key.as_str()) {
            line += &format!(" {key}={}", text(value));
        }
    }
    // A name may have a line break as well, and would forge a record.
    line.replace('\n', "\\n").replace('\r', "\\r")
}

/// What stands at the beginning of the line, or says nothing to a person.
const TOLD: [&str; 7] = ["time", "level", "seq", "run", "target", "msg", "operation"];

fn text(value: &Value) -> String {
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=')
}
