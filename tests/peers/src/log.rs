//! `log`: what it costs to tell what happened, and in which operation.
//!
//! An event in two spans, written as JSON into a sink that counts bytes: all
//! that is measured is the formatting. Apart from it what the delivery costs,
//! by one `write(2)` a line, and files that rotate.
//!
//! Each subscriber is the only one there is while its slice runs, as it is in a
//! program: `tracing` asks all that there are whether they want an event.

mod disabled;
mod events;
mod files;
mod sinks;
mod subscribers;

use crate::harness::{self, Plan, Row};

pub(crate) const PEERS: [&str; 6] = [
    "tracing-subscriber",
    "tracing-bunyan-formatter",
    "json-subscriber",
    "spdlog-rs",
    "rolling-file",
    "file-rotate",
];

const AREA: &str = "log";

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let groups = vec![
        events::event_in_two_spans(),
        events::two_spans_and_an_event(),
        events::delivered(),
        disabled::disabled(),
        files::rotated(),
    ];
    harness::measure(plan, groups)
}
