//! Lines in the bunyan format, for whoever has tools for that.

mod record;

use std::io::{self, Write};
use std::sync::Arc;

use tracing::{Level, Metadata, Subscriber};
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::LookupSpan;

use crate::{Levels, Operation, Run, Settings, Sink, Unfinished};
use record::Record;

/// Lines in the [bunyan](https://github.com/trentm/node-bunyan) format, made by
/// `tracing-bunyan-formatter` and mended here; `name` is the program's.
///
/// What is mended: no key comes twice (an event's field counts before a
/// span's, and `target`, `line` and `file` before both); secrets are redacted
/// and texts cut as in [`JsonLayer`](crate::JsonLayer); each line has `seq` and
/// `run`; a line counts as written when the sink has it. `levels` are asked
/// here, for each line: as a filter of this layer they would take the fields
/// of spans that they don't let through from lines that they do.
///
/// What is as the formatter has it:
///
/// - fields called `name`, `msg`, `level`, `hostname`, `pid`, `time` or `v`
///   are left out;
/// - each span has a line when it begins and one when it ends, an operation's
///   at `INFO`;
/// - an event that names its parent is told with the span that the thread is
///   in;
/// - of an error there is its `Debug` text, and no list of its causes;
/// - no `operation`: its name stands in `msg`, in capitals;
/// - a value that panics while it is rendered panics in the program;
/// - it costs about four times as much.
pub fn bunyan<S>(
    name: impl Into<String>,
    sink: Arc<dyn Sink>,
    run: Arc<Run>,
    levels: Levels,
    settings: Settings,
) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = Lines { sink, run, levels, settings };
    JsonStorageLayer.and_then(BunyanFormattingLayer::new(name.into(), lines))
}

/// Where the formatter writes its lines.
struct Lines {
    sink: Arc<dyn Sink>,
    run: Arc<Run>,
    levels: Levels,
    settings: Settings,
}

/// Takes one line, or none if it is of a level that is off.
struct Line<'a> {
    lines: &'a Lines,
    level: Option<Level>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, level: Some(Level::ERROR) }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        // The level of an operation's span says that it is never off, not that
        // each beginning and end of one is an error.
        let of_operation = metadata.is_span() && metadata.target() == Operation::TARGET;
        let level = if of_operation { Level::INFO } else { *metadata.level() };
        let on = level <= self.levels.level_of(metadata.target());
        Line { lines: self, level: on.then_some(level) }
    }
}

/// A line but for its number; its time is the formatter's.
struct Unnumbered<'a> {
    /// Until it is finished.
    mended: Option<Record>,
    run: &'a Run,
    line: Vec<u8>,
}

impl Unfinished for Unnumbered<'_> {
    fn finish(&mut self) -> &[u8] {
        if let Some(mended) = self.mended.take() {
            self.line = mended.into_line(self.run.next(), self.run.id());
        }
        &self.line
    }
}

impl Write for Line<'_> {
    /// The formatter gives a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(level) = self.level {
            let Lines { sink, run, settings, .. } = self.lines;
            let mended = Record::read(line).at(level).mended(settings);
            sink.unfinished(level, &mut Unnumbered { mended: Some(mended), run, line: Vec::new() });
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
