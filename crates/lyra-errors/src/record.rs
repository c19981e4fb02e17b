use std::error::Error as StdError;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use snafu::{ResultExt, Snafu};

use crate::error::ours;
use crate::text;
use crate::{Chain, Classify, Code, Context, Error, ErrorKind, Recovery, Severity, code};

/// An error as a value: what a log line holds, and what is read back from it.
///
/// Its JSON keeps the promised keys `type`, `message`, `context` and
/// `recoverable`, beside `code`, `severity`, `recovery`, `retry_after_ms`,
/// `context_dropped`, `hint`, `location`, `causes` and `causes_dropped`.
/// Writing it always succeeds, and what was written reads back equal.
///
/// Texts are capped in bytes of JSON: the message at 4 KiB, each cause and
/// the other texts at 1 KiB; the context has its own caps. Of more than 32
/// causes the nearest 31 and the root are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
#[non_exhaustive]
pub struct ErrorRecord {
    /// What the error is about.
    pub kind: ErrorKind,
    /// The stable code.
    pub code: String,
    /// What happened; line breaks are kept as they came.
    pub message: String,
    /// How loudly to tell it.
    pub severity: Severity,
    /// What the caller can do. A wait is in whole milliseconds, rounded up.
    pub recovery: Recovery,
    /// The named values, in their order.
    pub context: Context,
    /// How many values did not fit into the context.
    pub context_dropped: u64,
    /// One line on what to do.
    pub hint: String,
    /// File, line and column in the source.
    pub location: String,
    /// The causes, from the nearest to the root.
    pub causes: Vec<CauseRecord>,
    /// How many causes are left out before the root.
    pub causes_dropped: u64,
}

/// A cause as a value. Of a foreign error only the message is known; one of
/// ours, that was wrapped or held by another, tells the rest too.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CauseRecord {
    /// What happened.
    pub message: String,
    /// What it is about.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ErrorKind>,
    /// The stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The named values.
    #[serde(default, skip_serializing_if = "Context::is_empty")]
    pub context: Context,
    /// File, line and column in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

impl ErrorRecord {
    /// The most bytes of JSON that the message takes.
    pub const MAX_MESSAGE_BYTES: usize = 4 * 1024;
    /// The most bytes of JSON that one cause takes.
    pub const MAX_CAUSE_BYTES: usize = 1024;
    /// The most causes that are kept.
    pub const MAX_CAUSES: usize = 32;

