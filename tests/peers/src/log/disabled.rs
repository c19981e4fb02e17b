//! What is not told should cost nothing.

use std::hint::black_box;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use super::AREA;
use super::sinks::Counting;
use super::subscribers::with;
use crate::harness::Group;

fn debug(calls: u64) {
    for call in 0..calls {
        tracing::debug!(entry = black_box(call), "looked at");
    }
}

pub(super) fn disabled() -> Group {
    let sink = Counting::default();
    let ours = sink.clone();
    Group::new(AREA, "an event below the level")
        .ours("", move |calls| with(super::subscribers::ours(&ours), || debug(calls)))
        .peer("tracing with a static filter", move |calls| {
            let layer = tracing_subscriber::fmt::layer().with_writer(sink.clone());
            with(registry().with(LevelFilter::INFO).with(layer).into(), || debug(calls));
        })
}
