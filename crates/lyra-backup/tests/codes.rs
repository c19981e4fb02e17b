//! Every code is documented with its hint, and raised by a test.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lyra_backup::CODES;

#[test]
fn the_readme_lists_every_code_with_its_hint() {
    let readme = include_str!("../README.md");
    let rows: BTreeSet<&str> = readme.lines().filter(|l| l.starts_with("| `backup.")).collect();
    assert_eq!(rows.len(), CODES.len());
    for code in CODES {
        let found = rows.iter().any(|row| {
            row.starts_with(&format!("| `{}` |", code.id()))
                && row.ends_with(&format!("| {} |", code.hint()))
        });
        assert!(found, "{} with the hint {:?}", code.id(), code.hint());
    }
}

#[test]
fn every_code_is_raised_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let text: String = fs::read_dir(tests)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for code in CODES {
        assert!(text.contains(&format!("\"{}\"", code.id())), "{} is raised by no test", code.id());
    }
}
