use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::memory::KeyValue;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Where the backups lie [default: backups]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) backup_dir: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) verb: BackupVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Make a backup of a directory, also while it is written to, and verify it
    Create(CreateArgs),
    /// List the backups, newest first, from their sidecars
    List,
    /// Read and check every byte of a backup
    Validate(ValidateArgs),
    /// Put a backup in the place of a directory, which until then stays what it was
    ///
    /// Into a directory that exists it asks first; where there is no terminal it refuses with exit
    /// code 2 unless --yes is given. The tree that was there is kept beside the target until the
    /// next restore to it; `lyra backup rollback` brings it back.
    Restore(RestoreArgs),
    /// Bring back the directory that the last restore replaced
    ///
    /// Rolling back twice is where it began.
    Rollback(TargetArgs),
    /// Delete the directory that the last restore replaced, for good
    DiscardPrevious(TargetArgs),
    /// Delete the backups that the retention policy does not keep
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The directory to back up [default: memory]
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,

    /// What the names begin with [default: lyra]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,

    /// How hard to compress, 1 to 19 [default: 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) level: Option<i32>,

    /// The same as --level 1: two thirds of the time for a fiftieth more space
    #[arg(long, conflicts_with = "level")]
    pub(crate) fast: bool,

    /// A note to keep with the backup; can be repeated
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<KeyValue>,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The backup, as `lyra backup list` names it
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup, as `lyra backup list` names it
    pub(crate) name: String,

    /// The directory to put it at
    #[arg(long, value_name = "DIR")]
    pub(crate) target: PathBuf,

    /// Check everything and tell what would change, but write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Do not ask before an existing directory is replaced
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Also restore links that may lead outside the target
    #[arg(long)]
    pub(crate) allow_external_symlinks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The directory that was restored to
    #[arg(long, value_name = "DIR")]
    pub(crate) target: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Which backups: those that were created with this prefix [default: lyra]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,

    /// Keep every backup of so many days [default: 30]
    #[arg(long, value_name = "N")]
    pub(crate) retention_days: Option<u32>,

    /// Keep so many of the newest in any case [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<u32>,

    /// Tell what would be deleted, but delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
