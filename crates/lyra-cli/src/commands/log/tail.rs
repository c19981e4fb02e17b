use std::collections::HashSet;
use std::time::Duration;

use lyra::errors::Result;
use lyra::log::read::{Entry, Log, Record};

use super::{Context, open, shown};
use crate::args::Format;
use crate::args::log::TailArgs;
use crate::exit::Exit;

/// How often one looks whether there is more.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &TailArgs, context: &Context) -> Result<Exit> {
    let log = open(&args.place, args.errors, context)?;
    if !args.follow {
        for record in log.tail(args.lines)? {
            if tell(&record, context)?.is_none() {
                break;
            }
        }
        return Ok(Exit::Done);
    }
    context.interrupt.winding_down(|| follow(&log, args.lines, context))?;
    Ok(Exit::Done)
}

/// Begun before the last ones are read, so that none falls between; what is
/// written meanwhile is not told twice.
fn follow(log: &Log, lines: usize, context: &Context) -> Result<()> {
    let coming = log.follow(|| {
        std::thread::sleep(LOOK);
        context.interrupt.flow().is_continue()
    })?;
    let mut told = HashSet::new();
    for record in log.tail(lines)? {
        told.extend(number(&record));
        if tell(&record, context)?.is_none() {
            return Ok(());
        }
    }
    for record in coming.filter_map(Entry::into_record) {
        // Not by the order of the numbers: threads may write them out of it.
        let is_told = number(&record).is_some_and(|number| told.remove(&number));
        if !is_told && tell(&record, context)?.is_none() {
            break;
        }
    }
    Ok(())
}

fn number(record: &Record) -> Option<(String, u64)> {
    Some((record.run()?.to_owned(), record.seq()?))
}

fn tell(record: &Record, context: &Context) -> Result<Option<()>> {
    match context.output.format() {
        Format::Json => context.output.line(record.fields()),
        Format::Human => context.output.text(shown::line(record)),
    }
}
