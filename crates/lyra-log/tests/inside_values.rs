//! Values that log while they are logged, and threads that log while they
//! end. Only a global subscriber sees what is logged from inside a value.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use lyra_log::{JsonLayer, MemorySink, Run, Settings, Sink};
use serde_json::Value;
use tracing::{Span, info, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

#[derive(Debug, Default)]
struct Lines(Mutex<Vec<Value>>);

impl Sink for Lines {
    fn line(&self, level: tracing::Level, line: &[u8]) {
        let one = MemorySink::new();
        one.line(level, line);
        self.0.lock().unwrap().push(serde_json::from_str(&one.take()[0]).unwrap());
    }
}

static SINK: LazyLock<Arc<Lines>> = LazyLock::new(|| {
    let sink = Arc::new(Lines::default());
    let json = JsonLayer::new(sink.clone(), Arc::new(Run::new()), Settings::new());
    tracing::subscriber::set_global_default(registry().with(json)).unwrap();
    sink
});

fn lines_of(test: &str) -> Vec<Value> {
    SINK.0.lock().unwrap().iter().filter(|line| line["test"] == test).cloned().collect()
}

struct Logs(&'static str);

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(test = self.0, "inner");
        Span::current().record("late", "from inside");
        f.write_str("shown")
    }
}

#[test]
fn a_value_may_log_while_it_is_logged() {
    LazyLock::force(&SINK);
    let span = info_span!("span", late = tracing::field::Empty).entered();
    info!(test = "once", value = ?Logs("once"), after = 1, "outer");
    drop(span);
    let lines = lines_of("once");
    assert_eq!((&lines[0]["msg"], &lines[1]["msg"]), (&"inner".into(), &"outer".into()));
    assert_eq!((&lines[1]["value"], &lines[1]["after"]), (&"shown".into(), &1.into()));
    assert!(lines[0]["seq"].as_u64() < lines[1]["seq"].as_u64());
    // In the fields of a span and in what is recorded later, too.
    let span = info_span!("span", value = ?Logs("span"), late = tracing::field::Empty);
    span.record("late", tracing::field::debug(Logs("span")));
    span.in_scope(|| info!(test = "span", "told"));
    let lines = lines_of("span");
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[2]["value"], &lines[2]["late"]), (&"shown".into(), &"shown".into()));
}

struct LogsItself;

impl fmt::Debug for LogsItself {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(test = "itself", value = ?self);
        f.write_str("shown")
    }
}

#[test]
fn a_value_that_logs_itself_comes_to_an_end() {
    LazyLock::force(&SINK);
    info!(test = "itself", value = ?LogsItself);
    let lines = lines_of("itself");
    assert_eq!(lines.len(), 5);
    assert!(lines[0]["value"].as_str().unwrap().contains("is being logged"));
    assert_eq!(lines[4]["value"], "shown");
}

struct LogsAtTheEnd;

impl Drop for LogsAtTheEnd {
    fn drop(&mut self) {
        info!(test = "end", "told at the end");
    }
}

#[test]
fn a_thread_may_log_while_it_ends() {
    LazyLock::force(&SINK);
    thread_local! {
        static EARLY: RefCell<Option<LogsAtTheEnd>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<LogsAtTheEnd>> = const { RefCell::new(None) };
    }
    let ends = || {
        EARLY.with(|early| early.replace(Some(LogsAtTheEnd)));
        info!(test = "end", "told before");
        LATE.with(|late| late.replace(Some(LogsAtTheEnd)));
    };
    thread::spawn(ends).join().unwrap();
    assert_eq!(lines_of("end").len(), 3);
}

#[test]
fn numbers_have_no_gap_and_come_once() {
    LazyLock::force(&SINK);
    let work = || (0..1000).for_each(|n| info!(test = "many", n, "told"));
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let lines = lines_of("many");
    let numbers: BTreeSet<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 4000);
    assert_eq!(lines.iter().map(|line| line["run"].as_str()).collect::<BTreeSet<_>>().len(), 1);
}
