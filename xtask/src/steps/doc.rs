//! `doc`: the documentation builds without a warning.

use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    Call::cargo(&["doc", "--no-deps", "--workspace", "--all-features"])
        .env("RUSTDOCFLAGS", "-Dwarnings")
        .must(&workspace.root, "mend the links and the markup named above")
}
