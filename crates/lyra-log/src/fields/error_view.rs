//! An error with its causes, as a line tells it.

use std::error::Error as StdError;
use std::iter;
use std::sync::Arc;

use lyra_errors::{Error, ErrorRecord, Value};

use super::render::{self, contain};
use crate::Settings;
use crate::redact::{MARK, Verdict};

/// The texts are without secrets already.
#[derive(Debug, Default)]
pub(crate) struct ErrorView {
    pub(crate) message: String,
    /// From the nearest to the root.
    pub(crate) causes: Vec<String>,
    /// Whether there are more, or no end of them.
    pub(crate) cut: bool,
    pub(crate) class: Option<Class>,
}

/// What only a [`lyra_errors::Error`] tells of itself.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) recoverable: bool,
    pub(crate) context: Vec<(String, Value)>,
}

impl ErrorView {
    pub(crate) fn of(error: &(dyn StdError + 'static), settings: &Settings) -> Self {
        // `source` is code of others, too.
        contain(|| Self::read(error, settings)).unwrap_or_else(|panic| Self {
            message: render::settle(&panic, 0, ErrorRecord::MAX_MESSAGE_BYTES, settings)
                .into_owned(),
            ..Self::default()
        })
    }

    fn read(error: &(dyn StdError + 'static), settings: &Settings) -> Self {
        let mut causes = iter::successors(error.source(), |&cause| cause.source());
        Self {
            message: text(error, ErrorRecord::MAX_MESSAGE_BYTES, settings),
            causes: causes
                .by_ref()
                .take(ErrorRecord::MAX_CAUSES)
                .map(|cause| text(cause, ErrorRecord::MAX_CAUSE_BYTES, settings))
                .collect(),
            cut: causes.next().is_some(),
            class: ours(error).map(|error| Class::of(error, settings)),
        }
    }
}

impl Class {
    fn of(error: &Error, settings: &Settings) -> Self {
        let context = error.context().iter().map(|(key, value)| {
            let value = match (settings.redaction.judge(key), value) {
                (_, Value::Null | Value::Bool(_)) => value.clone(),
                (Verdict::Secret, _) | (Verdict::UnlessNumber, Value::Text(_) | Value::List(_)) => {
                    Value::from(MARK)
                }
                _ => clean(value, settings),
            };
            (key.to_owned(), value)
        });
        Self {
            kind: error.kind().name(),
            code: error.code().id(),
            recoverable: error.is_recoverable(),
            context: context.collect(),
        }
    }
}

fn clean(value: &Value, settings: &Settings) -> Value {
    match value {
        Value::Text(text) => Value::from(settings.redaction.clean(text).into_owned()),
        Value::List(items) => Value::List(items.iter().map(|item| clean(item, settings)).collect()),
        other => other.clone(),
    }
}

fn text(error: &dyn StdError, max: usize, settings: &Settings) -> String {
    let max = max.min(settings.max_text());
    let mut text = String::new();
    let missing = render::render(&mut text, max, format_args!("{error}"));
    render::settle(&text, missing, max, settings).into_owned()
}

/// One of ours, also behind the pointers in which it travels.
fn ours<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let boxed = || error.downcast_ref::<Box<Error>>().map(|boxed| &**boxed);
    let shared = || error.downcast_ref::<Arc<Error>>().map(|shared| &**shared);
    error.downcast_ref::<Error>().or_else(boxed).or_else(shared)
}
