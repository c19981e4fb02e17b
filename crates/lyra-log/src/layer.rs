//! From events and spans to lines.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::buffers::{self, Buffers};
use crate::fields::{OneLayer, Pen, SpanFields, Spot};
use crate::format::{Format, HEAD, Stamp, human::Human, json::Json};
use crate::spans;
use crate::{Colours, Operation, Run, Settings, Sink, Unfinished};

/// One JSON object a line, for whatever reads logs.
///
/// A [`Layer`](tracing_subscriber::Layer) that stands beside others:
///
/// ```
/// use std::sync::Arc;
/// use lyra_log::{JsonLayer, MemorySink, Run, Settings};
/// use tracing_subscriber::prelude::*;
///
/// let lines = Arc::new(MemorySink::new());
/// let json = JsonLayer::new(lines.clone(), Arc::new(Run::new()), Settings::new());
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(json), || {
///     let span = tracing::info_span!("request", user_id = "123", token = "hunter2").entered();
///     tracing::warn!(target: "app", tries = 3, "slow, with password=hunter2");
///     drop(span);
/// });
/// let line = &lines.take()[0];
/// assert!(line.contains(
///     r#""level":"WARN","seq":1,"target":"app","msg":"slow, with password=[redacted]","tries":3,"user_id":"123","token":"[redacted]","run":"#
/// ));
/// ```
///
/// | key | what it holds |
/// |---|---|
/// | `time` | RFC 3339 in UTC, with nine digits behind the dot |
/// | `level` | `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE` |
/// | `seq` | the number of the line in its run, from 1: a gap is a lost line |
/// | `target` | the module, or what the event gave |
/// | `msg` | the message, empty where there is none |
/// | `operation` | the name of the innermost [`Operation`], if there is one |
/// | … | the fields of the event, then of the spans from the innermost |
/// | `fields_dropped` | how many fields found no room, if any |
/// | `run` | which [`Run`] of the program |
///
/// No key comes twice: an event's own field counts before a span's, an inner
/// span's before an outer one's. A field with a name from this table becomes
/// `field.time`, and one that is called `field.time` becomes
/// `field.field.time`.
///
/// A field that is a `&dyn Error` becomes an object with `message` and
/// `causes` (at most 32; `causes_cut` says that there are more). A
/// [`lyra_errors::Error`] also tells its `type`, `code`, `recoverable` and
/// `context`. Other crates' errors that implement `Classify` can't be told
/// apart behind a `dyn Error`: make one with `lyra_errors::Error::from`.
///
/// Integers beyond 64 bits, NaN and the infinities are text.
#[derive(Debug)]
pub struct JsonLayer(LineLayer<Json>);

/// One line for a person at a console.
///
/// The time in milliseconds, level, target, message, operation, and the fields
/// as `key=value`; nothing in it can drive the terminal. Everything else is as
/// in [`JsonLayer`].
#[derive(Debug)]
pub struct HumanLayer(LineLayer<Human>);

impl JsonLayer {
    /// Lines into `sink`, numbered by `run`.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, run: Arc<Run>, settings: Settings) -> Self {
        Self(LineLayer::new(Json, sink, run, settings))
    }
}

impl HumanLayer {
    /// Lines into `sink`. They have no numbers, and use none up.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, colours: Colours, settings: Settings) -> Self {
        Self(LineLayer::new(Human { colours }, sink, Arc::new(Run::new()), settings))
    }
}

/// What all formats have in common.
struct LineLayer<F> {
    /// No other layer of the process has it.
    id: u64,
    format: F,
    sink: Arc<dyn Sink>,
    run: Arc<Run>,
    settings: Settings,
    /// How often a field of a span was told later.
    records: AtomicU64,
}

