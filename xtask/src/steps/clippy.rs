//! `clippy`: no warning in any target of any crate.

use crate::failure::Failure;
use crate::report::Report;
use crate::run::Call;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, _: &mut Report) -> Result<(), Failure> {
    // Warnings become errors behind the `--`, not by RUSTFLAGS: a changed
    // RUSTFLAGS would rebuild every dependency for this step alone.
    Call::cargo(&[
        "clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings",
    ])
    .must(
        &workspace.root,
        "mend what is named above (an `#[expect(…, reason = \"…\")]` says why where a lint is wrong); where cargo has no `clippy`, first `rustup component add clippy`",
    )
}
