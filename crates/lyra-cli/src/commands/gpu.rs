mod document;
mod found;
mod plan;
mod status;
mod view;
mod watch;

use lyra::errors::{Error, Result};
use tokio::runtime::{Builder, Runtime};

use super::Context;
use crate::args::gpu::{GpuArgs, GpuVerb};
use crate::exit::Exit;
pub(crate) use found::Found;

pub(crate) fn run(args: GpuArgs, context: &Context) -> Result<Exit> {
    let found = Found::on_this_machine(&context.config().gpu)?;
    match args.verb {
        GpuVerb::Status => status::run(&found, context),
        GpuVerb::Plan(args) => plan::run(&args, &found, context),
        GpuVerb::Watch(args) => watch::run(&args, &found, context),
    }
}

/// Gives the readings a thread to block on, and a clock to be given up by.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| Error::internal("no runtime can be made").with_source(error))
}
