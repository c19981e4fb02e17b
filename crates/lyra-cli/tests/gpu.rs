//! What `lyra gpu` tells of cards that a fake driver shows, and of none.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use lyra_fake_nvml::FakeDriver;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use support::{Place, Ran};

const GIB: u64 = 1 << 30;

/// One card of 24 GiB, of which others have so much.
fn driver(used: u64) -> FakeDriver {
    let driver = FakeDriver::with_cards(&[24 * GIB]);
    driver.edit(|state| {
        state.cards[0].stranger = used;
        state.cards[0].reserved = 0;
        state.cards[0].name = "Fake 24G".to_owned();
    });
    driver
}

fn command(place: &Place, driver: &FakeDriver, arguments: &str) -> Command {
    let mut command = place.command(arguments);
    command.env("LYRA_GPU_LIBRARY", driver.library());
    command
}

fn done(place: &Place, driver: &FakeDriver, arguments: &str) -> Ran {
    let ran = Ran::of(command(place, driver, arguments).output().unwrap());
    assert_eq!(ran.code, 0, "lyra {arguments}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

#[test]
fn a_card_is_told_in_bytes_and_with_its_level() {
    let (place, driver) = (Place::new(), driver(22 * GIB));
    let document = done(&place, &driver, "gpu status --format json").document();
    assert_eq!((&document["schema"], &document["mode"]), (&json!(1), &json!("gpu")));
    assert_eq!((&document["no_gpu"], &document["models"]), (&Value::Null, &json!([])));
    let uuid = driver.edit(|state| state.cards[0].uuid.clone());
    assert_eq!(
        document["devices"][0],
        json!({
            "uuid": uuid, "index": 0, "name": "Fake 24G", "kind": "gpu", "state": "good",
            "total": 24 * GIB, "free": 2 * GIB, "used": 22 * GIB, "reserved": 0,
            "used_pct": 91.6, "level": "critical", "external": 22 * GIB, "committed": 0,
            "admit_headroom": 0,
        })
    );
    assert_eq!(document["devices"][1]["kind"], "cpu");
    assert_eq!(document["counters"]["admitted"], 0);
}

#[test]
fn a_card_is_shown_with_a_bar_on_80_columns() {
    let (place, driver) = (Place::new(), driver(6 * GIB));
    let shown = done(&place, &driver, "gpu status").stdout;
    let bar = format!("  {}{}  25.0 %  normal", "█".repeat(13), "░".repeat(41));
    let numbers = "  6.0 GiB of 24.0 GiB used, 18.0 GiB free, room for models of 14.4 GiB";
    let card = format!("GPU 0  Fake 24G\n{bar}\n{numbers}\n\nCPU  ");
    assert!(shown.starts_with(&card), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.ends_with("no models in this process\n"), "{shown}");
}

#[test]
fn where_there_is_no_gpu_the_reason_is_told() {
    let (place, driver) = (Place::new(), driver(0));
    driver.edit(|state| state.unload());
    let document = done(&place, &driver, "gpu status --format json").document();
    assert_eq!(document["mode"], "cpu");
    let reason = document["no_gpu"].as_str().unwrap();
    assert!(reason.contains("driver is not loaded"), "{reason}");
    let shown = done(&place, &driver, "gpu status").stdout;
    assert!(shown.starts_with(&format!("no GPU: {reason}\n\nCPU  ")), "{shown}");
}

#[test]
fn thresholds_and_budgets_are_heard() {
    let (place, driver) = (Place::new(), driver(6 * GIB));
    let uuid = driver.edit(|state| state.cards[0].uuid.clone());
    place.write("lyra.toml", format!("[gpu]\nbudgets = \"{uuid}=8GiB\"\n"));
    let card = done(&place, &driver, "gpu status --format json").document()["devices"][0].clone();
    assert_eq!((&card["total"], &card["used_pct"]), (&json!(8 * GIB), &json!(75.0)));
    let mut status = command(&place, &driver, "gpu status --format json");
    let ran = Ran::of(status.env("LYRA_GPU_ADMIT", "75").output().unwrap());
    assert_eq!((ran.code, &ran.document()["code"]), (2, &json!("gpu.invalid")), "{}", ran.stderr);
}

#[test]
fn a_budget_may_name_a_device_as_it_is_shown_and_names_one_that_is_there() {
    let (place, driver) = (Place::new(), driver(6 * GIB));
    let with = |budgets: &str| {
        let mut status = command(&place, &driver, "gpu status --format json");
        Ran::of(status.env("LYRA_GPU_BUDGETS", budgets).output().unwrap())
    };
    let devices = with("GPU 0=8GiB, cpu=1GiB").document()["devices"].clone();
    assert_eq!((&devices[0]["total"], &devices[1]["total"]), (&json!(8 * GIB), &json!(GIB)));
    let uuid = driver.edit(|state| state.cards[0].uuid.clone());
    let both = format!("{uuid}=8GiB, GPU 0=9GiB");
    for (budgets, code, told) in [
        ("GPU 7=8GiB", "gpu.invalid", uuid.as_str()),
        (both.as_str(), "cli.config", "GPU 0"),
        ("cpu=1GiB, cpu=2GiB", "cli.config", "two budgets"),
    ] {
        let ran = with(budgets);
        assert_eq!((ran.code, &ran.document()["code"]), (2, &json!(code)), "{}", ran.stderr);
        assert!(ran.stderr.contains(told) || ran.stdout.contains(told), "{}", ran.stderr);
    }
}

#[test]
fn a_watch_without_a_terminal_is_one_document_a_line() {
    let (place, driver) = (Place::new(), driver(6 * GIB));
    let told = done(&place, &driver, "gpu watch --count 3 --interval 5ms").stdout;
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines.iter().all(|line| line["devices"][0]["used"] == json!(6 * GIB)), "{told}");
    for wrong in ["--count 0", "--interval 0s", "--interval 5", "--interval soon"] {
        assert_eq!(place.fails(&format!("gpu watch {wrong}"), 2)["code"], "cli.usage", "{wrong}");
    }
}

#[test]
fn a_watch_sees_what_changes_and_ends_when_nobody_reads_on() {
    let (place, driver) = (Place::new(), driver(6 * GIB));
    let mut watch = command(&place, &driver, "gpu watch --interval 5ms");
    let mut child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let level = |line: String| {
        let document: Value = serde_json::from_str(&line).unwrap();
        document["devices"][0]["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(level(lines.next().unwrap().unwrap()), "normal");
    driver.edit(|state| state.cards[0].stranger = 23 * GIB);
    assert!(lines.any(|line| level(line.unwrap()) == "critical"));
    drop(lines);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), vec![]));
}

