use std::fmt;
use std::path::{Path, PathBuf};

use lyra::errors::Result;
use snafu::ResultExt as _;

use super::stage::Stage;
use crate::error::{NoSuchPathSnafu, UnusablePathSnafu};

/// The Markdown that the tour imports.
#[derive(Debug)]
pub(super) struct Texts {
    files: Vec<PathBuf>,
    origin: String,
}

impl Texts {
    /// That of `from`; else of the checkout around the current directory;
    /// else of the checkout that the command was built in; else what the
    /// command carries.
    pub(super) fn find(from: Option<PathBuf>, stage: &Stage) -> Result<Self> {
        if let Some(from) = from {
            if !from.exists() {
                return Err(NoSuchPathSnafu { path: from }.build().into());
            }
            return Self::below(&from);
        }
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = std::env::current_dir().unwrap_or_default();
        match checkout(&here).or_else(|| checkout(built_in)) {
            Some(root) => Self::below(root),
            None => Self::carried(stage),
        }
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn below(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        gather(root, &mut files).context(UnusablePathSnafu { path: root })?;
        if files.is_empty() {
            let path = root.join("*.md");
            return Err(NoSuchPathSnafu { path }.build().into());
        }
        files.sort();
        let origin = format!("{} Markdown files of {}", files.len(), root.display());
        Ok(Self { files, origin })
    }

    fn carried(stage: &Stage) -> Result<Self> {
        const CARRIED: [(&str, &str); 2] = [
            ("README.md", include_str!("../../../README.md")),
            ("CHANGELOG.md", include_str!("../../../CHANGELOG.md")),
        ];
        let dir = stage.texts();
        std::fs::create_dir_all(&dir).context(UnusablePathSnafu { path: &dir })?;
        let mut files = Vec::new();
        for (name, text) in CARRIED {
            let path = dir.join(name);
            std::fs::write(&path, text).context(UnusablePathSnafu { path: &path })?;
            files.push(path);
        }
        Ok(Self { files, origin: "the texts that the command carries".to_owned() })
    }
}

impl fmt::Display for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// The root of the checkout of lyra that holds `dir`.
fn checkout(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| dir.join("crates/lyra-cli/Cargo.toml").is_file())
}

/// Markdown files below `dir`. Hidden directories and build outputs hold
/// other people's texts, and links could lead around in circles.
fn gather(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if dir.is_file() {
        files.push(dir.to_path_buf());
        return Ok(());
    }
    for item in dir.read_dir()? {
        let item = item?;
        let (path, sort) = (item.path(), item.file_type()?);
        let hidden = item.file_name().to_string_lossy().starts_with('.');
        if sort.is_dir() && !hidden && !is_build_output(&path) {
            gather(&path, files)?;
        } else if sort.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}

/// Cargo marks every target directory so.
fn is_build_output(dir: &Path) -> bool {
    dir.join("CACHEDIR.TAG").exists() || dir.ends_with("target")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_markdown_outside_of_build_outputs_is_gathered() {
        let root = tempfile::tempdir().unwrap();
        for file in
            ["a.md", "b/c.md", "b/d.txt", ".git/e.md", "target/f.md", "g/CACHEDIR.TAG", "g/h.md"]
        {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        let texts = Texts::below(root.path()).unwrap();
        assert_eq!(texts.files, ["a.md", "b/c.md"].map(|file| root.path().join(file)));
    }

    #[test]
    fn the_checkout_is_found_from_any_directory_within_it() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("crates/lyra-cli/src/deep");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(checkout(&deep), None);
        std::fs::write(root.path().join("crates/lyra-cli/Cargo.toml"), "").unwrap();
        assert_eq!(checkout(&deep), Some(root.path()));
    }
}
