//! What a person sees at a console.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Arc;

use lyra_log::{Colours, HumanLayer, MemorySink, Settings, operation};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

fn line(colours: Colours, work: impl FnOnce()) -> String {
    let sink = Arc::new(MemorySink::new());
    let layer = HumanLayer::new(sink.clone(), colours, Settings::new());
    with_default(registry().with(layer), work);
    sink.take().remove(0)
}

#[test]
fn a_line_is_read_from_left_to_right() {
    let line = line(Colours::Off, || {
        operation!("store", user_id = "123").in_scope(|| {
            let text = "two words";
            tracing::warn!(target: "app", count = 3, text, quoted = "a\"b", path = ?"x\u{1b}[2J", "slow\nline");
        });
    });
    let (time, rest) = line.split_at(24);
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(
        rest,
        r#"  WARN app: slow\nline operation=store count=3 text="two words" quoted="a\"b" path="\"x\\u{1b}[2J\"" user_id=123"#
    );
}

#[test]
fn an_error_and_its_causes_stand_behind_one_another() {
    let line = line(Colours::Off, || {
        let error = lyra_errors::Error::router("no route")
            .with_source(std::io::Error::other("token=hunter2"));
        tracing::error!(target: "app", error = &error as &dyn std::error::Error, "failed");
    });
    assert!(line.ends_with(r#"error="no route: token=[redacted] [host.router]""#), "{line}");
}

#[test]
fn there_are_colours_only_when_told_so() {
    let event = || tracing::info!(a = 1, "b");
    assert!(!line(Colours::Off, event).contains('\u{1b}'));
    assert!(line(Colours::On, event).contains("\u{1b}[32m INFO\u{1b}[0m"));
}
