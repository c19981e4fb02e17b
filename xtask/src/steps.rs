//! The steps of `cargo xtask ci`, in their order.

mod clippy;
mod deny;
mod doc;
mod features;
mod fmt;
pub(crate) mod lean;
mod test;
mod tidy;

use crate::failure::Failure;
use crate::report::Report;
use crate::workspace::Workspace;

/// What a step does: it adds to the report, and fails with a remedy.
pub(crate) type Run = fn(&Workspace, &mut Report) -> Result<(), Failure>;

/// A command of its own, and a part of `ci`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What it holds, in one line for the help text.
    pub(crate) what: &'static str,
    pub(crate) run: Run,
}

/// The cheap ones come first, so that the common mistake is told at once.
pub(crate) static STEPS: [Step; 8] = [
    Step { name: "fmt", what: "the sources are formatted", run: fmt::run },
    Step {
        name: "tidy",
        what: "the tree follows the house rules (layout, manifests, arrows, promises, ...)",
        run: tidy::run,
    },
    Step { name: "clippy", what: "no warning in any target", run: clippy::run },
    Step {
        name: "features",
        what: "each crate builds and tests alone, with none and with all features",
        run: features::run,
    },
    Step {
        name: "lean",
        what: "the default dependencies of each crate are those of xtask/lean/CRATE.txt",
        run: lean::run,
    },
    Step {
        name: "test",
        what: "the tests and documentation tests of each crate, timed and counted",
        run: test::run,
    },
    Step { name: "doc", what: "the documentation builds without a warning", run: doc::run },
    Step {
        name: "deny",
        what: "licences, banned packages, sources and advisories of all dependencies",
        run: deny::run,
    },
];