/// Runs it on a terminal of its own, which an interrupt ends when it has shown
/// `until`; all that it drew, and how it ended.
fn watched_until(until: &str, mut command: Command) -> (String, Option<i32>) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let stdout = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut child = command.stdout(stdout).spawn().unwrap();
    drop(command);
    let pid = Pid::from_child(&child);
    let (mut terminal, mut drawn, mut is_told) = (File::from(terminal), Vec::new(), false);
    let mut part = [0; 4096];
    // When its other end is closed, a terminal fails.
    while let Ok(count @ 1..) = terminal.read(&mut part) {
        drawn.extend_from_slice(&part[..count]);
        if !is_told && String::from_utf8_lossy(&drawn).contains(until) {
            kill_process(pid, Signal::INT).unwrap();
            is_told = true;
        }
    }
    let code = child.wait().unwrap().code();
    (String::from_utf8_lossy(&drawn).into_owned(), code)
}

#[test]
fn on_a_terminal_an_interrupt_ends_the_watch_and_restores_the_page() {
    let (place, driver) = (Place::new(), driver(23 * GIB));
    let watch = command(&place, &driver, "gpu watch --interval 5ms");
    let (drawn, code) = watched_until("Ctrl-C ends", watch);
    assert_eq!(code, Some(130), "{drawn:?}");
    assert!(drawn.starts_with("\x1b[?1049h\x1b[?25l\x1b[HGPU 0  Fake 24G\x1b[K"), "{drawn:?}");
    assert!(drawn.contains("\x1b[1;31m  ███"), "a full card is red: {drawn:?}");
    let (_, after) = drawn.split_once("\x1b[?25h\x1b[?1049l").unwrap();
    assert!(after.starts_with("GPU 0  Fake 24G"), "the last view stays: {after:?}");
}

