//! `cargo xtask ci` and its steps: the only gate of this workspace.
//!
//! Read it from here: a request is parsed, the workspace is loaded, the steps
//! of [`steps::STEPS`] run in their order, and the first that fails ends the
//! run with its remedy. Each step is a module below `steps`, each rule of
//! `tidy` a module below `tidy`. [`soak`] and [`mod@bench`] stand beside them: long
//! runs and measurements are no part of the gate.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: what it says, it says on the terminal"
)]

mod bench;
mod budget;
mod ci;
mod failure;
mod gpu_mutants;
mod process_tree;
mod report;
mod run;
mod running;
mod soak;
mod steps;
mod tidy;
mod tools;
mod tree;
mod workspace;

use std::process::ExitCode;

use bench::Bench;
use steps::{STEPS, Step};
use workspace::Workspace;

/// What was asked for on the command line.
#[derive(Debug)]
enum Request {
    Help,
    Ci,
    Step(&'static Step),
    BlessLean,
    Soak { factor: u64 },
    Repeat { seed: u64 },
    Bench(Bench),
    GpuMutants,
}

impl Request {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        match arguments {
            [] | ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["ci"] => Ok(Self::Ci),
            ["lean", "--bless"] => Ok(Self::BlessLean),
            ["soak"] => Ok(Self::Soak { factor: soak::FACTOR }),
            ["soak", factor] => match factor.parse() {
                Ok(factor) if factor > 0 => Ok(Self::Soak { factor }),
                _ => Err(format!("`soak` takes a factor from 1, not `{factor}`")),
            },
            ["repro", seed] => match seed.parse() {
                Ok(seed) => Ok(Self::Repeat { seed }),
                Err(_) => Err(format!("`repro` takes a seed, which `{seed}` is not")),
            },
            ["repro"] => Err("`repro` takes the seed that a failing test has named".to_owned()),
            ["gpu-mutants"] => Ok(Self::GpuMutants),
            ["bench", rest @ ..] => Bench::parse(rest).map(Self::Bench),
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
        "  lean --bless    rewrites the lists of `lean`, after a change that was argued for
  soak [FACTOR]   the tests that take doses, with 100 or FACTOR times those of `test`
  repro SEED      the tests that take a seed, with the one that a failure has named
  gpu-mutants     puts faults into a copy of lyra-gpu, and names the tests that find them\n",
    );
    text.push_str(&bench::help());
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
    let done = match request {
        Request::Help => Ok(true),
        Request::Ci => Ok(ci::run(&workspace, STEPS.iter())),
        Request::Step(step) => Ok(ci::run(&workspace, std::iter::once(step))),
        Request::BlessLean => steps::lean::bless(&workspace).map(|()| true),
        Request::Soak { factor } => soak::run(&workspace, factor).map(|()| true),
        Request::Repeat { seed } => soak::repeat(&workspace, seed).map(|()| true),
        Request::Bench(bench) => bench.run(&workspace),
        Request::GpuMutants => gpu_mutants::run(&workspace),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
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
    fn a_soak_has_a_factor_and_a_repetition_its_seed() {
        assert!(matches!(Request::parse(&["soak"]), Ok(Request::Soak { factor: 100 })));
        assert!(matches!(Request::parse(&["soak", "7"]), Ok(Request::Soak { factor: 7 })));
        assert!(matches!(Request::parse(&["repro", "42"]), Ok(Request::Repeat { seed: 42 })));
        for wrong in [["soak", "0"].as_slice(), &["soak", "long"], &["repro"], &["repro", "-1"]] {
            assert!(Request::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_unknown_step_or_a_stray_argument_is_wrong_usage() {
        assert!(Request::parse(&["fnt"]).is_err());
        assert!(Request::parse(&["fmt", "--bless"]).is_err());
        assert!(Request::parse(&["ci", "fmt"]).is_err());
    }
}
