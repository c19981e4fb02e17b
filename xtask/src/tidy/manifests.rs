//! What stands in the manifests, and beside them.

use super::Finding;
use crate::tree::{Package, Tree};

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "repository"];
const PUBLISHED_FILES: [&str; 2] = ["README.md", "CHANGELOG.md"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = dependency_table(tree);
    findings.extend(strangers(tree));
    for package in tree.packages() {
        findings.extend(package_table(package));
        findings.extend(files(tree, package));
        let uninherited =
            package.dependencies().into_iter().filter(|dependency| !dependency.is_inherited());
        findings.extend(uninherited.map(|dependency| {
            Finding::new(
                package.path("Cargo.toml"),
                format!(
                    "`{}` in [{}] says `workspace = true`; its version stands once, in the workspace's table",
                    dependency.key, dependency.section
                ),
            )
        }));
    }
    findings
}

fn package_table(package: &Package) -> Vec<Finding> {
    let path = package.path("Cargo.toml");
    let table = package.manifest.get("package");
    let key = |key: &str| table.and_then(|table| table.get(key));
    let inherits = |value: Option<&toml::Value>| {
        value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let mut findings = Vec::new();
    if key("description").and_then(toml::Value::as_str).is_none_or(str::is_empty) {
        findings
            .push(Finding::new(&path, "`description` says in one sentence what the crate is for"));
    }
    for name in INHERITED.into_iter().filter(|name| !inherits(key(name))) {
        findings.push(Finding::new(&path, format!("`{name}.workspace = true`")));
    }
    let lints = package.manifest.get("lints");
    if !inherits(lints)
        || lints.and_then(toml::Value::as_table).is_some_and(|lints| lints.len() > 1)
    {
        findings.push(Finding::new(&path, "`[lints] workspace = true`, and no lints beside it"));
    }
    let unpublished = key("publish").and_then(toml::Value::as_bool) == Some(false);
    match (package.is_published(), unpublished) {
        (true, true) => findings
            .push(Finding::new(&path, "crates/ holds what is published; move it below tests/")),
        (false, false) => findings
            .push(Finding::new(&path, "`publish = false`: only crates/ goes to the registry")),
        _ => {}
    }
    // The umbrella's plain name is taken on the registry.
    let expected = package
        .dir
        .strip_prefix("crates/")
        .map(|folder| if folder == "lyra" { "lyra-kit" } else { folder });
    if expected.is_some_and(|expected| expected != package.name) {
        findings.push(Finding::new(
            &path,
            format!("the package is called `{}`, its folder is not", package.name),
        ));
    }
    findings
}

fn files(tree: &Tree, package: &Package) -> Vec<Finding> {
    let wanted: &[&str] =
        if package.is_published() { &PUBLISHED_FILES } else { &PUBLISHED_FILES[..1] };
    let missing = wanted.iter().map(|file| package.path(file)).filter(|path| !tree.has(path));
    missing.map(|path| Finding::new(path, "is missing")).collect()
}

fn dependency_table(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, value) in tree.dependency_table() {
        if value.get("default-features").and_then(toml::Value::as_bool) != Some(false) {
            findings.push(Finding::new(
                "Cargo.toml",
                format!("`{key}` in [workspace.dependencies] says `default-features = false`; a member can't switch off what stays on here"),
            ));
        }
        let path = value.get("path").and_then(toml::Value::as_str);
        if path.is_some_and(|path| path.starts_with("crates/")) && value.get("version").is_none() {
            findings.push(Finding::new(
                "Cargo.toml",
                format!("`{key}` in [workspace.dependencies] has a version beside its path; what is published needs one"),
            ));
        }
    }
    findings
}