/// Where models of these sizes go, and who leaves.
fn plan(place: &Place, driver: &FakeDriver, arguments: &str) -> Vec<(String, Value, Value)> {
    let ran = done(place, driver, &format!("gpu plan {arguments} --format json"));
    let document = ran.document();
    let steps = document["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let outcome = step["outcome"].as_str().unwrap().to_owned();
            (outcome, step["device"].clone(), step["evicts"].clone())
        })
        .collect()
}

fn on(outcome: &str, device: &str, evicts: &[u32]) -> (String, Value, Value) {
    (outcome.to_owned(), json!(device), json!(evicts))
}

#[test]
fn a_plan_says_who_is_loaded_and_who_leaves_for_it() {
    // Of 24 GiB, 85 % are admitted: 20.4 GiB, of which others have 2.
    let (place, driver) = (Place::new(), driver(2 * GIB));
    assert_eq!(
        plan(&place, &driver, "6GiB 10GiB 4GiB 15GiB"),
        [
            on("load", "GPU 0", &[]),
            on("load", "GPU 0", &[]),
            on("evict", "GPU 0", &[1]),
            on("evict", "GPU 0", &[2, 3]),
        ]
    );
    let shown = done(&place, &driver, "gpu plan 12GiB 7GiB").stdout;
    let line = |number: usize| {
        shown.lines().nth(number).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line(1), "1 12.0 GiB on GPU 0 6.4 GiB fits as it is");
    assert_eq!(line(2), "2 7.0 GiB on GPU 0, evicts 1 11.4 GiB fits when 1 has left");
}

#[test]
fn a_plan_of_models_in_use_goes_on_on_the_processor() {
    let (place, driver) = (Place::new(), driver(2 * GIB));
    place.write("lyra.toml", "[gpu]\nbudgets = \"cpu=64MiB\"\n");
    let never = ("never".to_owned(), Value::Null, json!([]));
    let wait = ("wait".to_owned(), Value::Null, json!([]));
    assert_eq!(
        plan(&place, &driver, "18GiB 512MiB 21GiB --in-use"),
        [on("load", "GPU 0", &[]), wait, never.clone()]
    );
    assert_eq!(plan(&place, &driver, "99TiB"), [never]);
}

#[test]
fn a_plan_without_a_gpu_is_one_for_the_processor() {
    let (place, driver) = (Place::new(), driver(0));
    driver.edit(|state| state.unload());
    assert_eq!(plan(&place, &driver, "1MiB"), [on("degrade", "CPU", &[])]);
    let cpu = done(&place, &driver, "gpu status --format json").document()["devices"][0].clone();
    let half = cpu["admit_headroom"].as_u64().unwrap() / 3 * 2 / (1 << 20);
    let turns = format!("{half}MiB {half}MiB");
    assert_eq!(
        plan(&place, &driver, &turns),
        [on("degrade", "CPU", &[]), on("degrade", "CPU", &[1])]
    );
    let shown = done(&place, &driver, &format!("gpu plan {turns} 99TiB")).stdout;
    assert!(shown.contains("on the CPU instead, evicts 1"), "{shown}");
    assert!(shown.contains("the CPU takes it when 1 has left"), "{shown}");
    assert!(shown.contains("no GPU, and the CPU never takes more than"), "{shown}");
    let in_use = plan(&place, &driver, &format!("{turns} --in-use"));
    assert_eq!(in_use[1].0, "wait");
    for wrong in ["", "12bananas", "0", "-3GiB"] {
        assert_eq!(place.fails(&format!("gpu plan {wrong}"), 2)["code"], "cli.usage", "{wrong}");
    }
}

#[test]
fn the_doctor_says_which_gpus_there_are_or_why_there_is_none() {
    let (place, driver) = (Place::new(), driver(6 * GIB));
    let check = || {
        let report = done(&place, &driver, "doctor --format json").document();
        let mut checks = report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["name"] == "gpu").unwrap().clone()
    };
    let found = "Fake 24G (good): 18.0 GiB of 24.0 GiB free";
    assert_eq!(check(), json!({ "name": "gpu", "state": "ok", "found": found }));
    driver.edit(|state| state.unload());
    let none = check();
    assert_eq!(none["state"], "note");
    assert!(none["found"].as_str().unwrap().contains("driver is not loaded"), "{none}");
    assert!(none["remedy"].as_str().unwrap().contains("gpu.library"), "{none}");
    let shown = done(&place, &driver, "doctor").stdout;
    assert!(shown.contains("gpu.warning") && shown.contains("LYRA_GPU_LIBRARY"), "{shown}");
}
