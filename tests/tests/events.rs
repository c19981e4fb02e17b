//! The events of all crates, as one list: told as the table in lyra-log's
//! README says, in words that don't change.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// An event: target, message, level, fields.
type Row = (String, String, String, Vec<String>);

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

/// What the table lists.
fn documented() -> BTreeSet<Row> {
    let readme = fs::read_to_string(crates().join("lyra-log/README.md")).unwrap();
    let table = readme.split("| target | msg | level | fields |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let words = |cell: &str| -> Vec<String> {
            cell.split(", ").map(|word| word.trim_matches('`').into()).collect()
        };
        (words(cells[1])[0].clone(), cells[2].into(), cells[3].into(), words(cells[4]))
    };
    rows.map(row).collect()
}

/// What the sources tell: each crate does it in its `events.rs`, and nowhere
/// else.
fn told() -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for folder in fs::read_dir(crates()).unwrap() {
        let folder = folder.unwrap();
        let target = folder.file_name().into_string().unwrap().replace('-', "_");
        if matches!(&*target, "lyra_log" | "lyra_cli") {
            continue;
        }
        for file in sources(&folder.path().join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let events: Vec<Row> = macros(code).map(|event| row(&target, &event)).collect();
            let is_place = file.ends_with("src/events.rs");
            assert!(is_place || events.is_empty(), "{} tells events", file.display());
            assert!(!is_place || code.contains(&format!("TARGET: &str = \"{target}\"")));
            for event in events {
                assert!(rows.insert(event.clone()), "told twice: {event:?}");
            }
        }
    }
    rows
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    paths.flat_map(below).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// Level and arguments of each call of one of `tracing`'s macros.
fn macros(code: &str) -> impl Iterator<Item = (&'static str, Vec<String>)> {
    ["error", "warn", "info", "debug", "trace"].into_iter().flat_map(move |level| {
        let call = format!("{level}!(");
        let mut events = Vec::new();
        for (start, _) in code.match_indices(&call) {
            let is_whole = !code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if is_whole && !code[..start].rsplit('\n').next().unwrap().contains("//") {
                events.push((level, arguments(&code[start + call.len()..])));
            }
        }
        events
    })
}

/// The arguments up to the closing parenthesis.
fn arguments(code: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut found) = (0, false, vec![String::new()]);
    for c in code.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push(c);
    }
    found.into_iter().map(|argument| argument.trim().to_owned()).filter(|a| !a.is_empty()).collect()
}

fn row(target: &str, (level, arguments): &(&str, Vec<String>)) -> Row {
    let (message, fields) = arguments.split_last().unwrap();
    let (first, fields) = fields.split_first().unwrap();
    assert_eq!(first, "target: TARGET", "{target}: {message}");
    let name = |field: &String| {
        let name = field.split('=').next().unwrap_or_default().trim();
        name.trim_start_matches(['%', '?']).to_owned()
    };
    let message = message.trim_matches('"').to_owned();
    (target.into(), message, level.to_uppercase(), fields.iter().map(name).collect())
}

#[test]
fn every_event_is_in_the_table_and_no_other_is() {
    let (told, documented) = (told(), documented());
    let undocumented: Vec<_> = told.difference(&documented).collect();
    let untold: Vec<_> = documented.difference(&told).collect();
    assert!(undocumented.is_empty() && untold.is_empty(), "{undocumented:#?} {untold:#?}");
    assert!(told.len() > 40, "the sources are read: {}", told.len());
}

#[test]
fn no_field_has_a_name_that_a_line_keeps_for_itself() {
    // Those of the bunyan format too: it drops them.
    let kept = ["time", "level", "seq", "run", "target", "msg", "operation", "name", "pid", "v"];
    for (target, message, _, fields) in documented() {
        assert!(fields.iter().all(|field| !kept.contains(&&**field)), "{target}: {message}");
    }
}
