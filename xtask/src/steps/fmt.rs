//! `fmt`: the sources are formatted.

use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    Call::cargo(&["fmt", "--all", "--check"]).must(
        &workspace.root,
        "run `cargo fmt --all`; where cargo has no `fmt`, first `rustup component add rustfmt`",
    )
}
