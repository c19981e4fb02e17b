use std::collections::HashSet;
use std::time::Duration;

use lyra::errors::Result;
use lyra::log::read::{Entry, Log, Query, Record};

use super::unread::Unread;
use super::{Context, open, shown};
use crate::args::Format;
use crate::args::log::TailArgs;
use crate::exit::Exit;

/// How often one looks whether there is more.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &TailArgs, context: &Context) -> Result<Exit> {
    let log = open(&args.place, args.errors, context)?;
    if !args.follow {
        let mut unread = Unread::new(context.output);
        let last = Query::new().last(args.lines);
        for record in log.query_telling(last, |broken| unread.met(&broken))? {
            if tell(&record, context)?.is_none() {
                break;
            }
        }
        unread.tell();
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
    let mut unread = Unread::new(context.output);
    for record in log.query_telling(Query::new().last(lines), |broken| unread.met(&broken))? {
        told.extend(number(&record));
        if tell(&record, context)?.is_none() {
            return Ok(());
        }
    }
    unread.tell();
    let coming = coming.filter_map(|entry| match entry {
        Entry::Record(record) => Some(record),
        Entry::Broken(broken) => {
            // Told as it comes: there is no end to count it at.
            unread.met(&broken);
            unread.tell();
            None
        }
    });
    for record in coming {
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
