//! What `lyra log` tells of logs that a host has written, and of the command's own.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::Place;

fn record(seq: u64, level: &str, more: &str) -> String {
    format!(
        r#"{{"time":"2026-11-23T02:30:{seq:02}.000000001Z","level":"{level}","seq":{seq},"target":"agent::store","msg":"did {seq}"{more},"run":"r1"}}"#
    ) + "\n"
}

/// Five records in two files.
fn log(place: &Place) {
    let op = r#","operation":"memory_store","user_id":"123""#;
    let old = [record(1, "INFO", ""), record(2, "WARN", op)].concat();
    let new = [record(3, "ERROR", op), record(4, "INFO", ""), record(5, "DEBUG", "")].concat();
    place.write("logs/agent.log.1", old);
    place.write("logs/agent.log", new);
}

fn numbers(document: &Value) -> Vec<u64> {
    let records = document["records"].as_array().unwrap();
    records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_question_is_answered_from_old_files_and_the_current_one() {
    let place = Place::new();
    log(&place);
    for (question, answer) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("--level warn", vec![2, 3]),
        ("--operation memory_store --field user_id=123", vec![2, 3]),
        ("--contains msg=4", vec![4]),
        ("--target agent --last 2", vec![4, 5]),
        ("--target other", vec![]),
        ("--limit 1", vec![1]),
        ("--since 2026-11-23T02:30:04Z", vec![4, 5]),
        ("--until 2026-11-23T02:30:02Z", vec![1]),
    ] {
        let document = place.json(&format!("log query {question}"));
        assert_eq!(numbers(&document), answer, "{question}");
        assert_eq!(document["name"], "agent");
    }
}

#[test]
fn a_person_reads_one_line_a_record() {
    let place = Place::new();
    log(&place);
    let ran = place.done("log tail -n 3");
    assert_eq!(
        ran.stdout,
        "2026-11-23T02:30:03.000Z ERROR agent::store [memory_store] did 3 user_id=123\n\
         2026-11-23T02:30:04.000Z INFO  agent::store did 4\n\
         2026-11-23T02:30:05.000Z DEBUG agent::store did 5\n"
    );
}

#[test]
fn nothing_in_a_record_forges_another_one_or_turns_the_reading() {
    let place = Place::new();
    let line = r#"{"time":"2026-11-23T02:30:01.5+02:00","level":"INFO","target":"a\\nb","msg":"x\\u202ey","k\\n":1}"#;
    place.write("logs/agent.log", line.replace("\\\\", "\\") + "\n");
    let ran = place.done("log tail");
    assert_eq!(ran.stdout, "2026-11-23T02:30:01.5+02:00 INFO  a\\nb x\\u{202e}y k\\n=1\n");
}

#[test]
fn what_comes_is_told_across_a_rotation_until_an_interrupt() {
    let place = Place::new();
    log(&place);
    let mut tail = place.command("log tail -n 1 --follow --format json");
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["seq"], 5);
    let append = |text: String| {
        let file = OpenOptions::new().append(true).create(true).open(place.join("logs/agent.log"));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    };
    append(record(6, "INFO", ""));
    assert_eq!(next()["seq"], 6);
    // Threads may write their numbers out of order.
    append(record(4, "INFO", ""));
    assert_eq!(next()["seq"], 4);
    fs::rename(place.join("logs/agent.log.1"), place.join("logs/agent.log.2")).unwrap();
    append(record(7, "INFO", ""));
    fs::rename(place.join("logs/agent.log"), place.join("logs/agent.log.1")).unwrap();
    append(record(8, "INFO", ""));
    assert_eq!([next()["seq"].clone(), next()["seq"].clone()], [json!(7), json!(8)]);
    kill_process(Pid::from_child(&tail), Signal::INT).unwrap();
    assert_eq!(tail.wait().unwrap().code(), Some(130));
}

