//! What stdout and stderr hold, and how the command ends.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::json;
use support::{Place, Ran, command_in};

#[test]
fn every_command_prints_the_document_that_the_readme_describes() {
    let place = Place::new();
    place.write("in.md", "# A\n\nText.\n");
    let documents = [
        ("memory import", "memory import in.md"),
        ("memory add", "memory add --id a --content text --kind fact"),
        ("memory get", "memory get a"),
        ("memory update", "memory update a --meta k=1"),
        ("memory search", "memory search text"),
        ("memory list", "memory list"),
        ("memory count", "memory count"),
        ("memory stats", "memory stats"),
        ("memory check", "memory check"),
        ("memory reindex", "memory reindex"),
        ("memory compact", "memory compact"),
        ("memory export --output FILE", "memory export --output out.jsonl"),
        ("memory delete", "memory delete a"),
        ("backup create", "backup create --meta reason=test"),
        ("backup list", "backup list"),
        ("backup validate", "backup validate NAME"),
        ("backup restore --dry-run", "backup restore NAME --target t --dry-run"),
        ("backup restore", "backup restore NAME --target t --yes"),
        ("backup rollback", "backup rollback --target t"),
        ("backup discard-previous", "backup discard-previous --target t"),
        ("backup prune", "backup prune --dry-run"),
        ("gpu status", "gpu status"),
        ("gpu plan", "gpu plan 1GiB"),
        ("log query", "log query"),
        ("log tail", "log tail"),
        ("log verify", "log verify"),
        ("doctor", "doctor"),
        ("tour", "tour --from in.md"),
    ];
    place.write("t/before.txt", "before");
    place.write("logs/a.log", "{\"seq\":1,\"run\":\"r\",\"msg\":\"x\"}\n");
    let readme = readme_keys();
    let mut name = String::new();
    for (row, command) in documents {
        let document = place.json(&command.replace("NAME", &name));
        if row == "backup create" {
            document["name"].as_str().unwrap().clone_into(&mut name);
        }
        let keys: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
        assert_eq!(readme.get(row), Some(&keys), "{row}");
    }
    assert_eq!(readme.len(), documents.len());
    assert!(place.json("memory export").is_array());
}

/// The keys that the README names for each document, sorted. What stands in
/// brackets is about the keys below.
fn readme_keys() -> BTreeMap<String, Vec<String>> {
    let rows = include_str!("../README.md").split("| document of | keys |").nth(1).unwrap();
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ");
        let command = cells.next().unwrap().trim().trim_matches('`').to_owned();
        let keys = cells.next().unwrap().split(" (").next().unwrap();
        let mut keys: Vec<_> =
            keys.split(", ").map(|key| key.trim().trim_matches('`').to_owned()).collect();
        keys.sort();
        (command, keys)
    })
    .collect()
}

#[test]
fn a_backup_is_described_with_bytes_and_utc_times() {
    let place = Place::new();
    place.done("memory add --content text");
    let made = place.json("backup create --meta reason=nightly --prefix mine --fast");
    assert!(made["archive_bytes"].is_u64(), "{made}");
    assert!(made["name"].as_str().unwrap().starts_with("mine_"), "{made}");
    let listed = &place.json("backup list")["backups"][0];
    let created = listed["created"].as_str().unwrap();
    assert!(created.contains('T') && created.ends_with('Z'), "{created}");
    assert_eq!(listed["metadata"], json!({ "reason": "nightly" }));
    assert_eq!(listed["status"]["state"], "verified");
    let human = place.done("backup list").stdout;
    assert!(human.starts_with("NAME ") && human.contains("verified"), "{human}");
    assert!(!human.contains('\x1b'), "colour without a terminal: {human:?}");
}

#[test]
fn an_error_tells_what_failed_with_context_causes_and_hint() {
    let place = Place::new();
    let ran = place.run("memory list --store nowhere");
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert_eq!(
        ran.stderr,
        "error: there is no memory store at nowhere [memstore.no_store]\n  path: nowhere\n  \
         hint: check the path; a store is made by the first write to it\n"
    );
    let verbose = place.run("memory list --store nowhere -v").stderr;
    assert!(verbose.contains("\n  at: "), "{verbose}");
}

