//! `cargo xtask ci` and its steps: the only gate of this workspace.
//!
//! Read it from here: a request is parsed, the workspace is loaded, the steps
//! of [`steps::STEPS`] run in their order, and the first that fails ends the
//! run with its remedy. Each step is a module below `steps`, each rule of
//! `tidy` a module below `tidy`.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: what it says, it says on the terminal"
)]

mod budget;
mod ci;
mod failure;
mod process_tree;
mod report;
mod run;
mod running;
mod steps;
mod tidy;
mod tools;
mod tree;
mod workspace;

use std::process::ExitCode;

use steps::{STEPS, Step};
use workspace::Workspace;

/// What was asked for on the command line.
#[derive(Debug)]
enum Request {
    Help,
    Ci,
    Step(&'static Step),
    BlessLean,
}

impl Request {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        match arguments {
            [] | ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["ci"] => Ok(Self::Ci),
            ["lean", "--bless"] => Ok(Self::BlessLean),
            [name] => STEPS
                .iter()
                .find(|step| step.name == *name)
                .map(Self::Step)
                .ok_or_else(|| format!("there is no step `{name}`")),
            [name, rest @ ..] => Err(format!("`{name}` takes no argument `{}`", rest.join(" "))),
        }
    }
}

fn help() -> String {
    let mut text = String::from(
        "cargo xtask COMMAND\n\n  ci              all steps below, in this order; stops at the first failure\n",
    );
    for step in &STEPS {
        text.push_str(&format!("  {:<15} {}\n", step.name, step.what));
    }
    text.push_str(
        "  lean --bless    rewrites the lists of `lean`, after a change that was argued for\n",
    );
    text
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let request = match Request::parse(&arguments) {
        Ok(request) => request,
        Err(what) => {
            eprintln!("{what}; the commands are:\n\n{}", help());
            return ExitCode::from(2);
        }
    };
    if matches!(request, Request::Help) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let workspace = match Workspace::load() {
        Ok(workspace) => workspace,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    };
    let passed = match request {
        Request::Help => true,
        Request::Ci => ci::run(&workspace, STEPS.iter()),
        Request::Step(step) => ci::run(&workspace, std::iter::once(step)),
        Request::BlessLean => match steps::lean::bless(&workspace) {
            Ok(()) => true,
            Err(failure) => {
                eprintln!("{failure}");
                false
            }
        },
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_command_of_its_own() {
        for step in &STEPS {
            assert!(
                matches!(Request::parse(&[step.name]), Ok(Request::Step(found)) if found.name == step.name)
            );
            assert!(help().contains(step.what));
        }
    }

    #[test]
    fn an_unknown_step_or_a_stray_argument_is_wrong_usage() {
        assert!(Request::parse(&["fnt"]).is_err());
        assert!(Request::parse(&["fmt", "--bless"]).is_err());
        assert!(Request::parse(&["ci", "fmt"]).is_err());
    }
}
