//! Whether what is derived is what follows from the entries.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::{CheckReport, full_text};
use crate::scan::{Layout, Record, Segment};
use crate::store::codes::changed;
use crate::store::derived::{attributes, waiting};
use crate::store::rows::{self, WITH_VECTOR};

/// An attribute that is filed: field, key, value as text, slot.
type Filed = (i64, String, String, i64);

pub(super) fn check(
    connection: &Connection,
    name: &str,
    collection: i64,
    dimension: u32,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let layout = Layout::of(dimension as usize);
    let mut segments: Vec<Option<Segment>> = Vec::new();
    let read = changed(connection, collection, layout, -1, |at, segment| {
        segments.resize_with(segments.len().max(at + 1), || None);
        segments[at] = Some(segment);
    });
    if let Err(error) = read {
        report.problem(format!("collection {name}: {error}"));
        return Ok(());
    }
    let mut filed = filed(connection, collection)?;
    let sql = format!("{WITH_VECTOR} WHERE e.collection = ? ORDER BY e.slot");
    let mut statement = connection.prepare(&sql)?;
    let mut found = statement.query([collection])?;
    let waiting = waiting(connection, collection)?;
    let (mut entries, mut indexed) = (0_usize, 0_usize);
    while let Some(row) = found.next()? {
        let stored = rows::read(row)?;
        entries += 1;
        indexed += usize::from(stored.slot < waiting.start);
        let vector = stored.entry.embedding.as_deref().unwrap_or_default();
        let slot = usize::try_from(stored.slot).unwrap_or(usize::MAX);
        let segment = segments.get(slot / layout.rows()).and_then(Option::as_ref);
        if !segment.is_some_and(|s| s.holds(slot % layout.rows(), &Record::of(vector))) {
            report
                .problem(format!("entry {}: its codes are not those of its vector", stored.number));
        }
        attributes(&stored.entry, |field, key, value| {
            let text = text_of(&Value::try_from(value).unwrap_or(Value::Null));
            if !filed.remove(&(field as i64, key.to_owned(), text, stored.slot)) {
                report.problem(format!("entry {}: {key:?} is not filed", stored.number));
            }
            Ok(())
        })?;
    }
    for (_, key, _, slot) in filed {
        report.problem(format!(
            "collection {name}: {key:?} is filed for slot {slot}, which lacks it"
        ));
    }
    let all = segments.iter().flatten();
    let rows = all.map(|s| (0..layout.rows()).filter(|&row| s.gauge(row).is_some()).count());
    let coded: usize = rows.sum();
    if coded != entries {
        report
            .problem(format!("collection {name}: {coded} entries are coded, {entries} are there"));
    }
    let known = report.problem_count;
    for (table, entries) in [("words", entries), ("trigrams", indexed)] {
        let sql = format!("SELECT count(*) FROM {table}_{collection}_docsize");
        let looked_up: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if usize::try_from(looked_up) != Ok(entries) {
            report.problem(format!(
                "collection {name}: {looked_up} texts of {entries} are in {table}"
            ));
        }
    }
    if report.problem_count == known {
        full_text::check(connection, name, collection, report)?;
    }
    Ok(())
}

fn filed(connection: &Connection, collection: i64) -> rusqlite::Result<BTreeSet<Filed>> {
    connection
        .prepare("SELECT field, key, value, slot FROM attributes WHERE collection = ?")?
        .query_map(params![collection], |row| {
            Ok((row.get(0)?, row.get(1)?, text_of(&row.get(2)?), row.get(3)?))
        })?
        .collect()
}

/// Told apart by type and by every bit.
fn text_of(value: &Value) -> String {
    format!("{value:?}")
}
