//! What is put into a store by hand comes out as it went in.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use serde_json::{Value, json};
use support::Place;

const ENTRY: &str = r#"{"id":"dream-1","kind":"journal","content":"We sat by the river until dark.",
    "summary":"An evening by the river","tags":["river","evening"],"significance":7,
    "metadata":{"user_id":"123","year":2026,"mood":0.5,"shared":true}}"#;

/// A store with three entries.
fn filled() -> Place {
    let place = Place::new();
    let added = place.run_with_stdin("memory add - --format json", ENTRY);
    assert_eq!(added.code, 0, "{}", added.stderr);
    assert_eq!(added.document(), json!({ "collection": "journal", "ids": ["dream-1"] }));
    place.done("memory add --id fact-1 --content Stones --kind fact --tag stone --meta year=1849");
    place.done("memory add --id fact-2 --content Rivers --kind fact --tag river --meta year=2001");
    place
}

fn ids(list: &Value) -> Vec<&str> {
    let entries = list["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["id"].as_str().unwrap()).collect()
}

#[test]
fn an_entry_comes_out_as_it_went_in() {
    let place = filled();
    let got = place.json("memory get dream-1");
    let entry: Value = serde_json::from_str(ENTRY).unwrap();
    assert_eq!(got["entries"], json!([entry]));
    let with_vector = place.json("memory get dream-1 --embeddings");
    assert_eq!(with_vector["entries"][0]["embedding"].as_array().unwrap().len(), 384);
    assert_eq!(with_vector["entries"][0]["embedder"], "lyra-lexical-v1:384");
    let human = place.done("memory get dream-1").stdout;
    assert!(human.contains("We sat by the river until dark."), "{human}");
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let place = filled();
    place.done("memory update dream-1 --significance 9 --meta year=2027 --without-meta shared");
    let entry = &place.json("memory get dream-1")["entries"][0];
    assert_eq!(entry["significance"], 9);
    assert_eq!(entry["metadata"], json!({ "user_id": "123", "year": 2027, "mood": 0.5 }));
    assert_eq!(entry["content"], "We sat by the river until dark.");
    assert_eq!(place.fails("memory update dream-1", 2)["code"], "cli.usage");
    assert_eq!(
        place.fails("memory update nobody --significance 1", 3)["code"],
        "memstore.not_found"
    );
}

#[test]
fn a_delete_is_all_or_nothing() {
    let place = filled();
    assert_eq!(place.fails("memory delete fact-1 nobody", 3)["code"], "memstore.not_found");
    assert_eq!(place.json("memory count")["count"], 3);
    assert_eq!(place.json("memory delete fact-1 dream-1")["deleted"], json!(["fact-1", "dream-1"]));
    assert_eq!(ids(&place.json("memory list")), ["fact-2"]);
    assert_eq!(place.fails("memory get fact-1 fact-2", 3)["code"], "cli.no_such_entry");
}

#[test]
fn filters_and_pages_choose_entries() {
    let place = filled();
    for (arguments, wanted) in [
        ("", vec!["dream-1", "fact-1", "fact-2"]),
        ("--where year>=2001", vec!["dream-1", "fact-2"]),
        ("--where year>=2001 --of-kind fact", vec!["fact-2"]),
        ("--with-tag river", vec!["dream-1", "fact-2"]),
        ("--contains river", vec!["dream-1"]),
        ("--limit 1 --offset 1", vec!["fact-1"]),
    ] {
        assert_eq!(ids(&place.json(&format!("memory list {arguments}"))), wanted, "{arguments}");
    }
    assert_eq!(place.json("memory list --limit 1")["total"], 3);
    assert_eq!(place.json("memory count --with-tag river")["count"], 2);
    assert_eq!(place.done("memory count --with-tag river").stdout, "2\n");
    assert_eq!(place.fails("memory list --where year", 2)["code"], "memstore.invalid_filter");
}

#[test]
fn a_search_finds_the_nearest_first() {
    let place = filled();
    let hits = place.json("memory search river -n 2");
    assert_eq!(hits["hits"][0]["entry"]["id"], "dream-1", "{hits}");
    assert_eq!(hits["hits"].as_array().unwrap().len(), 2);
    let near = hits["hits"][0]["similarity"].as_f64().unwrap();
    assert!(near > hits["hits"][1]["similarity"].as_f64().unwrap(), "{hits}");
    let vector =
        place.json("memory get fact-1 --embeddings")["entries"][0]["embedding"].to_string();
    place.write("vector.json", vector);
    let same = place.json("memory search --embedding-file vector.json -n 1");
    assert_eq!(same["hits"][0]["entry"]["id"], "fact-1");
}

#[test]
fn what_is_exported_is_imported_identical() {
    let place = filled();
    place.json("memory export --output out.jsonl");
    let lines = std::fs::read_to_string(place.join("out.jsonl")).unwrap();
    assert_eq!(place.done("memory export").stdout, lines);
    place.write("array.json", place.done("memory export --format json").stdout);
    for file in ["out.jsonl", "array.json"] {
        let (copy, again) = (format!("copy-of-{file}"), format!("memory import {file} --store"));
        assert_eq!(place.json(&format!("{again} {copy}"))["added"], 3);
        assert_eq!(place.done(&format!("memory export --store {copy}")).stdout, lines);
        let identical = place.json(&format!("{again} {copy}"));
        assert_eq!((&identical["added"], &identical["identical"]), (&json!(0), &json!(3)));
    }
    let exists = place.fails("memory export --output out.jsonl", 5);
    assert_eq!(exists["code"], "cli.file_exists");
    assert_eq!(std::fs::read_to_string(place.join("out.jsonl")).unwrap(), lines);
    place.fails("memory export --output nowhere/out.jsonl", 1);
    assert!(place.names(".").iter().all(|name| !name.starts_with('.')), "{:?}", place.names("."));
}

#[test]
fn a_different_entry_under_the_same_id_is_reported_and_not_written() {
    let place = filled();
    let line = |content: &str| {
        format!("{}\n", json!({ "id": "fact-1", "kind": "fact", "content": content }))
    };
    place.write("in.jsonl", line("Other stones"));
    let ran = place.run("memory import in.jsonl --format json");
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert_eq!(ran.document()["conflicts"][0]["id"], "fact-1");
    assert!(ran.stderr.contains("in.jsonl:1: fact-1"), "{}", ran.stderr);
    assert_eq!(place.json("memory get fact-1")["entries"][0]["content"], "Stones");
}

#[test]
fn folders_of_markdown_and_text_are_imported_twice_to_the_same_end() {
    let place = Place::new();
    place.write("notes/a.md", "# A\n\nOne.\n\n# B\n\nTwo.\n");
    place.write("notes/deep/c.txt", "Three.\n");
    place.write("notes/picture.png", "no text");
    let first = place.json("memory import notes --collection notes");
    assert_eq!(
        (&first["added"], &first["files"], &first["ignored_files"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let second = place.json("memory import notes --collection notes");
    assert_eq!(
        (&second["added"], &second["identical"], &second["total"]),
        (&json!(0), &json!(3), &json!(3))
    );
}

#[test]
fn a_new_collection_is_made_as_it_was_asked_for() {
    let place = Place::new();
    place.write("v.json", "[0.5, -0.25, 4.0]");
    place.done("memory add --content a --dimension 3 --metric l2 --embedding-file v.json");
    let stats = place.json("memory stats");
    assert_eq!(stats["collections"][0]["space"]["metric"], "l2");
    assert_eq!(stats["collections"][0]["space"]["dimension"], 3);
    let entry = &place.json("memory list --embeddings")["entries"][0];
    assert_eq!(entry["embedding"], json!([0.5, -0.25, 4.0]));
    // Without a vector nobody could make one.
    let error = place.fails("memory add --content b", 4);
    assert!(error.to_string().contains("no embedder"), "{error}");
    let mismatch = place.fails("memory add --content b --dimension 4", 5);
    assert_eq!(mismatch["code"], "memstore.space_mismatch");
    assert_eq!(
        place.fails("memory add --content b --metric l2 --embedder lexical", 2)["code"],
        "cli.usage"
    );
}

#[test]
fn words_count_where_it_is_asked_for_and_a_store_is_kept_in_shape() {
    let place = Place::new();
    for content in ["the-Elbe-is-wide", "a-day-in-spring", "nothing-at-all"] {
        place.done(&format!("memory add --kind fact --content {content}"));
    }
    let found = place.json("memory search Elbe --hybrid -n 1");
    assert_eq!(found["hits"][0]["entry"]["content"], "the-Elbe-is-wide");
    assert!(found["hits"][0]["score"].as_f64().unwrap() > 0.03, "first by both: {found}");
    let found = place.json("memory search spring --hybrid=Elbe -n 3");
    assert_eq!(found["hits"].as_array().unwrap().len(), 3);
    assert!(place.json("memory search Elbe")["hits"][0].get("score").is_none());
    assert_eq!(place.json("memory reindex")["entries"], 3);
    assert!(place.json("memory compact")["bytes_after"].as_u64().unwrap() > 0);
    place.done("memory check");
    assert_eq!(place.fails("memory reindex --store nowhere", 3)["code"], "memstore.no_store");
}
