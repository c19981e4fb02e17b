use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::text;
use crate::{
    Chain, Classify, Code, Context, ErrorKind, ErrorRecord, Location, Recovery, Severity, Value,
    host,
};

type BoxedError = Box<dyn StdError + Send + Sync + 'static>;

/// The error that all crates share: what it is about, what to do about it,
/// under which circumstances it arose, and what caused it.
///
/// One word wide, so that `Result<T, Error>` stays small. A crate's own error
/// becomes one by `?` and can be [downcast](Self::downcast) back; a host
/// program makes its own with the constructor of its kind:
///
/// ```
/// use lyra_errors::{Error, ErrorKind};
///
/// let error = Error::consciousness("emotion", "the mood model gave no answer")
///     .with_context("user_id", "123");
/// assert_eq!(error.kind(), ErrorKind::Consciousness);
/// assert_eq!(error.to_string(), "the mood model gave no answer");
/// assert!(!error.is_recoverable());
/// ```
///
/// `Display` is the message on one line, without the causes; `{:?}` shows
/// everything over several lines; [`to_json`](Self::to_json) is for logs.
pub struct Error(Box<Inner>);

struct Inner {
    message: Message,
    kind: ErrorKind,
    code: Code,
    recovery: Recovery,
    severity: Severity,
    context: Context,
    location: Location,
    source: Option<BoxedError>,
}

enum Message {
    Text(Cow<'static, str>),
    /// A crate's own error: it gives the message, and its source is ours.
    Of(BoxedError),
}

impl Error {
    /// An error of `kind` that arose where this is called.
    #[track_caller]
    #[must_use]
    pub fn new(kind: ErrorKind, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            message: Message::Text(message.into()),
            kind,
            code,
            recovery: Recovery::Permanent,
            severity: Severity::Error,
            context: Context::new(),
            location: std::panic::Location::caller(),
            source: None,
        }))
    }

    /// An error that holds a crate's own error, and tells what that tells of
    /// itself.
    ///
    /// The location is the one that `error` knows, else the caller's. Each
    /// crate calls this in its `From`, so that `?` is all that a user types.
    #[track_caller]
    #[must_use]
    pub fn from_classified<E>(error: E) -> Self
    where
        E: Classify + StdError + Send + Sync + 'static,
    {
        // Not in a closure: the closure would be the caller.
        let caller = std::panic::Location::caller();
        Self(Box::new(Inner {
            kind: error.kind(),
            code: error.code(),
            recovery: error.recovery(),
            severity: error.severity(),
            context: error.context(),
            location: error.location().unwrap_or(caller),
            message: Message::Of(Box::new(error)),
            source: None,
        }))
    }

    /// A model could not be loaded; `model_name` enters the context.
    #[track_caller]
    #[must_use]
    pub fn model_load(model_name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::ModelLoad, host::MODEL_LOAD, message)
            .with_context("model_name", model_name)
    }

    /// Memory on the card is short; both sizes, in bytes, enter the context.
    #[track_caller]
    #[must_use]
    pub fn gpu_memory(
        memory_used: u64,
        memory_total: u64,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(ErrorKind::GpuMemory, host::GPU_MEMORY, message)
            .with_context("memory_used", memory_used)
            .with_context("memory_total", memory_total)
    }

    /// The memory store failed at `operation`, which enters the context.
    #[track_caller]
    #[must_use]
    pub fn memory(operation: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Memory, host::MEMORY, message).with_context("operation", operation)
    }

    /// A subsystem of the agent's reasoning failed; its name enters the
    /// context.
    #[track_caller]
    #[must_use]
    pub fn consciousness(subsystem: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Consciousness, host::CONSCIOUSNESS, message)
            .with_context("subsystem", subsystem)
    }

    /// A request could not be routed.
    #[track_caller]
    #[must_use]
    pub fn router(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Router, host::ROUTER, message)
    }

    /// The input is not acceptable; the name of the field enters the context.
    ///
    /// Its value does not by itself: it may be long or private. Add it with
    /// [`with_context`](Self::with_context) where it is neither.
    #[track_caller]
    #[must_use]
    pub fn validation(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Validation, host::VALIDATION, message).with_context("field", field)
    }

    /// A service refuses calls for now; its name enters the context, and the
    /// error asks to be retried, after `retry_after` where that is known.
    #[track_caller]
    #[must_use]
    pub fn rate_limit(
        service: &str,
        retry_after: Option<Duration>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(ErrorKind::RateLimit, host::RATE_LIMIT, message)
            .with_context("service", service)
            .with_recovery(Recovery::Retry { after: retry_after })
    }

    /// A lock or another writer stood in the way; the name of what was wanted
    /// enters the context.
    #[track_caller]
    #[must_use]
    pub fn concurrency(resource: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Concurrency, host::CONCURRENCY, message)
            .with_context("resource", resource)
    }

    /// A defect, or a fault that fits nowhere else.
    #[track_caller]
    #[must_use]
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, host::INTERNAL, message)
    }

    /// The error with another code, such as the host program's own.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// The error with one more named value.
    #[must_use]
    pub fn with_context(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Self {
        self.0.context.insert(key, value);
        self
    }

    /// The error with another advice to the caller.
    #[must_use]
    pub fn with_recovery(mut self, recovery: Recovery) -> Self {
        self.0.recovery = recovery;
        self
    }

    /// The error with another severity.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// The error with `source` as its cause, in place of the one it had:
    /// whatever that was, a wrapped error too, is gone.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxedError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// An error that tells the same of itself under a message of the caller's
    /// level, with this one as its cause.
    #[track_caller]
    #[must_use]
    pub fn wrap(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(self.kind(), self.code(), message)
            .with_recovery(self.recovery())
            .with_severity(self.severity())
            .with_source(self)
    }

    /// What the error is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether its kind is `kind` or a special case of it.
    #[must_use]
    pub fn is_a(&self, kind: ErrorKind) -> bool {
        self.0.kind.is_a(kind)
    }

    /// The stable code, with its hint.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the caller can do.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.0.recovery
    }

    /// Whether another try can help.
    #[must_use]
    pub fn is_recoverable(&self) -> bool {
        self.0.recovery.is_recoverable()
    }

    /// The shortest wait before another try, where it is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.recovery.after()
    }

    /// How loudly to tell it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The named values of this error, without those of its causes.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Where it arose.
    #[must_use]
    pub fn location(&self) -> Location {
        self.0.location
    }

    /// The causes, from the nearest to the root, without the error itself.
    #[must_use]
    pub fn causes(&self) -> Chain<'_> {
        Chain::new(self.source())
    }

    /// Everything as a value that can be stored and read back.
    #[must_use]
    pub fn record(&self) -> ErrorRecord {
        let mut record = ErrorRecord::of(self);
        // By way of the trait the message would have lost its line breaks.
        record.message = text::cut(&self.message(), ErrorRecord::MAX_MESSAGE_BYTES).into_owned();
        record
    }

    /// Everything as one line of JSON: the dictionary form for logs.
    ///
    /// It always succeeds, whatever the error holds.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.record().to_json()
    }

    /// Whether it holds an error of type `E`, itself or among its causes.
    #[must_use]
    pub fn is<E: StdError + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// The error of type `E` that it holds, itself or among its causes.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.held().and_then(|held| find_in(held)).or_else(|| self.causes().find_map(find_in))
    }

    /// The error of type `E` that it was made from.
    ///
    /// # Errors
    ///
    /// Gives itself back when it was not made from an `E`.
    pub fn downcast<E: StdError + 'static>(mut self) -> Result<E, Self> {
        match self.0.message {
            Message::Of(held) => match held.downcast::<E>() {
                Ok(error) => Ok(*error),
                Err(held) => {
                    self.0.message = Message::Of(held);
                    Err(self)
                }
            },
            Message::Text(_) => Err(self),
        }
    }

    fn held(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        match &self.0.message {
            Message::Of(error) => Some(&**error),
            Message::Text(_) => None,
        }
    }

    /// The location and the context, a line each.
    fn fmt_circumstances(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let Inner { location, context, .. } = &*self.0;
        write!(f, "\n{indent}at {}:{}", location.file(), location.line())?;
        for (key, value) in context.iter() {
            write!(f, "\n{indent}{} = {value}", text::one_line(key))?;
        }
        match context.dropped() {
            0 => Ok(()),
            dropped => write!(f, "\n{indent}(and {dropped} values that did not fit)"),
        }
    }

    pub(crate) fn message(&self) -> Cow<'_, str> {
        match &self.0.message {
            Message::Text(text) => Cow::Borrowed(text),
            Message::Of(error) => Cow::Owned(text::display(error)),
        }
    }
}

