//! `cargo xtask ci` and its steps: the only gate of this workspace.
#![forbid(unsafe_code)]

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let formatted = Command::new(env!("CARGO"))
        .args(["fmt", "--all", "--check"])
        .status()
        .is_ok_and(|status| status.success());
    if formatted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
