use std::cell::RefCell;

use lyra::errors::Result;
use lyra::log::read::{Entry, Query, Record};
use serde::{Serialize, Serializer};

use super::unread::Unread;
use super::{Context, open, shown};
use crate::args::Format;
use crate::args::log::{Level, QueryArgs};
use crate::exit::Exit;
use crate::quantity::Moment;

pub(super) fn run(args: QueryArgs, context: &Context) -> Result<Exit> {
    let log = open(&args.place, args.errors, context)?;
    let mut query = Query::new();
    if let Some(level) = args.level {
        query = query.level(level.into());
    }
    if let Some(target) = args.target {
        query = query.target(target);
    }
    if let Some(operation) = args.operation {
        query = query.operation(operation);
    }
    for pair in args.field {
        query = query.field(pair.key, pair.value);
    }
    for pair in args.contains {
        query = query.field_containing(pair.key, pair.value);
    }
    if let Some(since) = args.since {
        query = query.since(since.into());
    }
    if let Some(until) = args.until {
        query = query.until(until.into());
    }
    if is_empty(args.since, args.until) {
        context.output.warn("nothing is before --until and not before --since: they are swapped");
    }
    let mut unread = Unread::new(context.output);
    match args.last {
        Some(last) => {
            let found = log.query_telling(query.last(last), |broken| unread.met(&broken))?;
            show(log.name(), found.into_iter(), context)?;
        }
        // One after the other: there may be more than fits into the memory.
        None => {
            let fitting = log.records()?.filter_map(|entry| match entry {
                Entry::Record(record) => query.matches(&record).then_some(record),
                Entry::Broken(broken) => {
                    unread.met(&broken);
                    None
                }
            });
            show(log.name(), fitting.take(args.limit.unwrap_or(usize::MAX)), context)?;
        }
    }
    unread.tell();
    Ok(Exit::Done)
}

fn is_empty(since: Option<Moment>, until: Option<Moment>) -> bool {
    matches!((since, until), (Some(since), Some(until)) if since.time() >= until.time())
}

fn show(name: &str, records: impl Iterator<Item = Record>, context: &Context) -> Result<()> {
    if context.output.format() == Format::Json {
        let records = OneByOne(RefCell::new(records));
        context.output.stream(&Document { name, records })?;
        return Ok(());
    }
    for record in records {
        if context.output.text(shown::line(&record))?.is_none() {
            break;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a, R> {
    name: &'a str,
    records: R,
}

/// Records that are read while they are written out; only once.
struct OneByOne<I>(RefCell<I>);

impl<I: Iterator<Item = Record>> Serialize for OneByOne<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.borrow_mut().by_ref().map(Fields))
    }
}

struct Fields(Record);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.fields().serialize(serializer)
    }
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}
