//! The operation is in every line within it: across awaits, threads and
//! blocking calls.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::{Arc, LazyLock};
use std::thread;

use lyra_log::{
    Directives, Instrument, JsonLayer, Levels, MemorySink, Operation, Run, Settings, operation,
};
use serde_json::Value;
use tokio::task::{spawn, spawn_blocking, yield_now};
use tracing::{info, info_span, warn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

/// One subscriber for all tests of this file: threads have no other.
fn lines_of(test: &'static str) -> Vec<Value> {
    let lines = SINK.lines.lock().unwrap();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["test"] == test).collect()
}

#[derive(Debug, Default)]
struct Lines {
    new: MemorySink,
    lines: std::sync::Mutex<Vec<String>>,
}

impl lyra_log::Sink for Lines {
    fn line(&self, level: tracing::Level, line: &[u8]) {
        self.new.line(level, line);
        self.lines.lock().unwrap().extend(self.new.take());
    }
}

static SINK: LazyLock<Arc<Lines>> = LazyLock::new(|| {
    let sink = Arc::new(Lines::default());
    let json = JsonLayer::new(sink.clone(), Arc::new(Run::new()), Settings::new());
    let levels = Levels::new("operation=info".parse::<Directives>().unwrap());
    tracing::subscriber::set_global_default(registry().with(levels).with(json)).unwrap();
    sink
});

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_follows_across_awaits_tasks_and_blocking_calls() {
    LazyLock::force(&SINK);
    async fn store(entry: u64) {
        info!(test = "await", entry, "before");
        yield_now().await;
        info!(test = "await", entry, "after");
        let op = Operation::current();
        spawn_blocking(op.wrap(move || info!(test = "await", entry, "blocking"))).await.unwrap();
        spawn(async move { info!(test = "await", entry, "task") }.instrument(op)).await.unwrap();
    }
    let tasks: Vec<_> = (0..100_u64)
        .map(|entry| spawn(store(entry).instrument(operation!("memory_store", user_id = entry))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let lines = lines_of("await");
    assert_eq!(lines.len(), 400);
    for line in lines {
        assert_eq!(line["operation"], "memory_store");
        assert_eq!(line["user_id"], line["entry"]);
    }
}

#[test]
fn it_follows_into_threads_when_told_to() {
    LazyLock::force(&SINK);
    let op = operation!("index", part = 7);
    thread::spawn(op.wrap(|| info!(test = "thread", "in it"))).join().unwrap();
    thread::spawn(|| info!(test = "thread", "not in it")).join().unwrap();
    let lines = lines_of("thread");
    assert_eq!((&lines[0]["operation"], &lines[0]["part"]), (&"index".into(), &7.into()));
    assert_eq!(lines[1].get("operation"), None);
}

#[test]
fn the_innermost_counts_and_spans_between_do_not() {
    LazyLock::force(&SINK);
    let (outer, inner) = (operation!("outer", a = 1, b = 1), || operation!("inner", b = 2));
    outer.in_scope(|| {
        assert_eq!(Operation::current().name(), Some("outer"));
        let inner = info_span!("span", c = 3).in_scope(inner);
        info_span!("span", c = 3).in_scope(|| {
            assert_eq!(Operation::current().name(), Some("outer"));
            warn!(test = "nested", "one");
        });
        inner.in_scope(|| warn!(test = "nested", operation = "forged", "two"));
    });
    warn!(test = "nested", "three");
    let lines = lines_of("nested");
    assert_eq!((&lines[0]["operation"], &lines[0]["b"]), (&"outer".into(), &1.into()));
    assert_eq!((&lines[1]["operation"], &lines[1]["b"]), (&"inner".into(), &2.into()));
    assert_eq!((&lines[1]["a"], &lines[1]["field.operation"]), (&1.into(), &"forged".into()));
    assert_eq!(lines[2].get("operation"), None);
    assert_eq!(Operation::current().name(), None);
}

#[test]
fn a_field_that_is_known_later_is_told_from_then_on() {
    LazyLock::force(&SINK);
    let op = operation!("late", rows = tracing::field::Empty);
    op.in_scope(|| info!(test = "late", "before"));
    op.span().record("rows", 12);
    op.in_scope(|| info!(test = "late", "after"));
    let lines = lines_of("late");
    assert_eq!((lines[0].get("rows"), &lines[1]["rows"]), (None, &12.into()));
}
