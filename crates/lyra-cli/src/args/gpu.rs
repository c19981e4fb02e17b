use std::num::NonZeroU64;

use clap::{Args, Subcommand};

use crate::quantity::{Interval, Size};

#[derive(Debug, Args)]
pub(crate) struct GpuArgs {
    #[command(subcommand)]
    pub(crate) verb: GpuVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GpuVerb {
    /// How the devices stand, or why there is no GPU
    Status,
    /// What would happen to models of these sizes, loaded one after the other
    ///
    /// The devices are taken as they are, and nothing is loaded. Unless --in-use says otherwise,
    /// nobody uses a model any more when the next one comes, so that it may be evicted.
    Plan(PlanArgs),
    /// The same again and again, until Ctrl-C
    ///
    /// On a terminal it is a page that is drawn anew; elsewhere, and with --format json, each
    /// reading is one line of JSON.
    Watch(WatchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// What each model takes at its peak, as 12GiB or 800MiB
    #[arg(required = true, value_name = "SIZE")]
    pub(crate) sizes: Vec<Size>,

    /// Every model is still in use when the next one comes, and none can be evicted
    #[arg(long)]
    pub(crate) in_use: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// How long from one reading to the next, as 2s or 500ms [default: 1s]
    #[arg(long, value_name = "TIME")]
    pub(crate) interval: Option<Interval>,

    /// End after so many readings
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<NonZeroU64>,
}
