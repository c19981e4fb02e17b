//! The tracked files of the workspace as values, so that each rule is a
//! function of texts and can be shown a bad tree in a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;

/// Paths (with `/`, relative to the root) and their texts; `None` where a file
/// is not UTF-8.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
    packages: Vec<Package>,
    manifest: toml::Table,
}

/// A member of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder relative to the root, such as `crates/lyra-errors`.
    pub(crate) dir: String,
    pub(crate) manifest: toml::Table,
}

/// A dependency as a member's manifest names it.
#[derive(Debug)]
pub(crate) struct Dependency<'a> {
    /// `dependencies`, `dev-dependencies` or `build-dependencies`.
    pub(crate) section: &'static str,
    /// The key in the manifest, which is the package's name unless renamed.
    pub(crate) key: &'a str,
    pub(crate) value: &'a toml::Value,
}

impl Dependency<'_> {
    pub(crate) fn is_optional(&self) -> bool {
        self.value.get("optional").and_then(toml::Value::as_bool) == Some(true)
    }

    pub(crate) fn is_inherited(&self) -> bool {
        self.value.get("workspace").and_then(toml::Value::as_bool) == Some(true)
    }
}

impl Tree {
    /// Reads what git tracks or would track; where there is no git or no
    /// repository (an unpacked archive), everything but build output.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let unreadable = |path: &str, error: std::io::Error| {
            Failure::new(format!("{path}: {error}"), "make the file readable, or remove it")
        };
        let paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => {
                let mut paths = Vec::new();
                walk(root, "", &mut paths).map_err(|error| unreadable(".", error))?;
                paths
            }
        };
        let mut files = BTreeMap::new();
        for path in paths {
            match fs::read(root.join(&path)) {
                Ok(bytes) => files.insert(path, String::from_utf8(bytes).ok()),
                // Tracked, but removed in the working tree.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(unreadable(&path, error)),
            };
        }
        Self::new(files)
    }

    pub(crate) fn new(files: BTreeMap<String, Option<String>>) -> Result<Self, Failure> {
        let mut tree = Self { files, ..Self::default() };
        tree.manifest = tree.parse("Cargo.toml")?;
        for dir in tree.member_dirs() {
            let manifest = tree.parse(&format!("{dir}/Cargo.toml"))?;
            let name = manifest
                .get("package")
                .and_then(|package| package.get("name"))
                .and_then(toml::Value::as_str)
                .unwrap_or_default()
                .to_owned();
            tree.packages.push(Package { name, dir, manifest });
        }
        Ok(tree)
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Every file that is text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Every Rust source.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The members, by folder.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.packages
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// `[workspace.dependencies]`.
    pub(crate) fn dependency_table(&self) -> impl Iterator<Item = (&str, &toml::Value)> {
        self.manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("dependencies"))
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The package that a dependency's key stands for, which differs where
    /// the workspace's table renames it.
    pub(crate) fn package_of<'a>(&'a self, key: &'a str) -> &'a str {
        self.dependency_table()
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| value.get("package"))
            .and_then(toml::Value::as_str)
            .unwrap_or(key)
    }

    fn parse(&self, path: &str) -> Result<toml::Table, Failure> {
        self.text(path)
            .unwrap_or_default()
            .parse()
            .map_err(|error| Failure::new(format!("{path}: {error}"), "mend the manifest"))
    }

    /// Expands `members` as far as this workspace needs it: a folder, or
    /// `folder/*`.
    fn member_dirs(&self) -> Vec<String> {
        let patterns = self
            .manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("members"))
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .collect::<Vec<_>>();
        let matches = |dir: &str| {
            patterns.iter().any(|pattern| match pattern.strip_suffix("/*") {
                Some(parent) => dir.rsplit_once('/').is_some_and(|(above, _)| above == parent),
                None => dir == *pattern,
            })
        };
        self.paths()
            .filter_map(|path| path.strip_suffix("/Cargo.toml"))
            .filter(|dir| matches(dir))
            .map(str::to_owned)
            .collect()
    }
}

impl Package {
    /// Those below `crates/` go to the registry; the tests and this program
    /// do not.
    pub(crate) fn is_published(&self) -> bool {
        self.dir.starts_with("crates/")
    }

