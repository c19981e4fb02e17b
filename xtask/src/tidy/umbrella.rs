//! The umbrella: a feature, a re-export and a folder for each crate below it,
//! under one name, and nothing more.

use std::collections::BTreeSet;

use super::Finding;
use crate::tree::{Package, Tree};

const FOLDER: &str = "crates/lyra";
const LINES: usize = 100;
/// Features that stand for no crate.
const COLLECTIVE: [&str; 3] = ["default", "full", "metrics"];
/// Left out of `full`: the package behind it is no longer maintained.
const NOT_IN_FULL: [&str; 3] = ["retry-backoff", "sync-lock-order", "sync-operation"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(umbrella) = tree.packages().iter().find(|package| package.dir == FOLDER) else {
        return Vec::new();
    };
    let lib = umbrella.path("src/lib.rs");
    let text = tree.text(&lib).unwrap_or_default();
    let modules = modules(tree);
    let mut findings = features(umbrella, &modules);
    findings.extend(metrics(umbrella, tree));
    findings.extend(re_exports(&lib, text, &modules));
    let lines = text.lines().count();
    if lines >= LINES {
        findings.push(Finding::new(
            &lib,
            format!(
                "{lines} lines; the umbrella re-exports, in fewer than {LINES}, and has no logic"
            ),
        ));
    }
    findings
}

/// The crates that the umbrella offers, by the ending of their folder's name.
fn modules(tree: &Tree) -> BTreeSet<&str> {
    tree.packages()
        .iter()
        .filter_map(|package| package.dir.strip_prefix("crates/lyra-"))
        .filter(|module| !["errors", "cli"].contains(module))
        .collect()
}

fn features(umbrella: &Package, modules: &BTreeSet<&str>) -> Vec<Finding> {
    let manifest = umbrella.path("Cargo.toml");
    let features: Vec<(&str, Vec<&str>)> = umbrella.features().collect();
    let enabled = |name: &str| {
        features.iter().find(|(feature, _)| *feature == name).map(|(_, enabled)| enabled)
    };
    let mut findings = Vec::new();
    for module in modules {
        let dependency = format!("dep:lyra-{module}");
        if !enabled(module).is_some_and(|enabled| enabled.contains(&dependency.as_str())) {
            findings.push(Finding::new(&manifest, format!("the folder lyra-{module} asks for `{module} = [\"{dependency}\"]` in [features]")));
        }
    }
    for (name, _) in &features {
        let stands_for_a_crate = modules.contains(name)
            || modules
                .iter()
                .any(|module| name.strip_prefix(module).is_some_and(|rest| rest.starts_with('-')));
        if !stands_for_a_crate && !COLLECTIVE.contains(name) {
            findings.push(Finding::new(&manifest, format!("the feature `{name}` stands for no crate: there is no folder crates/lyra-{name}")));
        }
    }
    if enabled("default").is_none_or(|enabled| !enabled.is_empty()) {
        findings.push(Finding::new(
            &manifest,
            "`default = []`: whoever takes the umbrella names what they want",
        ));
    }
    let full = closure("full", &features);
    for (name, _) in &features {
        if !full.contains(name) && *name != "default" && !NOT_IN_FULL.contains(name) {
            findings.push(Finding::new(&manifest, format!("`full` lacks `{name}`")));
        }
    }
    findings
}

/// `metrics` is one feature for all crates: it switches on those of each crate
/// that somebody takes, and takes none by itself.
fn metrics(umbrella: &Package, tree: &Tree) -> Vec<Finding> {
    let manifest = umbrella.path("Cargo.toml");
    let forwarded: Vec<&str> = umbrella
        .features()
        .filter(|(name, _)| *name == "metrics")
        .flat_map(|(_, enabled)| enabled)
        .collect();
    let counting = tree.packages().iter().filter(|package| {
        package.dir.starts_with("crates/lyra-")
            && umbrella.dependencies().iter().any(|dependency| dependency.key == package.name)
            && package.features().any(|(name, _)| name == "metrics")
    });
    let mut findings = Vec::new();
    for package in counting {
        // The core is no choice, so it needs no question mark.
        let weak = format!("{}?/metrics", package.name);
        let wanted = if package.name == "lyra-errors" { weak.replace('?', "") } else { weak };
        if !forwarded.contains(&wanted.as_str()) {
            findings.push(Finding::new(&manifest, format!("`metrics` lacks `{wanted}`")));
        }
    }
    let strong =
        forwarded.iter().filter(|entry| !entry.contains("?/") && **entry != "lyra-errors/metrics");
    findings.extend(strong.map(|entry| {
        Finding::new(&manifest, format!("`{entry}` would bring the crate with it: a `?` before the slash asks only where it is there"))
    }));
    findings
}

/// A feature with all that it enables in turn.
fn closure<'a>(name: &'a str, features: &[(&'a str, Vec<&'a str>)]) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            let enabled = features.iter().find(|(feature, _)| *feature == name);
            open.extend(enabled.into_iter().flat_map(|(_, enabled)| enabled));
        }
    }
    reached
}

