//! The codes of all crates, as one list: unique, documented, each expected by
//! a test.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use lyra_errors::Code;

/// The crates with the area of their codes.
const CRATES: [(&str, &[&str], &[Code]); 8] = [
    ("lyra-errors", &["errors", "host"], lyra_errors::CODES),
    ("lyra-memstore", &["memstore"], lyra_memstore::CODES),
    ("lyra-backup", &["backup"], lyra_backup::CODES),
    ("lyra-gpu", &["gpu"], lyra_gpu::CODES),
    ("lyra-ratelimit", &["ratelimit"], lyra_ratelimit::CODES),
    ("lyra-retry", &["retry"], lyra_retry::CODES),
    ("lyra-log", &["log"], lyra_log::CODES),
    ("lyra-sync", &["sync"], lyra_sync::CODES),
];

fn all() -> impl Iterator<Item = (&'static str, Code)> {
    CRATES.into_iter().flat_map(|(name, _, codes)| codes.iter().map(move |code| (name, *code)))
}

fn folder_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name)
}

#[test]
fn every_code_is_unique_and_in_the_area_of_its_crate() {
    let mut seen = HashSet::new();
    for (name, areas, codes) in CRATES {
        for code in codes {
            assert!(seen.insert(code.id()), "{code} comes twice");
            let area = code.id().split('.').next().unwrap();
            assert!(areas.contains(&area), "{code} is not in an area of {name}");
        }
    }
}

#[test]
fn every_crate_with_codes_is_in_the_list() {
    for folder in fs::read_dir(folder_of("")).unwrap() {
        let folder = folder.unwrap();
        let library = folder.path().join("src/lib.rs");
        let text = fs::read_to_string(library).unwrap_or_default();
        let name = folder.file_name().into_string().unwrap();
        if text.contains("CODES") {
            assert!(CRATES.iter().any(|(known, ..)| *known == name), "{name} has codes");
        }
    }
}

#[test]
fn every_hint_is_one_short_line() {
    for (name, code) in all() {
        let hint = code.hint();
        assert!(!hint.contains('\n') && hint.len() <= 120, "{name}: {code}: {hint}");
        assert!(!hint.ends_with('.'), "{name}: {code}: a hint is a phrase");
    }
}

#[test]
fn every_code_is_documented_in_the_table_of_its_crate() {
    for (name, code) in all() {
        let readme = fs::read_to_string(folder_of(name).join("README.md")).unwrap();
        let row = format!("| `{code}` |");
        assert!(readme.contains(&row), "{name}/README.md has no row for {code}");
    }
}

#[test]
fn every_code_is_expected_by_a_test() {
    let tests = test_sources();
    let expected = |code: Code| {
        let literal = format!("\"{code}\"");
        tests.iter().any(|text| text.contains(&literal))
    };
    let missing: Vec<_> = all().map(|(_, code)| code).filter(|code| !expected(*code)).collect();
    assert!(missing.is_empty(), "no test expects {missing:?}");
}

/// The test files of all crates, and what stands below `#[cfg(test)]` in
/// their sources.
fn test_sources() -> Vec<String> {
    let mut texts = Vec::new();
    for (name, ..) in CRATES {
        for file in rust_files(&folder_of(name).join("tests")) {
            texts.push(fs::read_to_string(file).unwrap());
        }
        for file in rust_files(&folder_of(name).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let is_test = file.components().any(|part| part.as_os_str() == "tests");
            match text.split_once("#[cfg(test)]") {
                _ if is_test => texts.push(text),
                Some((_, tests)) => texts.push(tests.to_owned()),
                None => {}
            }
        }
    }
    texts
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in fs::read_dir(folder).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
