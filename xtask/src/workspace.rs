//! The workspace this program belongs to, wherever it was called from.

use std::path::{Path, PathBuf};

use crate::budget::Budget;
use crate::failure::Failure;
use crate::tree::Tree;

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) tree: Tree,
    pub(crate) budget: Budget,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, Failure> {
        let root = Self::root()?;
        let tree = Tree::read(&root)?;
        let budget = Budget::of(&tree)?;
        Ok(Self { root, tree, budget })
    }

    /// The folder above this package's own. Cargo names that at run time to
    /// what it runs; the path from build time is for a call without cargo. It
    /// comes second because checkouts may share one build folder, and then a
    /// program that was built in one of them runs in another.
    pub(crate) fn root() -> Result<PathBuf, Failure> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR");
        let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let package = Path::new(&package);
        match package.parent() {
            Some(root) if package.ends_with("xtask") && root.join("Cargo.toml").is_file() => {
                Ok(root.to_owned())
            }
            _ => Err(Failure::new(
                format!("the workspace that was at {} is gone", package.display()),
                "run `cargo xtask` inside the checkout, which builds this program anew",
            )),
        }
    }

    /// Where tools are installed: below the folder that cargo builds into, so
    /// that `cargo clean` takes them along.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        self.root.join(target)
    }
}
