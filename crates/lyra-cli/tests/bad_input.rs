//! Bad input is a clear error with its code, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::json;
use support::Place;

#[test]
fn a_missing_path_is_not_found_and_makes_no_store() {
    let place = Place::new();
    assert_eq!(place.fails("memory import nowhere", 3)["code"], "cli.no_such_path");
    for verb in ["list", "count", "stats", "check", "export", "get x", "search x", "delete x"] {
        assert_eq!(
            place.fails(&format!("memory {verb}"), 3)["code"],
            "memstore.no_store",
            "{verb}"
        );
    }
    assert_eq!(place.fails("backup create", 3)["code"], "backup.source_not_found");
    assert_eq!(place.fails("backup validate nothing", 3)["code"], "backup.not_found");
    assert_eq!(place.fails("backup restore nothing --target t", 3)["code"], "backup.not_found");
    assert_eq!(place.json("backup list")["backups"], json!([]));
    assert_eq!(place.names("."), [""; 0]);
}

#[test]
fn an_unreadable_file_is_named() {
    let place = Place::new();
    // A process's own memory can be opened but not read at its beginning, by
    // whomever: rights would not stop root.
    std::os::unix::fs::symlink("/proc/self/mem", place.join("secret.jsonl")).unwrap();
    place.write("open.jsonl", r#"{"kind":"fact","content":"x"}"#);
    let ran = place.run("memory import secret.jsonl open.jsonl --format json");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let report = ran.document();
    assert_eq!(report["faults"][0]["code"], "unreadable", "{report}");
    assert!(ran.stderr.contains("\nsecret.jsonl: "), "{}", ran.stderr);
    assert_eq!((&report["added"], &report["skipped_files"]), (&json!(1), &json!(1)));
}

#[test]
fn names_that_are_no_utf_8_are_told_with_marks() {
    let place = Place::new();
    let name = OsStr::from_bytes(b"caf\xe9.jsonl");
    std::fs::create_dir(place.join("in")).unwrap();
    std::fs::write(place.join("in").join(name), "no JSON\n").unwrap();
    let ran = place.run("memory import in --format json");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert_eq!(ran.document()["faults"][0]["file"], "in/caf\u{fffd}.jsonl");
    let name = place.json("backup create --source in")["name"].as_str().unwrap().to_owned();
    let plan = place.json(&format!("backup restore {name} --target out --dry-run"));
    assert!(plan["added"].to_string().contains("caf\u{fffd}.jsonl"), "{plan}");
    let mut count = place.command("memory count");
    let ran = count.env("LYRA_MEMSTORE_DIR", OsStr::from_bytes(b"\xff")).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "a variable was passed over");
}

#[test]
fn a_directory_of_something_else_is_not_taken_for_a_store() {
    let place = Place::new();
    place.write("photos/cat.png", "no store");
    place.write("file", "no directory");
    place.write("forged/memory.sqlite3", "no database, but long enough to have had a header in it");
    for store in ["photos", "file"] {
        let error = place.fails(&format!("memory add --content x --store {store}"), 4);
        assert_eq!(error["code"], "memstore.not_a_store");
        assert_eq!(place.fails(&format!("memory list --store {store}"), 4)["code"], error["code"]);
    }
    for verb in ["list", "add --content x", "check"] {
        place.fails(&format!("memory {verb} --store forged"), 4);
    }
    assert_eq!(place.names("photos"), ["cat.png"]);
}

#[test]
fn a_store_of_a_newer_format_is_left_alone() {
    let place = Place::new();
    place.done("memory add --content x");
    let name = place.json("backup create")["name"].as_str().unwrap().to_owned();
    place.done(&format!("backup restore {name} --target newer"));
    // A restored database is one file; its user version stands at byte 60.
    let database = place.join("newer/memory.sqlite3");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    for verb in ["list", "add --content y", "check"] {
        let error = place.fails(&format!("memory {verb} --store newer"), 4);
        assert_eq!(error["code"], "memstore.newer_format", "{error}");
        assert_eq!(error["context"]["found"], 99);
    }
    assert_eq!(std::fs::read(&database).unwrap(), bytes);
}

#[test]
fn a_damaged_store_is_found_by_check() {
    let place = Place::new();
    let text = "many words ".repeat(100);
    for i in 0..30 {
        let line = json!({ "id": format!("e{i}"), "kind": "fact", "content": text });
        assert_eq!(place.run_with_stdin("memory add -", &line.to_string()).code, 0);
    }
    let name = place.json("backup create")["name"].as_str().unwrap().to_owned();
    place.done(&format!("backup restore {name} --target damaged"));
    place.done("memory check --store damaged");
    let database = place.join("damaged/memory.sqlite3");
    let mut bytes = std::fs::read(&database).unwrap();
    // A whole page in the middle, which holds rows.
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 4096].fill(0xff);
    std::fs::write(&database, &bytes).unwrap();
    let ran = place.run("memory check --store damaged --format json");
    assert_eq!(ran.code, 4, "{}\n{}", ran.stdout, ran.stderr);
    assert_ne!(ran.document()["problem_count"], 0, "{}", ran.stdout);
    place.done(&format!("backup restore {name} --target damaged --yes"));
    place.done("memory check --store damaged");
}