    /// The record of any error that classifies itself, also of one that is
    /// only borrowed.
    #[must_use]
    pub fn of<E: Classify + StdError>(error: &E) -> Self {
        let mut context = error.context();
        let mut causes: Vec<CauseRecord> =
            Chain::new(error.source()).map(CauseRecord::of).collect();
        let dropped = causes.len().saturating_sub(Self::MAX_CAUSES);
        if dropped > 0 {
            causes.drain(Self::MAX_CAUSES - 1..causes.len() - 1);
        }
        Self {
            kind: error.kind(),
            code: error.code().id().to_owned(),
            message: text::cut(&text::display(error), Self::MAX_MESSAGE_BYTES).into_owned(),
            severity: error.severity(),
            recovery: in_whole_milliseconds(error.recovery()),
            context_dropped: context.take_dropped(),
            context,
            hint: error.code().hint().to_owned(),
            location: error.location().map(ToString::to_string).unwrap_or_default(),
            causes,
            causes_dropped: dropped as u64,
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub fn is_recoverable(&self) -> bool {
        self.recovery.is_recoverable()
    }

    /// One line of JSON. It always succeeds.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a record holds text, integers and finite numbers only")
    }

    /// Reads what [`to_json`](Self::to_json) wrote. Keys that are missing or
    /// unknown are no error, `message` and `type` aside.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when `json` is not such an object.
    pub fn from_json(json: &str) -> Result<Self, RecordError> {
        serde_json::from_str(json).context(RecordSnafu)
    }
}

impl CauseRecord {
    fn of(cause: &(dyn StdError + 'static)) -> Self {
        let message = capped(&text::display(cause));
        match ours(cause) {
            None => Self { message, ..Self::default() },
            Some(error) => Self {
                message: capped(&error.message()),
                kind: Some(error.kind()),
                code: Some(error.code().id().to_owned()),
                context: error.context().clone(),
                location: Some(error.location().to_string()),
            },
        }
    }
}

fn capped(text: &str) -> String {
    text::cut(text, ErrorRecord::MAX_CAUSE_BYTES).into_owned()
}

/// A wait of a part of a millisecond is rounded up: never too early.
fn in_whole_milliseconds(recovery: Recovery) -> Recovery {
    match recovery {
        Recovery::Retry { after: Some(wait) } => {
            let millis = wait.as_nanos().div_ceil(1_000_000).min(u64::MAX.into());
            Recovery::retry_after(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
        }
        other => other,
    }
}

/// The form in JSON, with its keys in the order in which people read them.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: ErrorKind,
    #[serde(default)]
    code: String,
    message: String,
    #[serde(default)]
    context: Option<Context>,
    #[serde(default, skip_serializing_if = "is_zero")]
    context_dropped: u64,
    #[serde(default)]
    recoverable: bool,
    #[serde(default)]
    recovery: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    severity: Severity,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    causes: Vec<CauseRecord>,
    #[serde(default, skip_serializing_if = "is_zero")]
    causes_dropped: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<ErrorRecord> for Wire {
    fn from(record: ErrorRecord) -> Self {
        Self {
            kind: record.kind,
            code: record.code,
            message: record.message,
            recoverable: record.recovery.is_recoverable(),
            retry_after_ms: record
                .recovery
                .after()
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            recovery: Some(record.recovery.name().to_owned()),
            context: Some(record.context),
            context_dropped: record.context_dropped,
            severity: record.severity,
            hint: record.hint,
            location: record.location,
            causes: record.causes,
            causes_dropped: record.causes_dropped,
        }
    }
}

impl From<Wire> for ErrorRecord {
    fn from(wire: Wire) -> Self {
        let retry = Recovery::Retry { after: wire.retry_after_ms.map(Duration::from_millis) };
        let recovery = match wire.recovery.as_deref() {
            Some("retry") => retry,
            Some("exhausted") => Recovery::Exhausted,
            // A record of the promised four keys alone.
            None if wire.recoverable => retry,
            _ => Recovery::Permanent,
        };
        let mut context = wire.context.unwrap_or_default();
        let dropped = wire.context_dropped.saturating_add(context.take_dropped());
        Self {
            kind: wire.kind,
            code: capped(&wire.code),
            message: text::cut(&wire.message, Self::MAX_MESSAGE_BYTES).into_owned(),
            severity: wire.severity,
            recovery,
            context,
            context_dropped: dropped,
            hint: capped(&wire.hint),
            location: capped(&wire.location),
            causes: wire
                .causes
                .into_iter()
                .take(Self::MAX_CAUSES)
                .map(|cause| CauseRecord { message: capped(&cause.message), ..cause })
                .collect(),
            causes_dropped: wire.causes_dropped,
        }
    }
}

/// A text that is not an [`ErrorRecord`].
#[derive(Debug, Snafu)]
#[snafu(display("this is not the record of an error"))]
pub struct RecordError {
    source: serde_json::Error,
    #[snafu(implicit)]
    location: crate::Location,
}

impl Classify for RecordError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Validation
    }

    fn code(&self) -> Code {
        code::INVALID_RECORD
    }

    fn context(&self) -> Context {
        Context::new().with("line", self.source.line()).with("column", self.source.column())
    }

    fn location(&self) -> Option<crate::Location> {
        Some(self.location)
    }
}

impl From<RecordError> for Error {
    #[track_caller]
    fn from(error: RecordError) -> Self {
        Self::from_classified(error)
    }
}
