//! `bench`: ours beside their peers, by the program of `tests/peers`.
//!
//! That program measures, compares with the goals and writes the results; here
//! it is built and called. It is a workspace of its own, so that neither its
//! packages nor its build weigh on the gate; its unit tests run here, before
//! it measures, because an instrument is tried before it is used.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::run::Call;
use crate::tools;
use crate::workspace::Workspace;

/// What is measured so far: the modules that `tests/peers/src/main.rs` lists.
const AREAS: [&str; 6] = ["retry", "ratelimit", "sync", "log", "memstore", "gpu"];

/// No member of this workspace, so a call names it.
pub(crate) const MANIFEST: &str = "tests/peers/Cargo.toml";
const PROGRAM: &str = "lyra-peers";
/// Names to it a Python that has some of the peers.
const PYTHON: &str = "LYRA_BENCH_PYTHON";

/// What to measure, and what to do with the figures.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bench {
    /// All areas where none is named.
    area: Option<&'static str>,
    check: bool,
    write: bool,
    json: Option<PathBuf>,
    /// Of the order of the cases, to repeat a run.
    seed: Option<u64>,
}

pub(crate) fn help() -> String {
    format!(
        "  bench [AREA] [--check] [--json FILE] [--write] [--seed N]
                  measures ours against their peers; AREA is one of {}
                  --check compares with tests/peers/goals.toml, and fails where one is SHORT
                  --json writes the rows to FILE, --write the tables to tests/peers/RESULTS.md
                  memstore wants a data set in the folder LYRA_BENCH_DATA; tests/peers/README.md says more\n",
        AREAS.join(", ")
    )
}

impl Bench {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut bench = Self::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--check" => bench.check = true,
                "--write" => bench.write = true,
                "--json" => {
                    let file = words.next().filter(|file| !file.starts_with("--"));
                    bench.json = Some(file.ok_or("`bench --json` wants a file")?.into());
                }
                "--seed" => {
                    let seed = words.next().and_then(|seed| seed.parse().ok());
                    bench.seed = Some(seed.ok_or("`bench --seed` wants a whole number")?);
                }
                flag if flag.starts_with('-') => {
                    return Err(format!("`bench` has no flag `{flag}`"));
                }
                name => {
                    let known = || AREAS.join(", ");
                    let area = AREAS.into_iter().find(|area| *area == name);
                    let area = area.ok_or_else(|| {
                        format!("`bench` measures no area `{name}`, but {}", known())
                    })?;
                    if bench.area.replace(area).is_some() {
                        return Err(format!("`bench` measures one area, or all: {}", known()));
                    }
                }
            }
        }
        Ok(bench)
    }

    /// Whether all went well: with `--check`, whether no goal fell short.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<bool, Failure> {
        let root = &workspace.root;
        let target = folder(workspace);
        let shown = target.strip_prefix(root).unwrap_or(&target).display().to_string();
        let remedy = format!(
            "mend what is named above: a figure from a wrong instrument is no figure; where it is the lock file, `cargo update --workspace --manifest-path {MANIFEST}`"
        );
        // The tests too in release mode: the packages are built once for both.
        for word in ["test", "build"] {
            let how = ["--quiet", "--locked", "--release"];
            let wheres = ["--manifest-path", MANIFEST, "--target-dir", &shown];
            Call::cargo(&[&[word], &how[..], &wheres].concat()).must(root, &remedy)?;
        }
        let here = std::env::current_dir().unwrap_or_else(|_| root.clone());
        let words = self.words(&here);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let program = target.join("release").join(PROGRAM);
        let mut call = Call::tool(&program, root, &words);
        if let Some(python) = self.python(workspace) {
            call = call.env(PYTHON, &python.display().to_string());
        }
        call.status(root)
    }

    /// For the peers that are Python packages, where there is a data set for
    /// them: without one the area measures nothing.
    fn python(&self, workspace: &Workspace) -> Option<PathBuf> {
        let is_wanted = self.area.is_none_or(|area| area == "memstore");
        let has_data = std::env::var_os("LYRA_BENCH_DATA").is_some();
        if !(is_wanted && has_data) {
            return None;
        }
        tools::python_peers(workspace)
    }

    /// The program's own command line. It runs at the root, wherever this was
    /// called, so that a file is named from `here`.
    fn words(&self, here: &Path) -> Vec<String> {
        let mut words: Vec<String> = self.area.map(str::to_owned).into_iter().collect();
        words.extend(self.check.then(|| "--check".to_owned()));
        words.extend(self.write.then(|| "--write".to_owned()));
        if let Some(file) = &self.json {
            words.extend(["--json".to_owned(), here.join(file).display().to_string()]);
        }
        if let Some(seed) = self.seed {
            words.extend(["--seed".to_owned(), seed.to_string()]);
        }
        words
    }
}

/// A folder of its own within the one that cargo builds into: a workspace that
/// shares it would rebuild what the other has built with other features.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("peers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn areas_and_flags_are_understood_in_any_order() {
        assert_eq!(Bench::parse(&[]), Ok(Bench::default()));
        let bench = Bench::parse(&["--json", "rows.json", "retry", "--seed", "7", "--check"]);
        let bench = bench.unwrap();
        assert_eq!(
            bench.words(Path::new("/here")),
            ["retry", "--check", "--json", "/here/rows.json", "--seed", "7"]
        );
        let elsewhere = Bench::parse(&["--write", "--json", "/there/rows.json"]).unwrap();
        assert_eq!(elsewhere.words(Path::new("/here")), ["--write", "--json", "/there/rows.json"]);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (words, piece) in [
            (&["retries"][..], "no area `retries`, but retry, ratelimit, sync"),
            (&["retry", "ratelimit"], "one area, or all"),
            (&["--chek"], "no flag `--chek`"),
            (&["--json"], "wants a file"),
            (&["--json", "--check"], "wants a file"),
            (&["--seed", "x"], "whole number"),
        ] {
            let error = Bench::parse(words).unwrap_err();
            assert!(error.contains(piece), "{words:?}: {error}");
        }
    }

    #[test]
    fn the_areas_are_those_of_the_program_and_of_the_goals() {
        let tree = Tree::read(&Workspace::root().unwrap()).unwrap();
        let program = tree.text("tests/peers/src/main.rs").unwrap();
        let listed = program
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Area { name: \"")?.split('"').next());
        assert_eq!(listed.collect::<Vec<_>>(), AREAS);
        let goals: toml::Table = tree.text("tests/peers/goals.toml").unwrap().parse().unwrap();
        for goal in goals["goal"].as_array().unwrap() {
            let area = goal["area"].as_str().unwrap();
            assert!(AREAS.contains(&area), "{area}");
        }
    }
}
