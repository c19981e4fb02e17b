//! One object a line, with its keys in a fixed order.

mod escape;

use lyra_errors::Value;
use tracing::Level;

use super::{Format, Stamp, whole};
use crate::fields::ErrorView;
use crate::key::{self, Key};
use escape::{escaped, quoted};

/// See [`JsonLayer`](crate::JsonLayer).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json;

impl Format for Json {
    fn head(&self, out: &mut Vec<u8>, stamp: Stamp<'_>) {
        out.extend_from_slice(b"{\"time\":\"");
        stamp.clock.write(out, stamp.now, 9);
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(level(stamp.level).as_bytes());
        out.extend_from_slice(b"\",\"seq\":");
        whole(out, stamp.seq);
    }

    fn target(&self, out: &mut Vec<u8>, target: &str) {
        out.extend_from_slice(b",\"target\":");
        quoted(out, target);
    }

    fn message(&self, out: &mut Vec<u8>, message: &str) {
        out.extend_from_slice(b",\"msg\":");
        quoted(out, message);
    }

    fn operation(&self, out: &mut Vec<u8>, name: &str) {
        out.extend_from_slice(b",\"operation\":");
        quoted(out, name);
    }

    fn key(&self, out: &mut Vec<u8>, key: &Key) {
        out.extend_from_slice(b",\"");
        if key.prefixed {
            out.extend_from_slice(key::PREFIX.as_bytes());
        }
        if key.plain {
            out.extend_from_slice(key.name.as_bytes());
        } else {
            escaped(out, key.name);
        }
        out.extend_from_slice(b"\":");
    }

    fn text(&self, out: &mut Vec<u8>, text: &str) {
        quoted(out, text);
    }

    fn error(&self, out: &mut Vec<u8>, error: &ErrorView) {
        out.push(b'{');
        if let Some(class) = &error.class {
            out.extend_from_slice(b"\"type\":");
            quoted(out, class.kind);
            out.extend_from_slice(b",\"code\":");
            quoted(out, class.code);
            out.push(b',');
        }
        out.extend_from_slice(b"\"message\":");
        quoted(out, &error.message);
        if let Some(class) = &error.class {
            out.extend_from_slice(b",\"recoverable\":");
            out.extend_from_slice(if class.recoverable { b"true" } else { b"false" });
            out.extend_from_slice(b",\"context\":");
            object(out, &class.context);
        }
        out.extend_from_slice(b",\"causes\":");
        list(out, &error.causes, |out, cause| quoted(out, cause));
        if error.cut {
            out.extend_from_slice(b",\"causes_cut\":true");
        }
        out.push(b'}');
    }

    fn end(&self, out: &mut Vec<u8>, dropped: usize, run: &str) {
        if dropped > 0 {
            out.extend_from_slice(b",\"fields_dropped\":");
            whole(out, dropped as u64);
        }
        out.extend_from_slice(b",\"run\":");
        quoted(out, run);
        out.extend_from_slice(b"}\n");
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

fn object(out: &mut Vec<u8>, entries: &[(String, Value)]) {
    out.push(b'{');
    for (at, (key, entry)) in entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quoted(out, key);
        out.push(b':');
        value(out, entry);
    }
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, value_: &Value) {
    match value_ {
        Value::Text(text) => quoted(out, text),
        Value::List(items) => list(out, items, value),
        Value::Float(number) if !number.is_finite() => quoted(out, &number.to_string()),
        literal => out.extend_from_slice(literal.to_string().as_bytes()),
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}
