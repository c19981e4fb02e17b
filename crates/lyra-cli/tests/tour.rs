//! The first thing a newcomer types.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::{Place, Ran, command_in, skipped};

#[test]
fn the_tour_of_this_checkout_succeeds_and_ends_with_a_table() {
    let place = Place::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names =
        || here.read_dir().unwrap().map(|item| item.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    let mut tour = command_in(&here, "tour");
    let ran = Ran::of(tour.env("TMPDIR", place.path()).output().unwrap());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let steps = [
        "import",
        "commit",
        "roll back",
        "search",
        "call",
        "lock",
        "gpu",
        "backup",
        "validate",
        "restore",
        "compare",
        "log",
    ];
    let table = ran.stdout.split("STEP").nth(1).expect(&ran.stdout);
    for step in steps {
        assert!(table.contains(&format!("\n{step} ")), "no `{step}` in\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("Every comparison held."), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    assert_eq!(place.names("."), [""; 0], "the tour left something behind");
    assert_eq!(names(), before, "the tour wrote into the checkout");
}

#[test]
fn the_tour_as_one_document_has_counts_and_times() {
    let place = Place::new();
    place.write(
        "texts/one.md",
        "# One\n\nA text about rivers.\n\n## Two\n\nAnother about stones.\n",
    );
    let tour = place.json("tour --from texts");
    assert_eq!(tour["ok"], true);
    let steps = tour["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 12);
    assert!(steps.iter().all(|step| step["seconds"].is_f64()), "{tour}");
    let lock = &steps[5]["counts"];
    assert_eq!((&lock["holder"], steps[5]["step"].as_str()), (&json!("night-shift"), Some("lock")));
    assert!(lock["error"].as_str().unwrap().contains("held by thread `night-shift` since"));
    assert_eq!(steps[0]["counts"]["entries"], 2);
    assert_eq!(steps[0]["counts"]["files"], 1);
    let gpu = &steps[6]["counts"];
    let moved = [&gpu["admitted"], &gpu["evicted"], &gpu["degraded"], &gpu["simulated"]];
    assert_eq!(moved, [&json!(3), &json!(1), &json!(1), &json!(true)]);
    assert!(gpu["peak_bytes"].as_u64() <= Some(24 * (1 << 30) / 100 * 85), "{gpu}");
    let compare = &steps[10]["counts"];
    assert_eq!(compare["equal"], compare["expected"]);
    assert!(compare["equal"].as_u64().unwrap() >= 4, "{tour}");
    let log = &steps[11]["counts"];
    assert_eq!((&log["of_roll_back"], &log["whole"]), (&json!(3), &json!(true)));
    assert!(log["records"].as_u64().unwrap() >= 13, "{log}");
    assert_eq!(place.names("."), ["texts"]);
    assert_eq!(place.names("texts"), ["one.md"]);
}

#[test]
fn the_calls_of_the_tour_are_a_timeline_in_which_no_wait_is_missing() {
    let place = Place::new();
    place.write("texts/one.md", "# One\n\nA text about rivers.\n");
    let tour = place.json("tour --from texts");
    let call = &tour["steps"][4]["counts"];
    let attempts = call["timeline"].as_array().unwrap();
    let of = |status: u16| attempts.iter().filter(|a| a["status"] == status).count();
    assert_eq!((of(200), of(500), of(503), of(429)), (6, 1, 1, 1), "{call}");
    assert_eq!(
        (&call["calls"], &call["failed"], &call["throttled"]),
        (&json!(6), &json!(2), &json!(1))
    );
    for (now, next) in attempts.iter().zip(&attempts[1..]) {
        let (at, then) = (now["at"].as_f64().unwrap(), next["at"].as_f64().unwrap());
        let wait = now["next_try"].as_f64().unwrap_or(0.0) + next["waited"].as_f64().unwrap();
        // The limiter's clock may tick a little differently.
        assert!(then - at > wait - 0.001, "{call}");
        assert_eq!(now["next_try"].is_null(), now["status"] == 200, "{call}");
        assert_eq!(now["call"] == next["call"], now["status"] != 200, "{call}");
    }
}

#[test]
fn where_nobody_can_connect_the_calls_are_left_out_and_the_rest_is_done() {
    let place = Place::new();
    place.write("texts/one.md", "# One\n\nA text about rivers.\n");
    let tour = |namespaces: &[&str], format| {
        let mut command = Command::new("unshare");
        command.args(namespaces).arg(env!("CARGO_BIN_EXE_lyra"));
        command.args(["tour", "--from", "texts", "--format", format]);
        Ran::of(command.current_dir(place.path()).output().unwrap())
    };
    let ways = [&["--net"][..], &["--user", "--map-root-user", "--net"]];
    let Some(way) = ways.into_iter().find(|way| {
        Command::new("unshare").args(*way).arg("true").status().is_ok_and(|status| status.success())
    }) else {
        let test = "where_nobody_can_connect_the_calls_are_left_out_and_the_rest_is_done";
        return skipped(test, "no namespace without a network", "root or user namespaces");
    };
    let ran = tour(way, "human");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let reason = "no service can be reached on 127.0.0.1 here: Network is unreachable";
    assert!(ran.stderr.starts_with(&format!("left out: call: {reason}")), "{}", ran.stderr);
    assert!(ran.stdout.contains("Every comparison that could be made held."), "{}", ran.stdout);
    let tour = tour(way, "json").document();
    assert_eq!(tour["ok"], true);
    let told = tour["steps"][4]["counts"]["left_out"].as_str().unwrap();
    assert!(told.starts_with(reason), "{tour}");
}

#[test]
fn what_the_tour_keeps_can_be_used_by_hand() {
    let place = Place::new();
    place.write("texts/one.md", "# One\n\nA text about rivers.\n");
    place.done("tour --from texts --keep kept");
    assert_eq!(place.names("kept"), ["backups", "logs", "memory", "restored"]);
    let entries = place.json("memory count --store kept/memory")["count"].as_u64().unwrap();
    assert!(entries > 2, "{entries}");
    place.done("memory check --store kept/restored");
    assert_eq!(place.json("log verify --dir kept/logs")["whole"], true);
    let listed = place.json("backup list --backup-dir kept/backups");
    assert_eq!(listed["backups"][0]["status"]["state"], "verified");
    let again = place.fails("tour --from texts --keep kept", 2);
    assert_eq!(again["code"], "cli.usage");
}

#[test]
fn a_tour_of_nothing_says_so() {
    let place = Place::new();
    place.write("empty/readme.txt", "no Markdown");
    assert_eq!(place.fails("tour --from nowhere", 3)["code"], "cli.no_such_path");
    assert_eq!(place.fails("tour --from empty", 3)["code"], "cli.no_such_path");
}