fn re_exports(lib: &str, text: &str, modules: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let mut feature = None;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(name) =
            line.strip_prefix("#[cfg(feature = \"").and_then(|rest| rest.strip_suffix("\")]"))
        {
            feature = Some(name);
            continue;
        }
        if line.starts_with("#[") || line.starts_with("//") {
            continue;
        }
        let gate = feature.take();
        let re_export = line
            .strip_prefix("pub use lyra_")
            .and_then(|rest| rest.strip_suffix(';')?.split_once(" as "));
        let Some((krate, module)) = re_export else {
            continue;
        };
        seen.insert(module);
        if krate != module {
            findings.push(Finding::at_line(
                lib,
                index,
                format!("`lyra_{krate}` is the module `{krate}`, not `{module}`"),
            ));
        } else if module == "errors" {
            // Every crate shares it, so it is always there.
            continue;
        } else if !modules.contains(module) {
            findings.push(Finding::at_line(
                lib,
                index,
                format!("there is no folder crates/lyra-{module}"),
            ));
        } else if gate != Some(module) {
            findings.push(Finding::at_line(
                lib,
                index,
                format!("`#[cfg(feature = \"{module}\")]` stands above it"),
            ));
        }
    }
    let missing = modules.iter().filter(|module| !seen.contains(*module));
    findings.extend(missing.map(|module| {
        Finding::new(lib, format!("`pub use lyra_{module} as {module};` is missing"))
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    const MANIFEST: &str = "crates/lyra/Cargo.toml";
    const LIB: &str = "crates/lyra/src/lib.rs";

    #[test]
    fn a_folder_without_its_feature_or_re_export_is_found() {
        let tree = good_tree();
        assert_finds(check, &tree.replace(MANIFEST, "\"dep:lyra-retry\"", ""), "dep:lyra-retry");
        assert_finds(check, &tree.replace(LIB, "pub use lyra_retry as retry;\n", ""), "is missing");
    }

    #[test]
    fn a_feature_or_re_export_without_its_folder_is_found() {
        let tree = good_tree();
        let feature = tree.replace(MANIFEST, "default = []", "default = []\nlog = []").replace(
            MANIFEST,
            "full = [",
            "full = [\"log\", ",
        );
        assert_finds(check, &feature, "stands for no crate");
        let text = format!(
            "{}#[cfg(feature = \"log\")]\npub use lyra_log as log;\n",
            tree.text(LIB).unwrap()
        );
        assert_finds(check, &tree.with(LIB, &text), "no folder crates/lyra-log");
    }

    #[test]
    fn a_re_export_has_its_crates_name_and_its_own_gate() {
        let tree = good_tree();
        let renamed = tree.replace(LIB, "lyra_retry as retry", "lyra_retry as again");
        assert!(check(&renamed).iter().any(|finding| finding.to_string().contains("not `again`")));
        let open = tree.replace(LIB, "#[cfg(feature = \"retry\")]\n", "");
        assert_finds(check, &open, "stands above it");
    }

    /// The good tree, with metrics in one crate and in the umbrella.
    fn with_metrics(forwarded: &str) -> Tree {
        let lacking = good_tree().replace(
            "crates/lyra-retry/Cargo.toml",
            "[dependencies]",
            "[features]\nmetrics = [\"lyra-errors/metrics\"]\n[dependencies]",
        );
        let feature = format!("default = []\nmetrics = [{forwarded}]");
        lacking.replace(MANIFEST, "default = []", &feature).replace(
            MANIFEST,
            "full = [",
            "full = [\"metrics\", ",
        )
    }

    #[test]
    fn metrics_of_a_crate_are_metrics_of_the_umbrella() {
        assert!(check(&with_metrics("\"lyra-retry?/metrics\"")).is_empty());
        assert_finds(check, &with_metrics(""), "`metrics` lacks `lyra-retry?/metrics`");
        let tree = with_metrics("\"lyra-retry?/metrics\"");
        assert_finds(check, &tree.replace(MANIFEST, "\"metrics\", ", ""), "`full` lacks `metrics`");
    }

    #[test]
    fn metrics_bring_no_crate_with_them() {
        let strong = with_metrics("\"lyra-retry?/metrics\", \"lyra-memstore/metrics\"");
        assert_finds(check, &strong, "`lyra-memstore/metrics` would bring the crate with it");
        let named = with_metrics("\"lyra-retry?/metrics\", \"retry\"");
        assert_finds(check, &named, "`retry` would bring the crate with it");
        // Always there.
        let core = with_metrics("\"lyra-retry?/metrics\", \"lyra-errors/metrics\"");
        assert!(check(&core).is_empty());
    }

    #[test]
    fn full_holds_all_and_default_nothing() {
        let tree = good_tree();
        assert_finds(
            check,
            &tree.replace(MANIFEST, ", \"memstore-chroma\"]", "]"),
            "`full` lacks `memstore-chroma`",
        );
        assert_finds(
            check,
            &tree.replace(MANIFEST, "default = []", "default = [\"retry\"]"),
            "`default = []`",
        );
    }

    #[test]
    fn an_umbrella_that_grows_is_found() {
        let tree = good_tree();
        let text = format!("{}{}", tree.text(LIB).unwrap(), "//\n".repeat(100));
        assert_finds(check, &tree.with(LIB, &text), "has no logic");
    }
}
