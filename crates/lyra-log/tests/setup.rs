//! A log as a host sets it up.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::time::Duration;

use lyra_errors::Classify as _;
use lyra_log::files::{Delivery, Rotation};
use lyra_log::{Console, Format, builder, operation};
use tracing_subscriber::prelude::*;

#[test]
fn two_files_one_with_everything_and_one_with_errors_alone() {
    let dir = tempfile::tempdir().unwrap();
    let setup = builder("agent").with_dir(dir.path()).with_level("info,noisy=off");
    let (layer, guard) = setup.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let op = operation!("memory_store", user_id = "123");
        op.in_scope(|| {
            tracing::info!(entry = 1, "stored");
            tracing::error!(entry = 2, "not stored");
            tracing::debug!("not told");
            tracing::error!(target: "noisy", "not told either");
        });
    });
    let all = fs::read_to_string(dir.path().join("agent.log")).unwrap();
    let errors = fs::read_to_string(dir.path().join("agent_errors.log")).unwrap();
    assert_eq!(all.lines().count(), 2);
    assert_eq!(errors.lines().collect::<Vec<_>>(), [all.lines().nth(1).unwrap()]);
    for part in [r#""operation":"memory_store""#, r#""user_id":"123""#, r#""entry":2"#] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
    let status = guard.status();
    assert_eq!((status.lines, status.all.unwrap().written), (2, 2));
    assert_eq!(status.errors.unwrap().written, 1);
}

#[test]
fn levels_change_while_it_runs_and_a_wrong_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, guard) = builder("agent").with_dir(dir.path()).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let tell = || tracing::debug!("told?");
        tell();
        let before = guard.set_level("debug").unwrap();
        assert_eq!(before.to_string(), "info");
        tell();
        let error = guard.set_level("debug,x=loud").unwrap_err();
        assert_eq!(error.code().id(), "log.directive");
        assert!(error.to_string().contains("x=loud"), "{error}");
        tell();
    });
    assert_eq!(guard.status().lines, 2);
}

#[test]
fn what_has_gathered_is_written_at_the_end_and_what_comes_later_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let delivery = Delivery::Buffered { max_bytes: 1 << 16, max_delay: Duration::from_secs(600) };
    let setup = builder("agent").with_dir(dir.path()).with_delivery(delivery);
    let (layer, guard) = setup.build().unwrap();
    let lines = || fs::read_to_string(dir.path().join("agent.log")).unwrap().lines().count();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("one");
        tracing::info!("two");
        assert_eq!(lines(), 0);
        guard.flush(Duration::from_secs(1)).unwrap();
        assert_eq!(lines(), 2);
        tracing::info!("three");
        drop(guard);
        assert_eq!(lines(), 3);
        tracing::info!("four");
        assert_eq!(lines(), 4);
    });
}

#[cfg(feature = "background")]
#[test]
fn a_thread_in_the_background_writes_all_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let setup = builder("agent").with_dir(dir.path()).with_background(lyra_log::Queue::default());
    let (layer, guard) = setup.build().unwrap();
    let lines = || fs::read_to_string(dir.path().join("agent.log")).unwrap().lines().count();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..1_000).for_each(|line| tracing::info!(line, "told"));
        let queue = guard.status().queue.unwrap();
        assert_eq!((queue.accepted, queue.dropped), (1_000, 0));
        guard.close().unwrap();
        assert_eq!(lines(), 1_000);
        tracing::info!("later");
        assert_eq!(lines(), 1_001);
    });
}

#[test]
fn other_formats_and_sizes_are_a_matter_of_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation::size_bytes(300).keep(2);
    let setup = builder("agent").with_dir(dir.path()).with_format(Format::Human);
    let (layer, _guard) = setup.with_rotation(rotation).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..50).for_each(|line| tracing::warn!(line, "told"));
    });
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name == "agent.log.2"), "{names:?}");
    let text = fs::read_to_string(dir.path().join("agent.log")).unwrap();
    assert!(text.ends_with("told line=49\n"), "{text}");
}

#[test]
fn what_cannot_be_set_up_says_why_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let code = |builder: lyra_log::Builder| {
        builder.build::<tracing_subscriber::Registry>().map(|_| ()).unwrap_err().code().to_string()
    };
    assert_eq!(code(builder("agent")), "log.nowhere");
    let there = || builder("agent").with_dir(dir.path().join("logs"));
    assert_eq!(code(there().with_level("info,=")), "log.directive");
    assert_eq!(code(there().with_rotation(Rotation::size_bytes(0))), "log.setting");
    assert_eq!(code(builder("a/b").with_dir(dir.path())), "log.setting");
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(code(builder("agent").with_dir(dir.path().join("file"))), "log.dir");
    assert!(!dir.path().join("logs").exists());
    let _holds = there().build::<tracing_subscriber::Registry>().unwrap();
    assert_eq!(code(there().with_console(Console::Human)), "log.in_use");
}

/// Eight threads, with rotations that make them wait: in the files they stand
/// in the order of their numbers, at once and by way of the background.
#[test]
fn lines_of_many_threads_stand_in_the_order_of_their_numbers() {
    let deliveries: &[fn(lyra_log::Builder) -> lyra_log::Builder] = &[
        |setup| setup,
        #[cfg(feature = "background")]
        |setup| setup.with_background(lyra_log::Queue::default()),
    ];
    for with_delivery in deliveries {
        let dir = tempfile::tempdir().unwrap();
        let setup = builder("agent").with_dir(dir.path());
        let setup = with_delivery(setup.with_rotation(Rotation::size_bytes(20_000).keep(1000)));
        let (layer, guard) = setup.build().unwrap();
        let here = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let here = &here;
                scope.spawn(move || {
                    tracing::dispatcher::with_default(here, || {
                        (0..1000).for_each(|line| tracing::info!(thread, line, "told"));
                    });
                });
            }
        });
        guard.close().unwrap();
        let log = lyra_log::read::Log::open(dir.path(), "agent").unwrap();
        let records = log.records().unwrap().filter_map(lyra_log::read::Entry::into_record);
        let found: Vec<u64> = records.map(|record| record.seq().unwrap()).collect();
        assert_eq!(found, (1..=8000).collect::<Vec<_>>());
        assert!(log.verify().unwrap().is_whole());
    }
}