#[test]
fn wrong_usage_ends_with_2_in_both_formats() {
    let place = Place::new();
    for usage in ["", "fly", "memory", "memory add --kind poem", "backup restore x", "-v -q doctor"]
    {
        let ran = place.run(usage);
        assert_eq!(ran.code, 2, "{usage}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{usage}");
    }
    assert_eq!(place.fails("memory add --kind poem", 2)["code"], "cli.usage");
    let missing = place.fails("backup restore x", 2);
    assert!(missing["message"].as_str().unwrap().contains("--target <DIR>"), "{missing}");
    let nearest = place.run("memry list").stderr;
    assert!(nearest.contains("memory"), "{nearest}");
    for asked in ["--help", "help memory", "--version", "backup restore --help"] {
        assert_eq!(place.run(asked).code, 0, "{asked}");
    }
}

#[test]
fn the_configuration_file_and_variables_are_heard() {
    let place = Place::new();
    place.write("conf/lyra.toml", "[memstore]\ndir = \"mine\"\n[cli]\nformat = \"json\"\n");
    place.done("memory add --content x --config conf/lyra.toml");
    assert_eq!(place.names("conf"), ["lyra.toml", "mine"]);
    let mut count = place.command("memory count");
    let ran = Ran::of(count.env("LYRA_MEMSTORE_DIR", "conf/mine").output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1\n"));
    place.write("lyra.toml", "[memstore]\ncolection = \"x\"\n");
    let error = place.fails("memory count", 2);
    assert_eq!(error["code"], "cli.unknown_key");
    assert!(error["message"].as_str().unwrap().contains("`memstore.collection`"), "{error}");
}

#[test]
fn quiet_tells_nothing_but_errors() {
    let place = Place::new();
    place.write("in.md", "# A\n\nText.\n");
    assert_eq!(place.done("memory import in.md").stderr, "committed 1 entry\n");
    assert_eq!(place.done("memory import in.md --quiet").stderr, "");
    assert!(!place.run("memory get nobody --quiet").stderr.is_empty());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let place = Place::new();
    let long = "many words ".repeat(4_000);
    for i in 0..4 {
        let line = json!({ "id": format!("e{i}"), "kind": "fact", "content": long });
        assert_eq!(place.run_with_stdin("memory add -", &line.to_string()).code, 0);
    }
    for command in
        ["memory export", "memory export --format json", "memory list --format json", "--help"]
    {
        let mut child =
            place.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(0), "{command}: {stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
    }
}

#[test]
fn a_full_output_is_a_failure() {
    let place = Place::new();
    place.done("memory add --content text");
    for command in ["memory export", "memory count", "doctor"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = place.command(command).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{command}: {stderr}");
        assert!(stderr.contains("error: "), "{command}: {stderr}");
    }
}

#[test]
fn a_restore_over_something_asks_and_without_a_terminal_refuses() {
    let place = Place::new();
    place.done("memory add --content first");
    let name = place.json("backup create")["name"].as_str().unwrap().to_owned();
    place.done("memory add --content second");
    let error = place.fails(&format!("backup restore {name} --target memory"), 2);
    assert_eq!(error["code"], "cli.not_confirmed");
    assert_eq!(place.json("memory count")["count"], 2);
    let diff = place.json(&format!("backup restore {name} --target memory --dry-run"));
    assert_eq!(
        (&diff["target_exists"], &diff["changed"]),
        (&json!(true), &json!(["memory.sqlite3"]))
    );
    let done = place.json(&format!("backup restore {name} --target memory --yes"));
    assert_eq!(place.json("memory count")["count"], 1);
    let previous = done["previous"].as_str().unwrap();
    assert_eq!(place.json(&format!("memory count --store {previous}"))["count"], 2);
}

#[test]
fn what_a_restore_replaced_can_be_brought_back_or_let_go() {
    let place = Place::new();
    place.done("memory add --content first");
    let name = place.json("backup create")["name"].as_str().unwrap().to_owned();
    place.done("memory add --content second");
    let restored = place.run(&format!("backup restore {name} --target memory --yes"));
    assert!(restored.stdout.contains("lyra backup rollback"), "{}", restored.stdout);
    assert_eq!(place.json("memory count")["count"], 1);
    place.done("backup rollback --target memory");
    assert_eq!(place.json("memory count")["count"], 2);
    place.done("backup discard-previous --target memory");
    let gone = place.fails("backup rollback --target memory", 3);
    assert_eq!(gone["code"], "backup.no_previous");
}

#[test]
fn links_that_lead_outside_are_told_and_restored_when_that_is_allowed() {
    let place = Place::new();
    place.write("source/file.txt", "text");
    std::os::unix::fs::symlink("/etc/hostname", place.join("source/link")).unwrap();
    let created = place.run("backup create --source source");
    assert!(created.stderr.contains("link") && created.code == 0, "{}", created.stderr);
    let name = created.stdout.lines().next().unwrap().to_owned();
    let refused = place.fails(&format!("backup restore {name} --target t"), 4);
    assert_eq!(refused["code"], "backup.unsafe_member");
    place.done(&format!("backup restore {name} --target t --allow-external-symlinks"));
    assert!(place.join("t/link").is_symlink());
}

#[test]
fn what_a_backup_lacks_is_named_also_when_it_is_quiet() {
    let place = Place::new();
    place.done("memory add --content first");
    assert_eq!(place.run("backup create -q").stderr, "", "a lock is nothing to lack");
    let pipe = place.join("memory/pipe");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let created = place.run("backup create -q");
    assert_eq!((created.code, created.stderr.as_str()), (6, "left out: pipe: a named pipe\n"));
}

#[test]
fn prune_keeps_what_the_policy_says_and_refuses_to_keep_nothing() {
    let place = Place::new();
    place.done("memory add --content first");
    for _ in 0..3 {
        place.done("backup create");
    }
    place.done("backup create --prefix other");
    assert_eq!(
        place.fails("backup prune --retention-days 0 --keep-last 0", 2)["code"],
        "backup.empty_policy"
    );
    let dry = place.json("backup prune --retention-days 0 --keep-last 1 --dry-run");
    assert_eq!((&dry["removed"], &dry["dry_run"]), (&json!(2), &json!(true)));
    assert_eq!(place.json("backup list")["backups"].as_array().unwrap().len(), 4);
    assert_eq!(place.json("backup prune --retention-days 0 --keep-last 1")["removed"], 2);
    let left = place.json("backup list");
    let prefixes: Vec<_> =
        left["backups"].as_array().unwrap().iter().map(|backup| &backup["prefix"]).collect();
    assert_eq!(prefixes, ["other", "lyra"]);
}

#[test]
fn the_doctor_finds_what_is_broken_and_says_what_to_do() {
    let place = Place::new();
    let report = place.json("doctor");
    assert_eq!(report["ok"], true);
    assert_eq!(place.names("."), [""; 0]);
    place.write("memory/stranger.txt", "no store");
    let ran = place.run("doctor --format json");
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let report = ran.document();
    let store = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "store");
    assert_eq!(store.unwrap()["state"], "broken");
    assert!(store.unwrap()["remedy"].is_string(), "{report}");
    let human = place.run("doctor").stdout;
    assert!(human.contains("BROKEN") && human.contains("backup.keep_last"), "{human}");
}

/// The only directory that a newcomer has is the checkout.
#[test]
fn cargo_run_knows_which_binary_is_meant() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let members = metadata["workspace_default_members"].as_array().unwrap();
    let binaries: Vec<_> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| members.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(binaries, ["lyra"], "`cargo run -- tour` would ask which");
    assert_eq!(Ran::of(command_in(root.as_ref(), "--version").output().unwrap()).code, 0);
}
