//! What people read: `Display`, `Debug` and the dictionary, held by snapshots.

use std::time::Duration;

use lyra_errors::{Error, Recovery, Severity};

fn sample() -> Error {
    let root = std::io::Error::other("no space left\non device");
    Error::memory("commit", "the entry was not stored")
        .with_context("collection", "journal")
        .with_context("entries", 17)
        .with_context("ratio", 0.5)
        .with_context("last_id", None::<String>)
        .with_context("tags", vec!["dream", "two\nlines"])
        .with_recovery(Recovery::retry_after(Duration::from_millis(250)))
        .with_severity(Severity::Critical)
        .with_source(root)
}

/// The line of this file is no part of the promise.
fn without_location(text: &str) -> String {
    let at = text.find("error_text.rs:").expect("the location is told");
    let end = text[at..].find(['\n', '"']).expect("something follows") + at;
    format!("{}error_text.rs:LINE{}", &text[..at], &text[end..])
}

#[test]
fn display_is_one_line_without_the_causes() {
    insta::assert_snapshot!(sample(), @"the entry was not stored");
    insta::assert_snapshot!(Error::router("two\nlines\u{7}"), @r"two\nlines\u{7}");
    assert_eq!(format!("[{:>10}]", Error::router("short")), "[     short]");
}

#[test]
fn debug_tells_everything_over_several_lines() {
    insta::assert_snapshot!(without_location(&format!("{:?}", sample())), @r"
    Memory [host.memory] the entry was not stored
      at crates/lyra-errors/tests/error_text.rs:LINE
      operation = commit
      collection = journal
      entries = 17
      ratio = 0.5
      last_id = null
      tags = [dream, two\nlines]
      caused by: no space left\non device
      recovery: retry after 250ms
      hint: look at the cause; nothing was written unless it says so
    ");
}

#[test]
fn the_dictionary_holds_the_promised_keys() {
    insta::assert_snapshot!(without_location(&sample().to_json()), @r#"{"type":"Memory","code":"host.memory","message":"the entry was not stored","context":{"operation":"commit","collection":"journal","entries":17,"ratio":0.5,"last_id":null,"tags":["dream","two\nlines"]},"recoverable":true,"recovery":"retry","retry_after_ms":250,"severity":"critical","hint":"look at the cause; nothing was written unless it says so","location":"crates/lyra-errors/tests/error_text.rs:LINE","causes":[{"message":"no space left\non device"}]}"#);
}

#[test]
fn a_context_that_was_full_says_so() {
    let full = (0..20)
        .fold(Error::internal("x"), |e, i| e.with_context(format!("key{i}"), "y".repeat(2_000)));
    assert!(format!("{full:?}").contains("values that did not fit)"));
    assert!(full.to_json().contains("\"context_dropped\":1"));
}
