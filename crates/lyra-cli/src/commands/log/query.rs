use lyra::errors::Result;
use lyra::log::read::Query;
use serde_json::json;

use super::{Context, open, shown};
use crate::args::Format;
use crate::args::log::{Level, QueryArgs};
use crate::exit::Exit;

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
    if let Some(last) = args.last {
        query = query.last(last);
    }
    if let Some(limit) = args.limit {
        query = query.limit(limit);
    }
    if context.output.format() == Format::Json {
        let records = log.query(query)?;
        let records: Vec<_> = records.iter().map(|record| record.fields()).collect();
        context
            .output
            .result(&json!({ "name": log.name(), "records": records }), |_| String::new())?;
        return Ok(Exit::Done);
    }
    for record in log.query(query)? {
        if context.output.text(shown::line(&record))?.is_none() {
            break;
        }
    }
    Ok(Exit::Done)
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
