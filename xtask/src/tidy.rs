//! The house rules, each a function from the tree to what breaks it.

mod budget;
mod direction;
mod hygiene;
mod layout;
mod manifests;
mod promises;
mod readme;
mod rust_text;
mod sources;
mod test_code;
mod umbrella;

use std::fmt;

use crate::tree::Tree;

/// One place that breaks a rule, and what the rule wants there.
#[derive(Debug)]
pub(crate) struct Finding {
    place: String,
    what: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    /// `index` counts lines from 0, as iterators do; people count from 1.
    fn at_line(path: &str, index: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{}", index + 1), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

pub(crate) type Rule = fn(&Tree) -> Vec<Finding>;

/// All rules that need nothing but the tree.
pub(crate) const RULES: [Rule; 10] = [
    layout::check,
    manifests::check,
    direction::check,
    umbrella::check,
    readme::check,
    sources::check,
    test_code::check,
    hygiene::check,
    promises::check,
    budget::check,
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

/// A small workspace that breaks no rule; the tests of the rules each break it
/// in one place.
#[cfg(test)]
fn good_tree() -> Tree {
    const INHERITED: &str = "version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\nrepository.workspace = true\n";
    const LINTS: &str = "[lints]\nworkspace = true\n";
    let manifest = |name: &str, more: &str, rest: &str| {
        format!(
            "[package]\nname = \"{name}\"\ndescription = \"What it is for.\"\n{INHERITED}{more}{rest}\n{LINTS}"
        )
    };
    let library = "#![doc = include_str!(\"../README.md\")]\n#![forbid(unsafe_code)]\n";
    let errors = "[dependencies]\nsnafu = { workspace = true }\nserde = { workspace = true }\nserde_json = { workspace = true }\nmetrics = { workspace = true, optional = true }\n";
    let user = "[dependencies]\nlyra-errors = { workspace = true }\n";
    let umbrella = "[lib]\nname = \"lyra\"\n[features]\ndefault = []\nfull = [\"retry\", \"memstore\", \"memstore-chroma\"]\nretry = [\"dep:lyra-retry\"]\nmemstore = [\"dep:lyra-memstore\"]\nmemstore-chroma = [\"memstore\", \"lyra-memstore/chroma\"]\nretry-backoff = [\"retry\"]\n[dependencies]\nlyra-errors = { workspace = true }\nlyra-retry = { workspace = true, optional = true }\nlyra-memstore = { workspace = true, optional = true }\n";
    let mut texts: Vec<(String, String)> = vec![
        (
            "Cargo.toml".into(),
            "[workspace]\nmembers = [\"crates/*\", \"tests\", \"xtask\"]\n[workspace.dependencies]\n\
             lyra-errors = { path = \"crates/lyra-errors\", version = \"0.1.0\", default-features = false }\n\
             serde = { version = \"1\", default-features = false }\n"
                .into(),
        ),
        ("Cargo.lock".into(), String::new()),
        ("LICENSE-MIT".into(), String::new()),
        (".gitignore".into(), "/target\n".into()),
        (
            "README.md".into(),
            "| I need to | crate |\n|---|---|\n| say what failed | `lyra-errors` |\n| try again | [`lyra-retry`](crates/lyra-retry) |\n| remember | `lyra-memstore` |\n| all of it | `lyra-kit` |\n| a command | `lyra-cli` |\n"
                .into(),
        ),
        ("crates/lyra-errors/Cargo.toml".into(), manifest("lyra-errors", "", errors)),
        ("crates/lyra-retry/Cargo.toml".into(), manifest("lyra-retry", "", user)),
        (
            "crates/lyra-memstore/Cargo.toml".into(),
            manifest("lyra-memstore", "", &format!("{user}lyra-retry = {{ workspace = true, optional = true }}\n")),
        ),
        ("crates/lyra/Cargo.toml".into(), manifest("lyra-kit", "", umbrella)),
        ("crates/lyra-cli/Cargo.toml".into(), manifest("lyra-cli", "", "[dependencies]\nlyra-kit = { workspace = true }\n")),
        ("crates/lyra-cli/src/main.rs".into(), "#![forbid(unsafe_code)]\n".into()),
        ("tests/Cargo.toml".into(), manifest("lyra-tests", "publish = false\n", "[dependencies]\nlyra-kit = { workspace = true }\n")),
        ("tests/README.md".into(), String::new()),
        ("tests/src/lib.rs".into(), "#![forbid(unsafe_code)]\n".into()),
        (
            "tests/tests/agent.rs".into(),
            "#[test]\nfn it_works_together() {}\n".into(),
        ),
        ("xtask/Cargo.toml".into(), manifest("xtask", "publish = false\n", "")),
        ("xtask/README.md".into(), String::new()),
        ("xtask/src/main.rs".into(), "#![forbid(unsafe_code)]\n".into()),
    ];
    for folder in ["lyra-errors", "lyra-retry", "lyra-memstore", "lyra", "lyra-cli"] {
        for file in ["README.md", "CHANGELOG.md"] {
            texts.push((format!("crates/{folder}/{file}"), String::new()));
        }
        if folder != "lyra-cli" {
            texts.push((format!("crates/{folder}/src/lib.rs"), library.into()));
        }
    }
    texts.push((
        "crates/lyra/src/lib.rs".into(),
        format!(
            "{library}\npub use lyra_errors as errors;\n#[cfg(feature = \"memstore\")]\n#[doc(inline)]\npub use lyra_memstore as memstore;\n#[cfg(feature = \"retry\")]\npub use lyra_retry as retry;\n"
        ),
    ));
    texts.push((promises::PATH.into(), promises::all_open()));
    texts.push((crate::budget::PATH.into(), budget::generous()));
    let texts: Vec<(&str, &str)> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Tree::from_texts(&texts)
}

/// What one rule finds, as lines.
#[cfg(test)]
fn findings(rule: Rule, tree: &Tree) -> Vec<String> {
    rule(tree).iter().map(Finding::to_string).collect()
}

/// Asserts that a rule finds one thing, in words that hold this piece.
#[cfg(test)]
#[track_caller]
fn assert_finds(rule: Rule, tree: &Tree, piece: &str) {
    let found = findings(rule, tree);
    assert!(
        found.len() == 1 && found[0].contains(piece),
        "{piece:?} is not the one finding of {found:#?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn the_good_tree_breaks_no_rule() {
        let found: Vec<String> = check(&good_tree()).iter().map(Finding::to_string).collect();
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn this_workspace_breaks_no_rule() {
        let tree = Tree::read(&Workspace::root().unwrap()).unwrap();
        let found: Vec<String> = check(&tree).iter().map(Finding::to_string).collect();
        assert_eq!(found, [""; 0]);
    }
}
