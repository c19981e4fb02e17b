use std::fmt;
use std::path::{Path, PathBuf};

use lyra::errors::Result;
use snafu::ResultExt as _;

use super::stage::Stage;
use crate::error::{NoSuchPathSnafu, UnusablePathSnafu};

/// The Markdown that the tour imports.
#[derive(Debug)]
pub(super) struct Texts {
    root: PathBuf,
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
            return Ok(Self::below(&from));
        }
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = std::env::current_dir().unwrap_or_default();
        match checkout(&here).or_else(|| checkout(built_in)) {
            Some(root) => Ok(Self::below(root)),
            None => Self::carried(stage),
        }
    }

    /// A folder, or one file.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), origin: format!("the Markdown of {}", root.display()) }
    }

    fn carried(stage: &Stage) -> Result<Self> {
        const CARRIED: [(&str, &str); 2] = [
            ("README.md", include_str!("../../../README.md")),
            ("CHANGELOG.md", include_str!("../../../CHANGELOG.md")),
        ];
        let dir = stage.texts();
        std::fs::create_dir_all(&dir).context(UnusablePathSnafu { path: &dir })?;
        for (name, text) in CARRIED {
            let path = dir.join(name);
            std::fs::write(&path, text).context(UnusablePathSnafu { path: &path })?;
        }
        Ok(Self { root: dir, origin: "the texts that the command carries".to_owned() })
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

#[cfg(test)]
mod tests {
    use super::*;

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
