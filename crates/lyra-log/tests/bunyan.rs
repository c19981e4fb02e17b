//! Lines in the bunyan format, and what is mended in them.
#![cfg(feature = "bunyan")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lyra_log::{Levels, MemorySink, Run, Settings, bunyan, operation};
use serde_json::Value;
use tracing::subscriber::with_default;
use tracing::{debug, info, info_span};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

fn lines(levels: &str, work: impl FnOnce()) -> Vec<String> {
    let sink = Arc::new(MemorySink::new());
    let levels = Levels::new(levels.parse().unwrap());
    let layer = bunyan("my-agent", sink.clone(), Arc::new(Run::new()), levels, Settings::new());
    with_default(registry().with(layer), work);
    sink.take()
}

#[test]
fn a_line_has_the_core_fields_and_no_key_twice() {
    let lines = lines("info", || {
        let _span = info_span!("request", a = "span", token = "hunter2").entered();
        info!(a = "event", target = "forged", seq = 7, "password=hunter2");
    });
    assert_eq!(lines.len(), 3, "a span begins and ends with one");
    let line: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(
        (&line["v"], &line["name"], &line["level"]),
        (&0.into(), &"my-agent".into(), &30.into())
    );
    assert_eq!(line["msg"], "[REQUEST - EVENT] password=[redacted]");
    assert_eq!(line["pid"], std::process::id());
    assert!(line["hostname"].is_string() && line["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&line["a"], &line["token"]), (&"event".into(), &"[redacted]".into()));
    assert_eq!(
        (&line["target"], &line["seq"], &line["field.seq"]),
        (&"bunyan".into(), &2.into(), &7.into())
    );
    for key in ["a", "target", "seq", "msg"] {
        assert_eq!(lines[1].matches(&format!("\"{key}\":")).count(), 1, "{key} in {}", lines[1]);
    }
}

/// The command itself reads every line, and none of them as text that it does
/// not know.
#[test]
fn the_command_bunyan_accepts_every_line() {
    let lines = lines("trace", || {
        let odd = "\n\t\u{1b}[2J \u{202e} \"quoted\" \u{0} 🦀";
        let _span = info_span!("request", odd, token = "hunter2").entered();
        info!(nan = f64::NAN, huge = u128::MAX, odd, "{odd}");
        debug!(name = "forged", level = 7, pid = "x", hostname = 1, v = "9", time = 0, "forged");
        tracing::error!(error = &std::io::Error::other("disk") as &dyn std::error::Error);
        tracing::trace!("{}", "long ".repeat(20_000));
    });
    let program = std::env::var("LYRA_BUNYAN").unwrap_or_else(|_| "bunyan".to_owned());
    let short = ["--strict", "-o", "short", "--no-color"];
    let pipes =
        Command::new(program).args(short).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = pipes else {
        let mut stderr = std::io::stderr();
        let line =
            "SKIPPED bunyan: there is no command `bunyan`; get it with `npm install -g bunyan`";
        writeln!(stderr, "{line}").unwrap();
        return;
    };
    let mut input = child.stdin.take().unwrap();
    let given = lines.join("\n");
    let writer = std::thread::spawn(move || writeln!(input, "{given}"));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    // What it does not accept in its strict mode it leaves out.
    let shown = String::from_utf8(output.stdout).unwrap();
    let told = |level: &str| shown.matches(&format!(" {level} my-agent: ")).count();
    let levels = [" INFO", "DEBUG", "ERROR", "TRACE"].map(|level| told(level.trim_start()));
    assert_eq!(levels, [3, 1, 1, 1], "{shown}");
}

#[test]
fn a_level_that_is_off_keeps_the_fields_of_its_spans() {
    let lines = lines("error", || {
        let _span = info_span!("request", a = "span").entered();
        debug!("not told");
        tracing::error!("told");
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(r#""a":"span""#), "{}", lines[0]);
}

#[test]
fn an_operation_that_begins_is_no_error() {
    let work = || operation!("store", user_id = 1).in_scope(|| tracing::error!("told"));
    let all: Vec<Value> =
        lines("info", work).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let levels: Vec<_> = all.iter().map(|line| line["level"].as_u64().unwrap()).collect();
    assert_eq!(levels, [30, 50, 30]);
    let errors = lines("error", work);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains(r#""user_id":1"#), "{}", errors[0]);
}
