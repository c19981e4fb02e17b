use std::path::PathBuf;

use lyra::errors::{Classify, Code, Context, Error, ErrorKind, Location, Value};
use lyra::memstore::Faults;
use snafu::Snafu;

pub(crate) const USAGE: Code = Code::new("cli.usage", "`lyra help COMMAND` shows what it takes");
pub(crate) const CONFIG: Code =
    Code::new("cli.config", "correct the line; crates/lyra-cli/lyra.toml documents every key");
pub(crate) const UNKNOWN_KEY: Code =
    Code::new("cli.unknown_key", "correct the key; crates/lyra-cli/lyra.toml documents each");
pub(crate) const NO_SUCH_PATH: Code =
    Code::new("cli.no_such_path", "check the path, and from which directory it counts");
pub(crate) const UNUSABLE_PATH: Code =
    Code::new("cli.unusable_path", "check that the path exists, and its owner and rights");
pub(crate) const NO_SUCH_ENTRY: Code =
    Code::new("cli.no_such_entry", "`lyra memory list` shows which entries there are");
pub(crate) const NOT_CONFIRMED: Code =
    Code::new("cli.not_confirmed", "pass --yes where no one can be asked");
pub(crate) const OUTPUT: Code =
    Code::new("cli.output", "what was done is done; only the telling of it failed");
pub(crate) const FILE_EXISTS: Code =
    Code::new("cli.file_exists", "choose another name, or remove what is there first");
pub(crate) const COMPARISON: Code = Code::new(
    "cli.comparison",
    "this is a defect of the store or of the backup: report it, with the directory of --keep",
);
pub(crate) const CALLS: Code = Code::new(
    "cli.calls",
    "this is a defect of the limits or of the retries: report it, with the timeline",
);
pub(crate) const INVALID_INPUT: Code =
    Code::new("cli.invalid_input", "each fault names its file, line and field: correct those");

/// As `lyra-log` has it, for a directory without any log; so that a script meets
/// one code.
pub(crate) const NO_LOG: Code =
    Code::new("log.not_found", "look at the directory and at the name before `.log`");

/// Every code that the command raises by itself.
#[cfg(test)]
pub(crate) const CODES: &[Code] = &[
    USAGE,
    CONFIG,
    UNKNOWN_KEY,
    NO_SUCH_PATH,
    UNUSABLE_PATH,
    NO_SUCH_ENTRY,
    NOT_CONFIRMED,
    OUTPUT,
    FILE_EXISTS,
    COMPARISON,
    CALLS,
    INVALID_INPUT,
];

/// What goes wrong in the command itself. The work is done by the crates,
/// which have their own errors; what stands here is arguments, configuration
/// and output.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum CliError {
    #[snafu(display("{message}"))]
    Usage {
        message: String,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("the configuration {origin} cannot be used: {reason}"))]
    Config {
        origin: String,
        reason: String,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("the configuration {origin} has no key `{key}`; did you mean `{nearest}`?"))]
    UnknownKey {
        origin: String,
        key: String,
        nearest: String,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("there is no {}", path.display()))]
    NoSuchPath {
        path: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("there is no log in {}", dir.display()))]
    NoLog {
        dir: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("cannot use {}", path.display()))]
    UnusablePath {
        path: PathBuf,
        source: std::io::Error,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("{} holds no vector: {reason}", path.display()))]
    NotAVector {
        path: PathBuf,
        reason: String,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("the entry on stdin is not valid: {faults}"))]
    InvalidEntry {
        faults: Faults,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("the collection {collection} has no entry {}", ids.join(", ")))]
    NoSuchEntry {
        collection: String,
        ids: Vec<String>,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("{} exists, and nobody said that it may be replaced", target.display()))]
    NotConfirmed {
        target: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("{} exists, and is left as it is", path.display()))]
    FileExists {
        path: PathBuf,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("cannot write the output"))]
    Output {
        source: std::io::Error,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("the restored store is not the one that was backed up: {difference}"))]
    Comparison {
        difference: String,
        #[snafu(implicit)]
        location: Location,
    },

    #[snafu(display("the calls were not made as the service asked: {difference}"))]
    Calls {
        difference: String,
        #[snafu(implicit)]
        location: Location,
    },
}

impl Classify for CliError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Comparison { .. } => ErrorKind::Memory,
            Self::Output { .. } | Self::Calls { .. } => ErrorKind::Internal,
            _ => ErrorKind::Validation,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Usage { .. } => USAGE,
            Self::Config { .. } => CONFIG,
            Self::UnknownKey { .. } => UNKNOWN_KEY,
            Self::NoSuchPath { .. } => NO_SUCH_PATH,
            Self::NoLog { .. } => NO_LOG,
            Self::UnusablePath { .. } => UNUSABLE_PATH,
            Self::NotAVector { .. } | Self::InvalidEntry { .. } => INVALID_INPUT,
            Self::NoSuchEntry { .. } => NO_SUCH_ENTRY,
            Self::NotConfirmed { .. } => NOT_CONFIRMED,
            Self::Output { .. } => OUTPUT,
            Self::FileExists { .. } => FILE_EXISTS,
            Self::Comparison { .. } => COMPARISON,
            Self::Calls { .. } => CALLS,
        }
    }

    fn context(&self) -> Context {
        match self {
            Self::NoSuchPath { path, .. }
            | Self::NoLog { dir: path, .. }
            | Self::UnusablePath { path, .. }
            | Self::NotAVector { path, .. }
            | Self::FileExists { path, .. }
            | Self::NotConfirmed { target: path, .. } => {
                Context::new().with("path", path.display().to_string())
            }
            Self::InvalidEntry { faults, .. } => {
                let all: Vec<Value> = faults.iter().map(|fault| fault.to_string().into()).collect();
                Context::new().with("faults", faults.count()).with("first_faults", all)
            }
            Self::NoSuchEntry { collection, .. } => {
                Context::new().with("collection", collection.clone())
            }
            _ => Context::new(),
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Usage { location, .. }
            | Self::Config { location, .. }
            | Self::UnknownKey { location, .. }
            | Self::NoSuchPath { location, .. }
            | Self::NoLog { location, .. }
            | Self::UnusablePath { location, .. }
            | Self::NotAVector { location, .. }
            | Self::InvalidEntry { location, .. }
            | Self::NoSuchEntry { location, .. }
            | Self::NotConfirmed { location, .. }
            | Self::FileExists { location, .. }
            | Self::Output { location, .. }
            | Self::Comparison { location, .. }
            | Self::Calls { location, .. } => Some(location),
        }
    }
}

impl From<CliError> for Error {
    #[track_caller]
    fn from(error: CliError) -> Self {
        Self::from_classified(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_code() {
        let readme = include_str!("../README.md");
        for code in CODES {
            assert!(readme.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
