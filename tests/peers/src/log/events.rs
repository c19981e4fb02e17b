//! What a host tells: an operation within an operation, and what happens there.

use std::hint::black_box;
use std::sync::Arc;

use lyra_log::files::{Delivery, LogFiles, Rotation};
use spdlog::formatter::JsonFormatter;
use spdlog::sink::WriteSink;
use spdlog::{LevelFilter, Logger};
use tracing::Dispatch;

use super::AREA;
use super::sinks::{Counting, raw_file};
use super::subscribers::{
    bunyan, bunyan_to_file, fmt_json, fmt_text, json_subscriber, ours, ours_into, with,
};
use crate::harness::Group;

/// An event with three fields, as often as is asked for, in two spans with two
/// fields each.
fn in_two_spans(make: impl Fn() -> Dispatch) -> impl FnMut(u64) {
    move |calls| {
        with(make(), || {
            let outer = tracing::info_span!("request", user_id = 123_u64, route = "/store");
            let _outer = outer.enter();
            let inner = tracing::info_span!("store", collection = "notes", attempt = 1_u64);
            let _inner = inner.enter();
            for call in 0..calls {
                event(call);
            }
        });
    }
}

fn event(call: u64) {
    tracing::info!(
        entry = black_box(call),
        bytes = 1_536_u64,
        model = "all-minilm",
        "entry stored"
    );
}

/// The spans are made anew each time.
fn with_spans(make: impl Fn() -> Dispatch) -> impl FnMut(u64) {
    move |calls| {
        with(make(), || {
            for call in 0..calls {
                let outer = tracing::info_span!("request", user_id = 123_u64, route = "/store");
                let _outer = outer.enter();
                let inner = tracing::info_span!("store", collection = "notes", attempt = 1_u64);
                let _inner = inner.enter();
                event(call);
            }
        });
    }
}

/// Its macros know no spans: all fields are the event's own.
fn spdlog() -> impl FnMut(u64) {
    let sink = WriteSink::builder()
        .target(Counting::default())
        .formatter(JsonFormatter::new())
        .build_arc()
        .expect("the settings are its own");
    let logger = Logger::builder()
        .sink(sink)
        .level_filter(LevelFilter::All)
        .build()
        .expect("the settings are its own");
    move |calls| {
        for call in 0..calls {
            spdlog::info!(logger: logger, "entry stored", kv: {
                entry = black_box(call), bytes = 1_536_u64, model = "all-minilm",
                user_id = 123_u64, route = "/store", collection = "notes", attempt = 1_u64,
            });
        }
    }
}

pub(super) fn event_in_two_spans() -> Group {
    let sink = Counting::default();
    let on = |make: fn(&Counting) -> Dispatch| {
        let sink = sink.clone();
        in_two_spans(move || make(&sink))
    };
    Group::new(AREA, "an event in two spans, JSON")
        .ours("", on(ours))
        .peer("tracing-bunyan-formatter", on(bunyan))
        .peer("spdlog-rs JSON, no spans", spdlog())
        .peer("json-subscriber", on(json_subscriber))
        .peer("tracing-subscriber JSON", on(fmt_json))
        .peer("tracing-subscriber text", on(fmt_text))
}

pub(super) fn two_spans_and_an_event() -> Group {
    let sink = Counting::default();
    let on = |make: fn(&Counting) -> Dispatch| {
        let sink = sink.clone();
        with_spans(move || make(&sink))
    };
    Group::new(AREA, "two spans and an event, JSON")
        .ours("", on(ours))
        .peer("tracing-bunyan-formatter", on(bunyan))
        .peer("json-subscriber", on(json_subscriber))
        .peer("tracing-subscriber JSON", on(fmt_json))
}

/// One `write(2)` a line, into a file.
pub(super) fn delivered() -> Group {
    let file = raw_file();
    let folder = tempfile::tempdir().expect("there is room for files");
    let files = LogFiles::new(folder.path(), "ours", Rotation::size_mib(1_000), Delivery::Direct);
    let files = Arc::new(files.expect("the folder is there"));
    let to_file = move || {
        let _stays = &folder;
        ours_into(files.clone())
    };
    Group::new(AREA, "an event in two spans, in the file")
        .ours("", in_two_spans(to_file))
        .peer("tracing-bunyan-formatter on a raw file", in_two_spans(move || bunyan_to_file(&file)))
}
