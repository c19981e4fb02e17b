//! What can be typed. Help texts are the doc comments.

pub(crate) mod backup;
pub(crate) mod gpu;
pub(crate) mod log;
pub(crate) mod memory;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    not found
  4    invalid or corrupt input
  5    conflict or locked
  6    done, but some files had changed while they were read or were skipped
  130  interrupted, with nothing half-done";

/// The reliability layer of a local AI agent, by hand: its memory, its backups and its GPUs.
///
/// `lyra tour` shows the whole of it on real text, in a temporary directory.
#[derive(Debug, Parser)]
#[command(name = "lyra", version, after_help = EXIT_CODES, disable_help_subcommand = false)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration file [default: lyra.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,

    /// What stdout holds: text for people, or exactly one JSON document [default: human]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Global options")]
    pub(crate) format: Option<Format>,

    /// Tell more on stderr; with errors, where they arose
    #[arg(long, short, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Global options")]
    pub(crate) verbose: u8,

    /// Tell nothing on stderr but errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Text and tables for people
    #[default]
    Human,
    /// Exactly one JSON document
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole job on real text: import, transactions, search, calls to a flaky service, backup under load, restore, compare
    Tour(TourArgs),
    /// What the agent remembers: entries in collections, changed only by whole transactions
    Memory(memory::MemoryArgs),
    /// How it survives: create, list, validate, restore, prune
    Backup(backup::BackupArgs),
    /// What fits on the cards, and how they stand
    Gpu(gpu::GpuArgs),
    /// What an agent's log tells: its last records, those that fit, and whether one is missing
    Log(log::LogArgs),
    /// What works here, what is missing, and what to do about it
    Doctor,
}

impl Command {
    /// As it is typed, for the command's own log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Tour(_) => "tour",
            Self::Memory(_) => "memory",
            Self::Backup(_) => "backup",
            Self::Gpu(_) => "gpu",
            Self::Log(_) => "log",
            Self::Doctor => "doctor",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TourArgs {
    /// The folder whose Markdown is imported [default: the checkout around the current directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,

    /// Keep the store, the backups and the restored store in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_in_the_readme_can_be_typed() {
        let readme = include_str!("../README.md");
        let commands: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        assert!(commands.len() > 10, "{commands:?}");
        for command in commands {
            let parsed = Arguments::try_parse_from(command.split_whitespace());
            assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
        }
    }
}