/// One of ours, also behind the pointers in which it travels.
pub(crate) fn ours<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let boxed = || error.downcast_ref::<Box<Error>>().map(|boxed| &**boxed);
    let shared = || error.downcast_ref::<Arc<Error>>().map(|shared| &**shared);
    error.downcast_ref::<Error>().or_else(boxed).or_else(shared)
}

/// The error itself, or what one of ours holds: that alone is hidden from the
/// chain of sources.
fn find_in<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| ours(error)?.held().and_then(|held| find_in(held)))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&text::one_line(&self.message()))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "{} [{}] {self}", inner.kind, inner.code)?;
        self.fmt_circumstances(f, "  ")?;
        for cause in self.causes() {
            write!(f, "\n  caused by: {}", text::one_line(&text::display(cause)))?;
            if let Some(ours) = ours(cause) {
                write!(f, " [{}]", ours.0.code)?;
                ours.fmt_circumstances(f, "    ")?;
            }
        }
        write!(f, "\n  recovery: {}\n  hint: {}", inner.recovery, inner.code.hint())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match (&self.0.source, &self.0.message) {
            (Some(source), _) => Some(&**source),
            (None, Message::Of(error)) => error.source(),
            (None, Message::Text(_)) => None,
        }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    fn code(&self) -> Code {
        self.0.code
    }

    fn recovery(&self) -> Recovery {
        self.0.recovery
    }

    fn severity(&self) -> Severity {
        self.0.severity
    }

    fn context(&self) -> Context {
        self.0.context.clone()
    }

    fn location(&self) -> Option<Location> {
        Some(self.0.location)
    }
}
