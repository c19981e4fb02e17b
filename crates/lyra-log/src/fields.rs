//! Fields on their way into a line: judged, rendered, cleaned, written.

mod error_view;
mod render;
mod span;

use std::error::Error;
use std::fmt;

use tracing::field::{Field, Visit};

use crate::Settings;
use crate::buffers::Buffers;
use crate::format::{Format, whole};
use crate::key::{Key, KnownKeys};
use crate::redact::{MARK, Verdict};
pub(crate) use error_view::ErrorView;
pub(crate) use render::{first, panic_text, settle};
pub(crate) use span::{OneLayer, SpanFields};

/// A field that was written, and where it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) key: Key,
    pub(crate) end: usize,
}

/// Writes each field that it is given behind the others.
pub(crate) struct Pen<'a, F> {
    pub(crate) format: &'a F,
    pub(crate) settings: &'a Settings,
    pub(crate) layer: u64,
    /// Where the message goes, if it is told apart from the fields.
    pub(crate) message: Option<Spot>,
    pub(crate) dropped: usize,
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) placed: &'a mut Vec<Placed>,
    /// Of the names of those that are placed.
    pub(crate) bits: u64,
    text: &'a mut String,
    known: &'a mut KnownKeys,
    renders: bool,
}

/// A place before the fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) at: usize,
    pub(crate) operation: Option<&'static str>,
}

impl<'a, F: Format> Pen<'a, F> {
    pub(crate) fn new(
        format: &'a F,
        settings: &'a Settings,
        layer: u64,
        buffers: &'a mut Buffers,
    ) -> Self {
        let Buffers { line, text, placed, known, renders, .. } = buffers;
        Self {
            format,
            settings,
            layer,
            message: None,
            dropped: 0,
            out: line,
            placed,
            bits: 0,
            text,
            known,
            renders: *renders,
        }
    }

    /// Whether the line has a field of that name.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.bits & key.bit != 0 && self.placed.iter().any(|placed| placed.key == *key)
    }

    /// Takes over all fields of a span and those around it, but for names that
    /// are there already.
    pub(crate) fn copy_all(&mut self, fields: &OneLayer, whole: bool) {
        for (placed, bytes) in fields.iter(whole) {
            if !self.has(&placed.key) {
                self.copy(placed.key, bytes);
            }
        }
        self.dropped += fields.dropped(whole);
    }

    /// The same in one piece, where no name can be there already. Nothing can
    /// be told from `placed` afterwards.
    pub(crate) fn copy_last(&mut self, fields: &OneLayer) {
        let (block, bits) = fields.block();
        if bits & self.bits != 0 || self.out.len() + block.len() > self.settings.max_line {
            return self.copy_all(fields, true);
        }
        self.out.extend_from_slice(block);
        self.dropped += fields.dropped(true);
    }

    /// Takes over a field that was written before.
    pub(crate) fn copy(&mut self, key: Key, field: &[u8]) {
        let start = self.out.len();
        self.out.extend_from_slice(field);
        self.end(key, start);
    }

    /// Writes the message and the operation before the fields. The message
    /// comes first mostly; where it does not, the fields make way.
    pub(crate) fn put_message(&mut self, message: &str) {
        let Some(spot) = self.message.take() else { return };
        let fields_end = self.out.len();
        self.format.message(self.out, message);
        if let Some(operation) = spot.operation {
            self.format.operation(self.out, operation);
        }
        let length = self.out.len() - fields_end;
        if spot.at < fields_end {
            self.out[spot.at..].rotate_right(length);
        }
        self.placed.iter_mut().for_each(|placed| placed.end += length);
    }

    /// Writes the key, and says where the field begins if its value is to
    /// follow.
    fn begin(
        &mut self,
        field: &Field,
        secret: impl FnOnce(Verdict) -> bool,
    ) -> Option<(Key, usize)> {
        let key = self.known.key(self.layer, field.name(), &self.settings.redaction);
        if self.has(&key) {
            return None;
        }
        let start = self.out.len();
        self.format.key(self.out, &key);
        if !secret(key.verdict) {
            return Some((key, start));
        }
        self.format.text(self.out, MARK);
        self.end(key, start);
        None
    }

    /// Keeps the field, or leaves it out where the line would be too long.
    fn end(&mut self, key: Key, start: usize) {
        if self.out.len() > self.settings.max_line {
            self.out.truncate(start);
            self.dropped += 1;
        } else {
            self.placed.push(Placed { key, end: self.out.len() });
            self.bits |= key.bit;
        }
    }

    fn number(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some((key, start)) = self.begin(field, |verdict| verdict == Verdict::Secret) {
            write(self.out);
            self.end(key, start);
        }
    }

    fn text(&mut self, field: &Field, text: &str, missing: usize) {
        let is_message = self.message.is_some() && field.name() == MESSAGE;
        if is_message {
            let text = settle(text, missing, self.settings.max_text(), self.settings);
            self.put_message(&text);
        } else if let Some((key, start)) = self.begin(field, |verdict| verdict != Verdict::Plain) {
            let text = settle(text, missing, self.settings.max_text(), self.settings);
            self.format.text(self.out, &text);
            self.end(key, start);
        }
    }

    fn rendered(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut text = std::mem::take(self.text);
        text.clear();
        let missing = if self.renders {
            render::render(&mut text, self.settings.max_text(), value)
        } else {
            text.push_str("…[logged by a value that is being logged]");
            0
        };
        self.text(field, &text, missing);
        *self.text = text;
    }
}

const MESSAGE: &str = "message";

impl<F: Format> Visit for Pen<'_, F> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.rendered(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let (text, missing) = first(value, self.settings.max_text());
        self.text(field, text, missing);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if is_message(field) {
            return self.rendered(field, format_args!("{value}"));
        }
        self.number(field, |out| {
            if value < 0 {
                out.push(b'-');
            }
            whole(out, value.unsigned_abs());
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_message(field) {
            return self.rendered(field, format_args!("{value}"));
        }
        self.number(field, |out| whole(out, value));
    }

    /// As text where 64 bits are not enough: many readers would round it.
    fn record_i128(&mut self, field: &Field, value: i128) {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.record_i64(field, value),
            (_, Ok(value)) => self.record_u64(field, value),
            _ => self.rendered(field, format_args!("{value}")),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.rendered(field, format_args!("{value}")),
        }
    }

    /// What is not finite is text: JSON has no number for it.
    fn record_f64(&mut self, field: &Field, value: f64) {
        if is_message(field) || !value.is_finite() {
            return self.rendered(field, format_args!("{value}"));
        }
        self.number(field, |out| {
            let _ = std::io::Write::write_fmt(out, format_args!("{value:?}"));
        });
    }

    /// Never secret: one bit tells whether there is a password, not which.
    fn record_bool(&mut self, field: &Field, value: bool) {
        if is_message(field) {
            return self.rendered(field, format_args!("{value}"));
        }
        if let Some((key, start)) = self.begin(field, |_| false) {
            self.out.extend_from_slice(if value { b"true" } else { b"false" });
            self.end(key, start);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if is_message(field) || !self.renders {
            return self.rendered(field, format_args!("{value}"));
        }
        if let Some((key, start)) = self.begin(field, |verdict| verdict != Verdict::Plain) {
            let view = ErrorView::of(value, self.settings);
            self.format.error(self.out, &view);
            self.end(key, start);
        }
    }
}

fn is_message(field: &Field) -> bool {
    field.name() == MESSAGE
}
