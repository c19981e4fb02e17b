use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Args, Subcommand, ValueEnum};

use crate::quantity::Moment;

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    pub(crate) verb: LogVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogVerb {
    /// The last records, and with --follow those that come
    Tail(TailArgs),
    /// The records that fit, oldest first
    Query(QueryArgs),
    /// Whether every record is there: gaps, torn lines, damaged files
    ///
    /// Exit code 4 where something is missing that the log itself does not tell as lost, or
    /// cannot be read.
    Verify(PlaceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Where the files are [default: `dir` of `[log]`, else logs]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// What stands before `.log` [default: the only log that is there]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,

    /// How many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,

    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// Of the file of errors
    #[arg(long)]
    pub(crate) errors: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,

    /// Of this level or a graver one
    #[arg(long, value_name = "LEVEL", ignore_case = true)]
    pub(crate) level: Option<Level>,

    /// Of this target and those below it, as `agent::store`
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Option<String>,

    /// Of this operation
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,

    /// With this field and value; more than one may be given
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) field: Vec<Pair>,

    /// With this text in this field
    #[arg(long, value_name = "KEY=TEXT")]
    pub(crate) contains: Vec<Pair>,

    /// Not before: as 2026-11-23T02:30:00Z, 2026-11-23 (its midnight in UTC), or 10min, 2h or 3d ago
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,

    /// Before
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,

    /// The first N
    #[arg(long, value_name = "N", conflicts_with = "last")]
    pub(crate) limit: Option<usize>,

    /// The last N
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,

    /// In the file of errors
    #[arg(long)]
    pub(crate) errors: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// A field and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) =
            text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                format!("`{text}` is no field with a value: it takes one such as user_id=123")
            })?;
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl From<Moment> for SystemTime {
    fn from(moment: Moment) -> Self {
        moment.time()
    }
}
