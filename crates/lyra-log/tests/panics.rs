//! A panic is a line with its place, its thread and its operation.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fmt;
use std::panic::{catch_unwind, panic_any, resume_unwind, set_hook};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lyra_log::{Backtraces, JsonLayer, MemorySink, Panics, Run, Settings, operation};
use serde_json::Value;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

struct Panicking;

impl fmt::Debug for Panicking {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("from within")
    }
}

/// Panics while it is dropped because of a panic, and keeps that to itself.
struct PanicsWhilePanicking;

impl Drop for PanicsWhilePanicking {
    fn drop(&mut self) {
        let _ = catch_unwind(|| tracing::info!(value = ?Panicking, "second"));
        let _ = catch_unwind(|| panic!("third"));
    }
}

/// One test, because a process has one hook.
#[test]
fn panics_are_told_and_the_previous_hook_is_called() {
    static PREVIOUS: AtomicUsize = AtomicUsize::new(0);
    set_hook(Box::new(|_| {
        PREVIOUS.fetch_add(1, Ordering::Relaxed);
    }));
    let sink = Arc::new(MemorySink::new());
    let json = JsonLayer::new(sink.clone(), Arc::new(Run::new()), Settings::new());
    tracing::subscriber::set_global_default(registry().with(json)).unwrap();
    Panics::new().with_backtraces(Backtraces::Always).install();
    Panics::new().install(); // has no effect

    let op = operation!("reindex", user_id = "123");
    let work = op.wrap(|| panic!("no index for\ntoken={}", "hunter2"));
    let joined = thread::Builder::new().name("worker".into()).spawn(work).unwrap().join();
    let told = |sink: &MemorySink| -> Vec<Value> {
        sink.take().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let lines = told(&sink);
    let previous = PREVIOUS.swap(0, Ordering::Relaxed);
    let inner = catch_unwind(|| {
        let _guard = PanicsWhilePanicking;
        panic!("first");
    });
    let nested = told(&sink);
    let odd = catch_unwind(|| panic_any(42));
    let no_text = told(&sink);
    let last = PREVIOUS.load(Ordering::Relaxed);
    drop(std::panic::take_hook());

    assert!(joined.is_err() && inner.is_err() && odd.is_err());
    assert_eq!((lines.len(), previous), (1, 1));
    let line = &lines[0];
    assert_eq!((&line["level"], &line["target"]), (&"ERROR".into(), &"lyra::panic".into()));
    assert_eq!(line["panic.text"], "no index for\ntoken=[redacted]");
    let location = line["panic.location"].as_str().unwrap();
    assert!(location.contains("panics.rs:"), "{location}");
    assert_eq!(line["msg"], format!("panicked at {location}: no index for\ntoken=[redacted]"));
    assert_eq!((&line["panic.thread"], &line["operation"]), (&"worker".into(), &"reindex".into()));
    assert_eq!(line["user_id"], "123");
    assert!(line["panic.backtrace"].as_str().unwrap().contains("panics"));

    let texts: Vec<_> = nested.iter().map(|line| line["panic.text"].as_str()).collect();
    assert_eq!(texts, [Some("first"), Some("from within"), None, Some("third")]);
    assert_eq!(nested[2]["value"], "…[panicked: from within]");
    assert_eq!(no_text[0]["panic.text"], "a value that is no text");
    assert_eq!(last, 4);
    let _ = catch_unwind(|| resume_unwind(Box::new(())));
}
