//! What the tour did, as its own log tells it.

use std::time::Instant;

use lyra::errors::Result;
use lyra::log::read::{Log, Query};
use serde_json::json;

use super::{Tour, ensure};
use crate::output::units;

/// The name of the log.
pub(super) const LOG: &str = "tour";

pub(super) const TARGET: &str = "lyra::tour";

impl Tour<'_> {
    /// As `lyra log query --operation roll_back` and `lyra log verify`.
    pub(super) fn read_log(&mut self) -> Result<()> {
        let started = Instant::now();
        let log = Log::open(self.stage.logs(), LOG)?;
        let told = log.query(Query::new().operation("roll_back"))?;
        let messages: Vec<&str> = told.iter().filter_map(|record| record.message()).collect();
        ensure(messages == ["begun", "rolled back", "done"], || {
            format!("of the step that failed on purpose the log tells {messages:?}")
        })?;
        let report = log.verify()?;
        ensure(report.is_whole() && report.records() > told.len() as u64, || {
            format!("the log of this tour is not whole: {report:?}")
        })?;
        let records = report.records();
        self.done(
            "log",
            format!(
                "{}, none missing; of the operation roll_back {}",
                units::count(records, "record"),
                told.len()
            ),
            json!({ "records": records, "of_roll_back": told.len(), "whole": true }),
            started.elapsed(),
        )?;
        for record in &told {
            let (level, message) = (record.level(), record.message().unwrap_or_default());
            let level = level.map_or("", |level| level.as_str());
            self.aside(format_args!("{level:<5} {message}"))?;
        }
        Ok(())
    }
}