    pub(crate) fn is_test_only(&self) -> bool {
        self.dir == "tests" || self.dir.starts_with("tests/")
    }

    pub(crate) fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.dir)
    }

    pub(crate) fn features(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.manifest.get("features").and_then(toml::Value::as_table).into_iter().flatten().map(
            |(name, enabled)| {
                let enabled = enabled.as_array().into_iter().flatten();
                (name.as_str(), enabled.filter_map(toml::Value::as_str).collect())
            },
        )
    }

    /// Of all sections, those of single targets too.
    pub(crate) fn dependencies(&self) -> Vec<Dependency<'_>> {
        const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
        let targets = self
            .manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .filter_map(|(_, target)| target.as_table());
        let mut found = Vec::new();
        for table in std::iter::once(&self.manifest).chain(targets) {
            for section in SECTIONS {
                let entries = table.get(section).and_then(toml::Value::as_table);
                for (key, value) in entries.into_iter().flatten() {
                    found.push(Dependency { section, key, value });
                }
            }
        }
        found
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()?;
    let listing = String::from_utf8(output.stdout).ok()?;
    // An archive unpacked inside some other repository lists nothing.
    (output.status.success() && !listing.is_empty())
        .then(|| listing.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path, below: &str, paths: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        match entry.file_type()? {
            kind if kind.is_dir() && (name == "target" || name == ".git") => {}
            kind if kind.is_dir() => walk(root, &path, paths)?,
            kind if kind.is_file() => paths.push(path),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
impl Tree {
    pub(crate) fn from_texts(texts: &[(&str, &str)]) -> Self {
        let files =
            texts.iter().map(|&(path, text)| (path.to_owned(), Some(text.to_owned()))).collect();
        Self::new(files).unwrap()
    }

    /// The same tree with one file more, or one file changed.
    pub(crate) fn with(&self, path: &str, text: &str) -> Self {
        let mut files = self.files.clone();
        files.insert(path.to_owned(), Some(text.to_owned()));
        Self::new(files).unwrap()
    }

    /// The same tree with a piece of one file replaced, which must be there.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) -> Self {
        let text = self.text(path).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        self.with(path, &text.replace(from, to))
    }

    pub(crate) fn without(&self, path: &str) -> Self {
        let mut files = self.files.clone();
        assert!(files.remove(path).is_some(), "{path} is not there");
        Self::new(files).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_folders_or_all_below_a_folder() {
        let tree = Tree::from_texts(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\", \"tests\"]"),
            ("crates/b/Cargo.toml", "package.name = \"b\""),
            ("crates/a/Cargo.toml", "package.name = \"a\""),
            ("crates/a/deep/Cargo.toml", "package.name = \"deep\""),
            ("tests/Cargo.toml", "package.name = \"t\""),
            ("tests/peers/Cargo.toml", "package.name = \"p\""),
        ]);
        let names: Vec<_> = tree.packages().iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "t"]);
    }

    #[test]
    fn dependencies_of_single_targets_count_too() {
        let tree = Tree::from_texts(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\"]"),
            (
                "a/Cargo.toml",
                "package.name = \"a\"\n[dependencies]\nx = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\ny = { workspace = true }",
            ),
        ]);
        let found: Vec<_> = tree.packages()[0]
            .dependencies()
            .iter()
            .map(|dependency| {
                (dependency.section, dependency.key.to_owned(), dependency.is_inherited())
            })
            .collect();
        assert_eq!(
            found,
            [("dependencies", "x".to_owned(), false), ("dev-dependencies", "y".to_owned(), true)]
        );
    }

    #[test]
    fn a_broken_manifest_is_named() {
        let files = [("Cargo.toml".to_owned(), Some("[workspace".to_owned()))];
        let failure = Tree::new(files.into()).unwrap_err().to_string();
        assert!(failure.contains("Cargo.toml"), "{failure}");
    }

    #[test]
    fn without_git_build_output_is_left_out() {
        let mut paths = Vec::new();
        walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut paths).unwrap();
        assert!(paths.iter().any(|path| path == "src/tree.rs"));
        assert!(!paths.iter().any(|path| path.starts_with("target/")));
    }
}
