//! `fmt`: the sources are formatted.

use crate::bench::MANIFEST as PEERS;
use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    Call::cargo(&["fmt", "--all", "--check"]).must(
        &workspace.root,
        "run `cargo fmt --all`; where cargo has no `fmt`, first `rustup component add rustfmt`",
    )?;
    // A workspace of its own, at which no other step looks.
    Call::cargo(&["fmt", "--manifest-path", PEERS, "--check"])
        .must(&workspace.root, &format!("run `cargo fmt --manifest-path {PEERS}`"))
}