#[test]
fn a_gap_and_a_torn_line_are_named_and_end_with_code_4() {
    let place = Place::new();
    log(&place);
    assert_eq!(place.json("log verify")["whole"], true);
    let torn = [record(9, "INFO", ""), r#"{"time":"2026"#.to_owned()].concat();
    let path = place.join("logs/agent.log");
    OpenOptions::new().append(true).open(path).unwrap().write_all(torn.as_bytes()).unwrap();
    let ran = place.run("log verify --format json");
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    let document = ran.document();
    assert_eq!(document["runs"][0]["gaps"], json!([{ "from": 6, "to": 8 }]));
    assert_eq!(
        (&document["runs"][0]["missing"], &document["broken_count"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(document["broken"][0]["fault"], "torn");
    let ran = place.run("log verify");
    assert!(
        ran.stdout.contains("missing: 6 to 8") && ran.stdout.contains("NOT whole"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_is_not_there_or_not_clear_is_said() {
    let place = Place::new();
    assert_eq!(place.fails("log tail --dir nowhere", 3)["code"], "log.not_found");
    place.write("logs/other.txt", "");
    assert_eq!(place.fails("log tail", 3)["code"], "log.not_found");
    log(&place);
    assert_eq!(place.fails("log tail --name agents", 3)["code"], "log.not_found");
    place.write("logs/second.log", "");
    let error = place.fails("log verify", 2);
    assert!(error["message"].as_str().unwrap().contains("agent, second"), "{error}");
    for wrong in ["--since yesterday", "--field user_id", "--level loud", "--limit x"] {
        assert_eq!(place.run(&format!("log query {wrong}")).code, 2, "{wrong}");
    }
}

#[test]
fn the_command_writes_a_log_of_its_own_where_it_is_told_to() {
    let place = Place::new();
    place.done("doctor");
    assert!(!place.join("logs").exists(), "no file that nobody asked for");
    place.write("lyra.toml", "[log]\nown = true\n");
    place.done("doctor");
    let other = Place::new();
    let by_variable = other.command("doctor").env("LYRA_LOG_OWN", "true").output().unwrap();
    assert!(by_variable.status.success() && other.join("logs/lyra.log").exists());
    assert_eq!(place.run("backup validate nothing --backup-dir nowhere").code, 3);
    let own = place.json("log query --name lyra --operation command");
    let all = own["records"].as_array().unwrap();
    assert!(
        all.iter().any(|record| record["target"] == "lyra_backup"),
        "what the crates tell, too"
    );
    let told: Vec<_> = all.iter().filter(|record| record["target"] == "lyra::cli").collect();
    let of = |at: usize, key: &str| told[at][key].clone();
    assert_eq!((of(0, "msg"), of(0, "command")), (json!("begun"), json!("doctor")));
    assert_eq!((of(1, "msg"), of(1, "target")), (json!("done"), json!("lyra::cli")));
    assert_eq!(
        (of(3, "msg"), of(3, "exit"), of(3, "level")),
        (json!("failed"), json!(3), json!("ERROR"))
    );
    assert!(told[3]["error"]["code"].is_string(), "{}", told[3]);
}

#[test]
fn the_commands_own_log_stands_in_nobodys_way() {
    let place = Place::new();
    log(&place);
    place.write("lyra.toml", "[log]\nown = true\n");
    place.done("doctor");
    assert_eq!(place.json("log query")["name"], "agent", "the agent's is meant");
    assert_eq!(place.json("log query --name lyra")["name"], "lyra");

    // What follows ends by a signal, which is told as well.
    let mut tail = place.command("log tail -f").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    kill_process(Pid::from_child(&tail), Signal::INT).unwrap();
    assert_eq!(tail.wait().unwrap().code(), Some(130));
    let own = place.json("log query --name lyra --field msg=interrupted");
    assert_eq!(own["records"][0]["exit"], 130, "{own}");

    // Where it can't be written, the command does its work all the same.
    place.write("file", "");
    place.write("lyra.toml", "[log]\nown = true\ndir = \"file\"\n");
    let ran = place.run("doctor");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("own log is not written"), "{}", ran.stderr);
}

#[test]
fn what_is_no_record_is_told_beside_the_answer() {
    let place = Place::new();
    log(&place);
    let text = ["\u{feff}{}\n", "12:00 INFO a human line\n", "\x01\x02\n", &record(6, "INFO", "")];
    place.write("logs/agent.log", text.concat());
    let said = "3 lines are no records; `lyra log verify` names them";
    for ask in ["log query", "log tail", "log query --last 9", "log query --format json"] {
        let ran = place.done(ask);
        assert!(ran.stderr.contains(said), "{ask}: {}", ran.stderr);
        assert!(ran.stdout.contains("did 6"), "{ask}: {}", ran.stdout);
    }
    // A link is not followed: named where another file is there, else an error.
    fs::rename(place.join("logs/agent.log"), place.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.join("elsewhere"), place.join("logs/agent.log")).unwrap();
    let ran = place.done("log tail");
    assert!(ran.stderr.contains("logs/agent.log can't be read: it is a symbolic link"));
    fs::remove_file(place.join("logs/agent.log.1")).unwrap();
    for ask in ["log query", "log tail", "log tail -f"] {
        assert_eq!(place.fails(ask, 1)["code"], "log.io", "{ask}");
    }
    assert_eq!(place.run("log verify").code, 4);
}

#[test]
fn json_lets_loose_nothing_that_the_log_had_escaped() {
    let place = Place::new();
    let text = r#"\u009b\u202e\u007f\u061c\u2066"#;
    place.write("logs/agent.log", format!("{{\"seq\":1,\"run\":\"r\",\"msg\":\"{text}\"}}\n"));
    for ask in ["log query --format json", "log tail --format json"] {
        let ran = place.done(ask);
        assert!(ran.stdout.contains(text), "{ask}: {:?}", ran.stdout);
    }
}

#[test]
fn the_log_is_found_where_only_an_old_file_is_left() {
    let place = Place::new();
    log(&place);
    fs::remove_file(place.join("logs/agent.log")).unwrap();
    fs::create_dir(place.join("logs/x.log")).unwrap();
    assert_eq!(numbers(&place.json("log query")), [1, 2]);
    place.write("empty/notes", "");
    let error = place.fails("log query --dir empty", 3);
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("log.not_found"), &json!("there is no log in empty"))
    );
}

#[test]
fn times_and_levels_are_what_people_type() {
    let place = Place::new();
    log(&place);
    for (question, answer) in [
        ("--since 2026-11-23 --limit 2", vec![1, 2]),
        ("--since 2026-11-24", vec![]),
        ("--level ERROR", vec![3]),
        ("--level Warn", vec![2, 3]),
    ] {
        assert_eq!(numbers(&place.json(&format!("log query {question}"))), answer, "{question}");
    }
    let ran = place.done("log query --until 2h --since 1h");
    assert!(ran.stderr.contains("--until"), "{}", ran.stderr);
}

#[test]
fn verify_looks_at_the_errors_and_tells_what_has_no_number() {
    let place = Place::new();
    log(&place);
    place.write("logs/agent_errors.log", record(3, "ERROR", ""));
    assert_eq!(place.json("log verify")["errors"]["whole"], true);
    let late = [record(3, "INFO", ""), record(5, "INFO", ""), record(4, "INFO", "")].concat();
    place.write("logs/agent.log", late + "{\"msg\":\"x\"}\n");
    let ran = place.done("log verify");
    assert!(ran.stdout.contains("1 records stand behind a later one"), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 records have no run or no number"), "{}", ran.stdout);
    place.write("logs/agent_errors.log", "garbage\n");
    let ran = place.run("log verify");
    assert_eq!(ran.code, 4);
    assert!(ran.stdout.contains("agent_errors.log at byte 0"), "{}", ran.stdout);
}
