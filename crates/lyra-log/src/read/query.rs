//! Which records are asked for.

use std::time::SystemTime;

use serde_json::Value;
use tracing::Level;

use super::record::Record;
use crate::files::notice::rfc3339;

/// What a record has to be like; all conditions together. Without any, every
/// record fits.
#[derive(Debug, Clone, Default)]
pub struct Query {
    level: Option<Level>,
    target: Option<String>,
    operation: Option<String>,
    fields: Vec<(String, Test)>,
    since: Option<String>,
    until: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) last: Option<usize>,
}

#[derive(Debug, Clone)]
enum Test {
    Is(String),
    Contains(String),
}

impl Query {
    /// Every record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of that level or a more severe one.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// From that target or one below it: `lyra_gpu` is also `lyra_gpu::plan`,
    /// and not `lyra_gpus`.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// In that operation.
    #[must_use]
    pub fn operation(mut self, name: impl Into<String>) -> Self {
        self.operation = Some(name.into());
        self
    }

    /// Whose field is that text, number or truth value, as JSON writes it. The
    /// fields of nested objects are named with dots between.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), Test::Is(value.into())));
        self
    }

    /// Whose field contains that text.
    #[must_use]
    pub fn field_containing(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.fields.push((name.into(), Test::Contains(text.into())));
        self
    }

    /// Not before that time.
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(rfc3339(time));
        self
    }

    /// Before that time.
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(rfc3339(time));
        self
    }

    /// The first `records` of them.
    #[must_use]
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = Some(records);
        self
    }

    /// The last `records` of them; what is older is not even read.
    #[must_use]
    pub fn last(mut self, records: usize) -> Self {
        self.last = Some(records);
        self
    }

    /// Whether a record fits, but for the numbers of [`limit`](Self::limit) and
    /// [`last`](Self::last). A record without a field that is asked for doesn't.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        // tracing orders levels by how much they let through.
        self.level.is_none_or(|least| record.level().is_some_and(|level| level <= least))
            && self.target.as_deref().is_none_or(|target| is_below(record.target(), target))
            && (self.operation.is_none() || record.operation() == self.operation.as_deref())
            && self
                .since
                .as_deref()
                .is_none_or(|since| time(record).is_some_and(|t| t >= whole(since)))
            && self
                .until
                .as_deref()
                .is_none_or(|until| time(record).is_some_and(|t| t < whole(until)))
            && self
                .fields
                .iter()
                .all(|(name, test)| record.field(name).is_some_and(|value| test.holds(value)))
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self {
            Self::Is(expected) => text == *expected,
            Self::Contains(part) => text.contains(part.as_str()),
        }
    }
}

fn is_below(target: Option<&str>, above: &str) -> bool {
    target
        .and_then(|target| target.strip_prefix(above))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// UTC times in one form are ordered like their texts, whatever the number of
/// decimals, once the letter at their end is off.
fn time(record: &Record) -> Option<&str> {
    record.time().map(whole)
}

fn whole(time: &str) -> &str {
    time.trim_end_matches('Z')
}