/// Packages that no gate would ever build.
fn strangers(tree: &Tree) -> Vec<Finding> {
    let workspaces: Vec<&str> = tree
        .texts()
        .filter(|(_, text)| text.lines().any(|line| line.trim() == "[workspace]"))
        .filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"))
        .collect();
    tree.texts()
        .filter(|(_, text)| text.lines().any(|line| line.trim() == "[package]"))
        .filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"))
        .filter(|dir| !tree.packages().iter().any(|package| package.dir == *dir))
        .filter(|dir| {
            !workspaces.iter().any(|other| dir == other || dir.starts_with(&format!("{other}/")))
        })
        .map(|dir| {
            Finding::new(
                format!("{dir}/Cargo.toml"),
                "is no member of the workspace, nor of one of its own",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    const MANIFEST: &str = "crates/lyra-retry/Cargo.toml";

    #[test]
    fn a_missing_description_or_inheritance_is_found() {
        let tree = good_tree();
        assert_finds(check, &tree.replace(MANIFEST, "What it is for.", ""), "description");
        for key in INHERITED {
            let line = format!("\n{key}.workspace = true\n");
            assert_finds(check, &tree.replace(MANIFEST, &line, "\n"), key);
        }
    }

    #[test]
    fn lints_are_inherited_and_nothing_else() {
        let tree = good_tree();
        assert_finds(check, &tree.replace(MANIFEST, "[lints]\nworkspace = true", ""), "[lints]");
        let own = "[lints]\nworkspace = true\nrust.unused = \"allow\"";
        assert_finds(check, &tree.replace(MANIFEST, "[lints]\nworkspace = true", own), "[lints]");
    }

    #[test]
    fn only_what_lies_in_crates_is_published() {
        let tree = good_tree();
        assert_finds(check, &tree.replace("tests/Cargo.toml", "publish = false\n", ""), "publish");
        let private =
            tree.replace(MANIFEST, "edition.workspace", "publish = false\nedition.workspace");
        assert_finds(check, &private, "move it below tests/");
    }

    #[test]
    fn a_package_is_called_like_its_folder() {
        let tree = good_tree().replace(MANIFEST, "name = \"lyra-retry\"", "name = \"lyra-again\"");
        assert_finds(check, &tree, "lyra-again");
    }

    #[test]
    fn a_missing_readme_or_changelog_is_found() {
        let tree = good_tree();
        assert_finds(check, &tree.without("crates/lyra-retry/README.md"), "README.md: is missing");
        assert_finds(
            check,
            &tree.without("crates/lyra-retry/CHANGELOG.md"),
            "CHANGELOG.md: is missing",
        );
        assert_finds(check, &tree.without("xtask/README.md"), "xtask/README.md: is missing");
    }

    #[test]
    fn a_version_beside_a_dependency_is_found() {
        let from = "lyra-errors = { workspace = true }";
        let tree = good_tree().replace(MANIFEST, from, "lyra-errors = \"0.1\"");
        assert_finds(check, &tree, "`lyra-errors` in [dependencies]");
    }

    #[test]
    fn the_table_switches_default_features_off_and_gives_versions() {
        let tree = good_tree();
        let on = tree.replace(
            "Cargo.toml",
            "version = \"1\", default-features = false",
            "version = \"1\"",
        );
        assert_finds(check, &on, "`serde`");
        let unversioned = tree.replace("Cargo.toml", "version = \"0.1.0\", ", "");
        assert_finds(check, &unversioned, "a version beside its path");
    }

    #[test]
    fn a_package_outside_the_workspace_is_found_unless_it_is_one_itself() {
        let tree = good_tree();
        let stranger = tree.with("tests/fake/Cargo.toml", "[package]\nname = \"fake\"\n");
        assert_finds(check, &stranger, "tests/fake/Cargo.toml: is no member");
        let peers = tree
            .with("tests/peers/Cargo.toml", "[workspace]\n[package]\nname = \"peers\"\n")
            .with("tests/peers/one/Cargo.toml", "[package]\nname = \"one\"\n");
        assert!(check(&peers).is_empty());
    }
}