/// Each line breaks one rule, and is told by file, line, field and code.
#[test]
fn every_invalid_line_is_told_and_nothing_of_the_file_is_written() {
    let place = Place::new();
    let long_tag = "t".repeat(51);
    let lines = [
        (r#"{"kind":"fact","content":"good"}"#.to_owned(), None),
        ("no JSON".to_owned(), Some(("entry", "type"))),
        (r#"{"kind":"fact"}"#.to_owned(), Some(("content", "required"))),
        (r#"{"kind":"fact","content":""}"#.to_owned(), Some(("content", "required"))),
        (
            json!({ "kind": "fact", "content": "x", "tags": [long_tag] }).to_string(),
            Some(("tags[0]", "too_long")),
        ),
        (
            r#"{"kind":"fact","content":"x","tags":["a b"]}"#.to_owned(),
            Some(("tags[0]", "characters")),
        ),
        (
            r#"{"kind":"fact","content":"x","significance":11}"#.to_owned(),
            Some(("significance", "range")),
        ),
        (
            r#"{"kind":"fact","content":"x","embedding":[1,2,3]}"#.to_owned(),
            Some(("embedding", "dimension")),
        ),
        (
            r#"{"kind":"fact","content":"x","embedding":[NaN,1]}"#.to_owned(),
            Some(("entry", "type")),
        ),
        (
            r#"{"kind":"fact","content":"x","embedding":[1e39,1]}"#.to_owned(),
            Some(("embedding[0]", "not_finite")),
        ),
        (
            r#"{"kind":"fact","content":"x","embedding":[0,0]}"#.to_owned(),
            Some(("embedding", "zero_vector")),
        ),
        (r#"{"content":"x"}"#.to_owned(), Some(("summary", "required"))),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    place.write("in.jsonl", text);

    let ran = place.run("memory import in.jsonl --dimension 2 --format json");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let report = ran.document();
    let faults = report["faults"].as_array().unwrap();
    for (number, (line, wanted)) in (1..).zip(&lines) {
        let of_line: Vec<_> = faults.iter().filter(|fault| fault["line"] == number).collect();
        let Some((path, code)) = wanted else {
            assert!(of_line.is_empty(), "{line}: {of_line:?}");
            continue;
        };
        let found = of_line.iter().any(|fault| fault["path"] == *path && fault["code"] == *code);
        assert!(found, "{line}: no {path} {code} among {of_line:?}");
        assert!(ran.stderr.contains(&format!("in.jsonl:{number}: {path}")), "{}", ran.stderr);
    }
    assert_eq!(place.json("memory count")["count"], 0);

    let skipping = place.run("memory import in.jsonl --dimension 2 --skip-invalid --format json");
    assert_eq!(skipping.code, 6, "{}", skipping.stderr);
    assert_eq!(skipping.document()["added"], 1);
    assert_eq!(place.json("memory count")["count"], 1);
}

#[test]
fn an_invalid_entry_by_hand_is_told_whole() {
    let place = Place::new();
    place.write("short.json", "[1, 2]");
    place.write("words.json", "[\"one\"]");
    place.done("memory add --content x --dimension 4");
    let error = place.fails("memory add --content x --embedding-file short.json", 4);
    assert_eq!(error["code"], "memstore.dimension_mismatch");
    let error = place.fails("memory add --content x --embedding-file words.json", 4);
    assert_eq!(error["code"], "cli.invalid_input");
    let error = place.fails("memory add --content x --tag a!b --significance 99", 4);
    assert_eq!(
        (&error["code"], &error["context"]["faults"]),
        (&json!("memstore.invalid_entry"), &json!(2))
    );
    assert_eq!(
        place.fails("memory search --embedding-file short.json", 4)["code"],
        "memstore.invalid_query"
    );
    assert_eq!(
        place.fails("memory add --content x --collection a", 2)["code"],
        "memstore.invalid_collection"
    );
    assert_eq!(
        place.fails("memory list --collection none", 3)["code"],
        "memstore.collection_not_found"
    );
    let stdin = place.run_with_stdin("memory add - --format json", r#"{"tags":[7]}"#);
    assert_eq!((stdin.code, &stdin.document()["code"]), (4, &json!("cli.invalid_input")));
    let twice = place.run_with_stdin("memory add - --content y", r#"{"content":"x"}"#);
    assert_eq!(twice.code, 2, "{}", twice.stderr);
    let missing = place.fails("memory add --content x --embedding-file none.json", 3);
    assert_eq!(missing["code"], "cli.no_such_path");
    place.write("picture.png", "no text");
    assert_eq!(place.fails("memory import picture.png", 4)["code"], "memstore.unsupported_file");
    assert_eq!(place.json("memory count")["count"], 1);
}
