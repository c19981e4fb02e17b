//! The first thing a newcomer types.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::path::Path;

use support::{Place, Ran, command_in};

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
    let steps =
        ["import", "commit", "roll back", "search", "backup", "validate", "restore", "compare"];
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
    assert_eq!(steps.len(), 8);
    assert!(steps.iter().all(|step| step["seconds"].is_f64()), "{tour}");
    assert_eq!(steps[0]["counts"]["entries"], 2);
    assert_eq!(steps[0]["counts"]["files"], 1);
    let compare = &steps[7]["counts"];
    assert_eq!(compare["equal"], compare["expected"]);
    assert!(compare["equal"].as_u64().unwrap() >= 4, "{tour}");
    assert_eq!(place.names("."), ["texts"]);
    assert_eq!(place.names("texts"), ["one.md"]);
}

#[test]
fn what_the_tour_keeps_can_be_used_by_hand() {
    let place = Place::new();
    place.write("texts/one.md", "# One\n\nA text about rivers.\n");
    place.done("tour --from texts --keep kept");
    assert_eq!(place.names("kept"), ["backups", "memory", "restored"]);
    let entries = place.json("memory count --store kept/memory")["count"].as_u64().unwrap();
    assert!(entries > 2, "{entries}");
    place.done("memory check --store kept/restored");
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
