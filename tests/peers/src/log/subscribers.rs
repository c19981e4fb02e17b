//! Whoever makes a line out of an event.

use std::fs::File;
use std::sync::Arc;

use lyra_log::{Directives, JsonLayer, Levels, Run, Settings, Sink};
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use super::sinks::Counting;

/// The layer alone, as a program has it that composes its own subscriber.
pub(super) fn ours(sink: &Counting) -> Dispatch {
    ours_into(Arc::new(sink.clone()))
}

pub(super) fn ours_into(sink: Arc<dyn Sink>) -> Dispatch {
    let json = JsonLayer::new(sink, Arc::new(Run::new()), Settings::new());
    let levels = Levels::new(Directives::all(LevelFilter::INFO));
    registry().with(levels).with(json).into()
}

pub(super) fn fmt_text(sink: &Counting) -> Dispatch {
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(sink.clone());
    registry().with(layer).into()
}

pub(super) fn fmt_json(sink: &Counting) -> Dispatch {
    let layer = tracing_subscriber::fmt::layer().json().with_writer(sink.clone());
    registry().with(layer).into()
}

pub(super) fn json_subscriber(sink: &Counting) -> Dispatch {
    registry().with(json_subscriber::layer().with_writer(sink.clone())).into()
}

pub(super) fn bunyan(sink: &Counting) -> Dispatch {
    bunyan_into(sink.clone())
}

pub(super) fn bunyan_to_file(file: &Arc<File>) -> Dispatch {
    bunyan_into(Arc::clone(file))
}

fn bunyan_into(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) -> Dispatch {
    let layer = BunyanFormattingLayer::new("bench".to_owned(), writer);
    registry().with(JsonStorageLayer).with(layer).into()
}

/// Runs a slice with a subscriber that lives as long as it.
pub(super) fn with(dispatch: Dispatch, slice: impl FnOnce()) {
    tracing::dispatcher::with_default(&dispatch, slice);
}
