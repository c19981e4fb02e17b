mod own;
mod query;
mod shown;
mod tail;
mod unread;
mod verify;

use std::path::PathBuf;

use lyra::errors::Result;
use lyra::log::read::Log;

use super::Context;
use crate::args::log::{LogArgs, LogVerb, PlaceArgs};
use crate::error::{NoLogSnafu, UsageSnafu};
use crate::exit::Exit;
pub(crate) use own::{Own, interrupted};

pub(crate) fn run(args: LogArgs, context: &Context) -> Result<Exit> {
    match args.verb {
        LogVerb::Tail(args) => tail::run(&args, context),
        LogVerb::Query(args) => query::run(args, context),
        LogVerb::Verify(place) => verify::run(&place, context),
    }
}

/// The log that is meant: by its name, or the only one that is there.
fn open(place: &PlaceArgs, of_errors: bool, context: &Context) -> Result<Log> {
    let dir = place.dir.clone().unwrap_or_else(|| context.config().log.dir.clone());
    let name = match &place.name {
        Some(name) => name.clone(),
        None => only_name(&dir)?,
    };
    Ok(match of_errors {
        true => Log::open_errors(dir, &name)?,
        false => Log::open(dir, &name)?,
    })
}

fn only_name(dir: &PathBuf) -> Result<String> {
    let all = Log::all_in(dir)?;
    let mut names: Vec<&str> = all.iter().map(Log::name).collect();
    if names.iter().any(|name| !own::is_own(name)) {
        // Whoever asks about a log means that of the agent.
        names.retain(|name| !own::is_own(name));
    }
    match names[..] {
        [name] => Ok(name.to_owned()),
        [] => NoLogSnafu { dir }.fail()?,
        _ => {
            let message =
                format!("several logs are there, choose one with --name: {}", names.join(", "));
            UsageSnafu { message }.fail()?
        }
    }
}