impl<F: Format> LineLayer<F> {
    fn new(format: F, sink: Arc<dyn Sink>, run: Arc<Run>, settings: Settings) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);
        let id = LAYERS.fetch_add(1, Ordering::Relaxed);
        Self { id, format, sink, run, settings, records: AtomicU64::new(0) }
    }

    /// The fields are written into buffers first: their values are code of
    /// others, which may ask for this very span, and its lock is not held then.
    fn new_span<S>(&self, attributes: &Attributes<'_>, id: &Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = context.span(id) else { return };
        let own = Operation::name_of(span.metadata());
        // Read before the fields around are: one that changes meanwhile makes
        // this copy of them stale.
        let records = self.records.load(Ordering::Acquire);
        let around = self.at_hand(attributes.is_contextual(), records);
        let fields = buffers::with(|buffers| {
            let mut pen = self.pen(buffers);
            attributes.record(&mut pen);
            let own_fields = (pen.placed.len(), pen.dropped);
            let operation = match &around {
                Some(around) => {
                    pen.copy_all(around, true);
                    own.or(around.operation)
                }
                None => {
                    let around = span.parent();
                    let operation = own.or_else(|| self.operation(around.as_ref()?));
                    self.copy_fields(&mut pen, around, records);
                    operation
                }
            };
            Arc::new(OneLayer::new(&pen, operation, own_fields, Some(records)))
        });
        spans::made(self.id, id, &fields);
        let mut extensions = span.extensions_mut();
        // Mostly there is one layer, so that nothing was there.
        if let Some(others) = extensions.replace(SpanFields::new(fields))
            && let Some(fields) = extensions.get_mut::<SpanFields>()
        {
            fields.add(others);
        }
    }

    /// The fields of the span that the thread is in, where they are at hand and
    /// hold.
    fn at_hand(&self, is_wanted: bool, records: u64) -> Option<Arc<OneLayer>> {
        let innermost = if is_wanted { spans::innermost(self.id) } else { None };
        innermost.filter(|fields| fields.is_whole(records))
    }

    fn entered<S>(&self, id: &Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        spans::entered(self.id, id, || {
            let span = context.span(id)?;
            let extensions = span.extensions();
            extensions.get::<SpanFields>()?.of(self.id).cloned()
        });
    }

    fn record<S>(&self, id: &Id, values: &Record<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = context.span(id) else { return };
        let newer = buffers::with(|buffers| {
            let mut pen = self.pen(buffers);
            values.record(&mut pen);
            OneLayer::new(&pen, None, (pen.placed.len(), 0), None)
        });
        if let Some(fields) =
            span.extensions_mut().get_mut::<SpanFields>().and_then(|all| all.of_mut(self.id))
        {
            fields.update(&newer);
        }
        self.records.fetch_add(1, Ordering::Release);
    }

    fn event<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let records = self.records.load(Ordering::Acquire);
        let at_hand = self.at_hand(event.is_contextual(), records);
        let span = if at_hand.is_some() { None } else { context.event_span(event) };
        let operation = match &at_hand {
            Some(fields) => fields.operation,
            None => span.as_ref().and_then(|span| self.operation(span)),
        };
        buffers::with(|buffers| {
            buffers.line.resize(HEAD, 0);
            self.format.target(&mut buffers.line, event.metadata().target());
            let spot = Spot { at: buffers.line.len(), operation };
            let mut pen = self.pen(buffers);
            pen.message = Some(spot);
            event.record(&mut pen);
            pen.put_message("");
            match &at_hand {
                Some(fields) => pen.copy_last(fields),
                None => self.copy_fields(&mut pen, span, records),
            }
            let dropped = pen.dropped;
            self.finish(buffers, *event.metadata().level(), dropped);
        });
    }

    /// The fields of a span and of those around it, but for names that are
    /// there already.
    fn copy_fields<'a, S>(
        &self,
        pen: &mut Pen<'_, F>,
        mut next: Option<SpanRef<'a, S>>,
        records: u64,
    ) where
        S: LookupSpan<'a>,
    {
        while let Some(span) = next {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<SpanFields>().and_then(|all| all.of(self.id)) {
                let whole = fields.is_whole(records);
                pen.copy_all(fields, whole);
                if whole {
                    return;
                }
            }
            drop(extensions);
            next = span.parent();
        }
    }

    /// The time and the number are taken last, when the sink says so.
    fn finish(&self, buffers: &mut Buffers, level: tracing::Level, dropped: usize) {
        self.format.end(&mut buffers.line, dropped, self.run.id());
        self.sink.unfinished(level, &mut Headless { layer: self, buffers, level, start: None });
    }

    fn pen<'a>(&'a self, buffers: &'a mut Buffers) -> Pen<'a, F> {
        Pen::new(&self.format, &self.settings, self.id, buffers)
    }

    fn operation<S>(&self, span: &SpanRef<'_, S>) -> Option<&'static str>
    where
        S: for<'a> LookupSpan<'a>,
    {
        span.extensions().get::<SpanFields>()?.of(self.id)?.operation
    }
}

/// A line without its head, for which there is room in front of it.
struct Headless<'a, F> {
    layer: &'a LineLayer<F>,
    buffers: &'a mut Buffers,
    level: tracing::Level,
    /// Where the finished line begins.
    start: Option<usize>,
}

impl<F: Format> Unfinished for Headless<'_, F> {
    fn finish(&mut self) -> &[u8] {
        let Buffers { line, head, clock, .. } = &mut *self.buffers;
        let start = *self.start.get_or_insert_with(|| {
            let LineLayer { format, run, settings, .. } = self.layer;
            let stamp = Stamp { clock, now: (settings.now)(), level: self.level, seq: run.next() };
            format.head(head, stamp);
            let start = HEAD - head.len();
            line[start..HEAD].copy_from_slice(head);
            start
        });
        &line[start..]
    }
}

impl<F: fmt::Debug> fmt::Debug for LineLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineLayer")
            .field("format", &self.format)
            .field("sink", &self.sink)
            .field("run", &self.run)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

macro_rules! layer {
    ($layer:ty) => {
        impl<S> tracing_subscriber::Layer<S> for $layer
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
        {
            fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
                self.0.new_span(attributes, id, &context);
            }

            fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
                self.0.record(id, values, &context);
            }

            fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
                self.0.event(event, &context);
            }

            fn on_enter(&self, id: &Id, context: Context<'_, S>) {
                self.0.entered(id, &context);
            }

            fn on_exit(&self, id: &Id, _: Context<'_, S>) {
                spans::left(self.0.id, id);
            }
        }
    };
}

layer!(JsonLayer);
layer!(HumanLayer);
