//! The metrics of all crates, as one list: named alike, unique, documented.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use lyra_errors::Metric;

/// The crates with their tables.
const CRATES: [(&str, &[Metric]); 6] = [
    ("lyra-gpu", lyra_gpu::METRICS),
    ("lyra-ratelimit", lyra_ratelimit::METRICS),
    ("lyra-retry", lyra_retry::METRICS),
    ("lyra-log", lyra_log::METRICS),
    ("lyra-memstore", lyra_memstore::METRICS),
    ("lyra-sync", lyra_sync::METRICS),
];

fn all() -> impl Iterator<Item = (&'static str, Metric)> {
    CRATES.into_iter().flat_map(|(name, table)| table.iter().map(move |metric| (name, *metric)))
}

fn folder_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name)
}

#[test]
fn every_crate_with_metrics_is_in_the_list() {
    for folder in fs::read_dir(folder_of("")).unwrap() {
        let folder = folder.unwrap();
        let library = fs::read_to_string(folder.path().join("src/lib.rs")).unwrap_or_default();
        let name = folder.file_name().into_string().unwrap();
        if library.contains("METRICS") {
            assert!(CRATES.iter().any(|(known, _)| *known == name), "{name} has metrics");
        }
    }
}

#[test]
fn every_metric_is_unique_and_in_the_area_of_its_crate() {
    let mut seen = HashSet::new();
    for (name, metric) in all() {
        let area = format!("{}_", name.replace('-', "_"));
        assert!(metric.name().starts_with(&area), "{}: not {area}…", metric.name());
        assert!(seen.insert(metric.name()), "{} comes twice", metric.name());
    }
}

#[test]
fn every_metric_is_documented_in_the_table_of_its_crate_with_its_kind_and_labels() {
    for (name, metric) in all() {
        let readme = fs::read_to_string(folder_of(name).join("README.md")).unwrap();
        let labels: Vec<_> =
            metric.labels().iter().map(|(label, _)| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        let row = format!("| `{}` | {} | {labels}", metric.name(), metric.kind());
        assert!(readme.contains(&row), "{name}/README.md has no row {row}");
    }
}

#[test]
fn a_help_text_is_a_short_phrase() {
    for (_, metric) in all() {
        let help = metric.help();
        assert!(help.len() <= 120 && !help.ends_with('.'), "{}: {help}", metric.name());
    }
}
