//! Which crate may depend on which: `lyra-errors` below every other crate,
//! below the umbrella `lyra-kit`, below `lyra-cli` and the tests.

use super::Finding;
use crate::tree::{Package, Tree};

/// Siblings don't know each other, but for arrows that were argued: the
/// memory store's HTTP clients retry, and by this retrier alone.
const SIBLING_ARROWS: [(&str, &str); 1] = [("lyra-memstore", "lyra-retry")];

/// Everybody pays for what `lyra-errors` depends on.
const CORE: &str = "lyra-errors";
const CORE_DEPENDENCIES: [&str; 3] = ["snafu", "serde", "serde_json"];
const CORE_OPTIONAL: [&str; 1] = ["metrics"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Core,
    Sibling,
    Umbrella,
    Command,
    Tests,
    /// Stands apart: the gate must build where a crate does not.
    Gate,
}

fn layer(package: &Package) -> Layer {
    match package.name.as_str() {
        "xtask" => Layer::Gate,
        _ if package.is_test_only() => Layer::Tests,
        CORE => Layer::Core,
        "lyra-kit" => Layer::Umbrella,
        "lyra-cli" => Layer::Command,
        _ => Layer::Sibling,
    }
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.packages() {
        // Dependencies of tests count too: a test that spans crates lives in
        // tests/, where no crate is seen twice.
        for dependency in package.dependencies() {
            let Some(below) = tree.package(tree.package_of(dependency.key)) else {
                continue;
            };
            let is_fake = dependency.section == "dev-dependencies"
                && layer(package) != Layer::Gate
                && is_fake(tree, below);
            if !is_allowed(package, below) && !is_fake {
                findings.push(Finding::new(
                    package.path("Cargo.toml"),
                    format!("must not depend on `{}` ([{}]): the arrows go lyra-errors <- crates <- lyra-kit <- lyra-cli, tests", below.name, dependency.section),
                ));
            }
        }
    }
    findings.extend(tree.package(CORE).map(core).unwrap_or_default());
    findings
}

fn is_allowed(from: &Package, to: &Package) -> bool {
    match (layer(from), layer(to)) {
        (Layer::Gate, _) | (_, Layer::Gate) => false,
        (Layer::Tests, Layer::Tests) => true,
        (above, below) if above > below => true,
        _ => SIBLING_ARROWS.contains(&(from.name.as_str(), to.name.as_str())),
    }
}

/// What stands in for something outside, such as a driver. It knows none of
/// our crates, so a crate's own tests may use it: none is seen twice.
fn is_fake(tree: &Tree, package: &Package) -> bool {
    let dependencies = package.dependencies();
    package.is_test_only()
        && !dependencies.iter().any(|below| tree.package(tree.package_of(below.key)).is_some())
}

fn core(package: &Package) -> Vec<Finding> {
    let dependencies = package.dependencies();
    let normal =
        || dependencies.iter().filter(|dependency| dependency.section != "dev-dependencies");
    let extra = normal().filter(|dependency| {
        let allowed: &[&str] =
            if dependency.is_optional() { &CORE_OPTIONAL } else { &CORE_DEPENDENCIES };
        !allowed.contains(&dependency.key)
    });
    let missing = CORE_DEPENDENCIES
        .into_iter()
        .filter(|name| !normal().any(|dependency| dependency.key == *name));
    extra
        .map(|dependency| dependency.key)
        .chain(missing)
        .map(|name| {
            let rule = "depends on exactly snafu, serde and serde_json, and optionally on metrics";
            Finding::new(package.path("Cargo.toml"), format!("{rule}; look at `{name}`"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    fn with_arrow(from: &str, section: &str, to: &str) -> Tree {
        let path = format!("{from}/Cargo.toml");
        let tree = good_tree();
        let text = tree.text(&path).unwrap();
        let header = format!("[{section}]\n");
        let arrow = format!("{header}{to}.workspace = true\n");
        let text = if text.contains(&header) {
            text.replace(&header, &arrow)
        } else {
            format!("{text}{arrow}")
        };
        tree.with(&path, &text)
    }

    #[test]
    fn arrows_against_the_direction_are_found_in_every_section() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            assert_finds(
                check,
                &with_arrow("crates/lyra-retry", section, "lyra-memstore"),
                "`lyra-memstore`",
            );
            assert_finds(
                check,
                &with_arrow("crates/lyra-retry", section, "lyra-kit"),
                "`lyra-kit`",
            );
            assert_finds(check, &with_arrow("crates/lyra", section, "lyra-cli"), "`lyra-cli`");
            assert_finds(
                check,
                &with_arrow("crates/lyra-cli", section, "lyra-tests"),
                "`lyra-tests`",
            );
            assert_finds(check, &with_arrow("crates/lyra-cli", section, "xtask"), "`xtask`");
            assert_finds(check, &with_arrow("xtask", section, "lyra-errors"), "`lyra-errors`");
        }
    }

    #[test]
    fn an_arrow_behind_another_name_is_found() {
        let table = "[workspace.dependencies]\nlyra = { package = \"lyra-kit\", path = \"crates/lyra\", version = \"0.1.0\", default-features = false }\n";
        let tree = with_arrow("crates/lyra-retry", "dependencies", "lyra").replace(
            "Cargo.toml",
            "[workspace.dependencies]\n",
            table,
        );
        assert_finds(check, &tree, "`lyra-kit`");
    }

    #[test]
    fn arrows_down_are_fine() {
        assert!(check(&with_arrow("tests", "dependencies", "lyra-retry")).is_empty());
        assert!(check(&with_arrow("crates/lyra-cli", "dependencies", "lyra-retry")).is_empty());
    }

    #[test]
    fn the_tests_of_a_crate_may_use_a_fake_that_knows_no_crate() {
        let members = "members = [\"crates/*\", \"tests\", \"xtask\"]";
        let more = "members = [\"crates/*\", \"tests\", \"tests/fake\", \"xtask\"]";
        let using = |section: &str, fake: &str| {
            with_arrow("crates/lyra-retry", section, "lyra-fake")
                .with("tests/fake/Cargo.toml", fake)
                .replace("Cargo.toml", members, more)
        };
        let fake = "package.name = \"lyra-fake\"\n";
        assert!(check(&using("dev-dependencies", fake)).is_empty());
        assert_finds(check, &using("dependencies", fake), "`lyra-fake`");
        let knowing = format!("{fake}[dependencies]\nlyra-errors.workspace = true\n");
        assert_finds(check, &using("dev-dependencies", &knowing), "`lyra-fake`");
    }

    #[test]
    fn the_core_depends_on_three_packages() {
        assert_finds(check, &with_arrow("crates/lyra-errors", "dependencies", "tokio"), "`tokio`");
        assert!(
            check(&with_arrow("crates/lyra-errors", "dev-dependencies", "proptest")).is_empty()
        );
        let path = "crates/lyra-errors/Cargo.toml";
        let tree = good_tree();
        assert_finds(check, &tree.replace(path, "snafu = { workspace = true }\n", ""), "`snafu`");
        assert_finds(
            check,
            &tree.replace(
                path,
                "metrics = { workspace = true, optional = true }",
                "metrics = { workspace = true }",
            ),
            "`metrics`",
        );
    }
}
