//! Which task of the program a line belongs to.

use std::borrow::Borrow;

use tracing::instrument::Instrumented;
use tracing::{Metadata, Span};
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

/// An [`Operation`] with a name and fields: every line within carries them.
///
/// The name is a literal, the fields are as in `tracing`'s macros.
///
/// ```
/// use lyra_log::operation;
///
/// let entries = vec!["a", "b"];
/// let op = operation!("memory_store", user_id = "123", count = entries.len(), ?entries);
/// op.in_scope(|| tracing::info!("stored"));
/// ```
#[macro_export]
macro_rules! operation {
    ($name:expr $(, $($fields:tt)*)?) => {
        $crate::Operation::from_span($crate::__tracing::span!(
            target: $crate::Operation::TARGET,
            $crate::__tracing::Level::ERROR,
            $name,
            $($($fields)*)?
        ))
    };
}

/// What the program is doing, as its lines tell it; made by [`operation!`].
///
/// It is a `tracing` span, so it nests with others, and other layers see it.
/// Its level is `ERROR` and no [`Directives`](crate::Directives) but `off`
/// switch it off: that an error says in which operation it arose must not
/// depend on how much else is logged.
///
/// ```
/// use lyra_log::{Instrument, operation};
///
/// # async fn store() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let op = operation!("memory_store", user_id = "123");
/// store().instrument(&op).await;                                      // across awaits
/// op.in_scope(|| tracing::info!("here"));                             // here
/// let done = std::thread::spawn(op.wrap(|| tracing::info!("there"))); // in another thread
/// # done.join().unwrap();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Operation {
    span: Span,
}

impl Operation {
    /// The target of the spans of all operations.
    pub const TARGET: &'static str = "lyra::operation";

    /// The span that this thread is in, with the operation around it: to take
    /// along to where the thread's own context does not reach.
    #[must_use]
    pub fn current() -> Self {
        Self { span: Span::current() }
    }

    /// One of any span; [`operation!`] makes the span, too. Lines carry the
    /// fields of any span; the name of an operation is that of a span with
    /// the target [`TARGET`](Self::TARGET).
    #[must_use]
    pub fn from_span(span: Span) -> Self {
        Self { span }
    }

    /// The name of the innermost operation, or none where nothing records
    /// spans, or where it is not tracing-subscriber's registry that does.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.span.with_subscriber(|(id, subscriber)| {
            let span = subscriber.downcast_ref::<Registry>()?.span(id)?;
            span.scope().find_map(|span| Self::name_of(span.metadata()))
        })?
    }

    /// Runs `work` in it.
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        self.span.in_scope(work)
    }

    /// The future, in it whenever it is polled and when it is dropped.
    pub fn instrument<T: Future>(&self, future: T) -> Instrumented<T> {
        tracing::Instrument::instrument(future, self.span.clone())
    }

    /// The closure, in it wherever it runs: for `thread::spawn` and
    /// `spawn_blocking`.
    pub fn wrap<R, W: FnOnce() -> R>(&self, work: W) -> impl FnOnce() -> R + use<R, W> {
        let span = self.span.clone();
        move || span.in_scope(work)
    }

    /// The span itself, to record a field that was declared
    /// `tracing::field::Empty`.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn name_of(metadata: &Metadata<'static>) -> Option<&'static str> {
        (metadata.target() == Self::TARGET).then(|| metadata.name())
    }
}

/// `future.instrument(operation)`, for whoever reads from left to right.
///
/// It has the name of `tracing`'s trait, and a file can't use both: where you
/// have that one, write `operation.instrument(future)`.
pub trait Instrument: Future + Sized {
    /// The future, in `operation` whenever it is polled and when it is dropped.
    fn instrument(self, operation: impl Borrow<Operation>) -> Instrumented<Self> {
        operation.borrow().instrument(self)
    }
}

impl<T: Future> Instrument for T {}
