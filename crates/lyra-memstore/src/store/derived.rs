//! What is derived from the entries and their vectors, and written along with
//! them in the same transaction: codes to scan, attributes to filter by, words
//! to look up. All of it can be made anew from the entries.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, params};

use super::rows::{self, Stored};
use crate::scan::{Layout, Record};
use crate::{Entry, MetadataValue};

/// What an attribute is of; the value of a metadata key is filed by its type,
/// since values of different types are never equal and never in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Number = 0,
    Text = 1,
    Bool = 2,
    Tag = 3,
    Kind = 4,
    Significance = 5,
}

impl Field {
    /// Where values of a metadata key are filed.
    pub(crate) const METADATA: [Self; 3] = [Self::Number, Self::Text, Self::Bool];
}

/// An attribute's value as SQLite compares it: integers and floats as numbers,
/// exactly, texts by their bytes.
pub(crate) fn filed(value: &MetadataValue) -> (Field, ValueRef<'_>) {
    match value {
        MetadataValue::Int(number) => (Field::Number, ValueRef::Integer(*number)),
        MetadataValue::Float(number) => (Field::Number, ValueRef::Real(*number)),
        MetadataValue::Text(text) => (Field::Text, ValueRef::Text(text.as_bytes())),
        MetadataValue::Bool(truth) => (Field::Bool, ValueRef::Integer((*truth).into())),
    }
}

/// How words are looked up.
pub(crate) const WORDS: &str = "text, content = '', contentless_delete = 1,
                 tokenize = 'unicode61 remove_diacritics 2'";

/// The tables of full text, before the number of their collection. An entry is
/// in that of words at once; `contains` looks at the texts of the latest ones
/// itself, since their trigrams would be a third of what a single one costs.
const FULL_TEXT: [&str; 2] = ["words", "trigrams"];

/// How many texts may wait for their trigrams to be looked up.
pub(super) const MOST_WAITING: i64 = 32;

/// How many parts of an index are merged into one, where FTS5 takes four: each
/// text is copied less often, and there are still few parts to look into.
const PARTS_TO_MERGE: u32 = 8;

/// Of one collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Derived<'a> {
    connection: &'a Connection,
    collection: i64,
    layout: Layout,
}

impl<'a> Derived<'a> {
    pub(crate) fn of(connection: &'a Connection, collection: i64, dimension: u32) -> Self {
        Self { connection, collection, layout: Layout::of(dimension as usize) }
    }

    /// Makes room for what is derived from a new collection.
    pub(crate) fn create(connection: &Connection, collection: i64) -> rusqlite::Result<()> {
        // `contains` asks for parts of words, as they are written: so one
        // index is of trigrams. It says where something may be; the text
        // itself says where it is. The other one is of words, for ranks.
        connection.execute_batch(&format!(
            "CREATE VIRTUAL TABLE words_{collection} USING fts5({WORDS});
             CREATE VIRTUAL TABLE trigrams_{collection} USING fts5(
                 text, content = '', contentless_delete = 1, detail = none,
                 tokenize = 'trigram case_sensitive 1');"
        ))?;
        FULL_TEXT.iter().try_for_each(|table| {
            let sql = format!("INSERT INTO {table}_{collection} ({table}_{collection}, rank)");
            connection.execute_batch(&format!("{sql} VALUES ('automerge', {PARTS_TO_MERGE});"))
        })
    }

    /// Removes it with its collection.
    pub(crate) fn drop(connection: &Connection, collection: i64) -> rusqlite::Result<()> {
        connection.execute_batch(&format!(
            "DELETE FROM codes WHERE number IN
                 (SELECT number FROM segments WHERE collection = {collection});
             DELETE FROM segments WHERE collection = {collection};
             DELETE FROM attributes WHERE collection = {collection};
             DROP TABLE IF EXISTS words_{collection};
             DROP TABLE IF EXISTS trigrams_{collection};"
        ))
    }

    /// Entries have come, at these slots, with this version.
    pub(crate) fn added<'e>(
        self,
        version: i64,
        entries: impl Iterator<Item = (i64, &'e Entry, &'e [f32])>,
    ) -> rusqlite::Result<()> {
        let mut records: BTreeMap<i64, Vec<(usize, Record)>> = BTreeMap::new();
        for (slot, entry, vector) in entries {
            self.file(slot, entry)?;
            self.index("words", slot, &entry.content)?;
            let (segment, row) = self.place(slot);
            records.entry(segment).or_default().push((row, Record::of(vector)));
        }
        records.iter().try_for_each(|(&segment, rows)| self.write(segment, version, rows))
    }

    /// Another entry is in a slot than before.
    pub(crate) fn replaced(
        self,
        old: &Stored,
        entry: &Entry,
        vector: &[f32],
    ) -> rusqlite::Result<()> {
        self.unfile(old)?;
        self.file(old.slot, entry)?;
        if old.entry.content != entry.content {
            self.forget_text(old.slot)?;
            for table in self.tables_of(old.slot)? {
                self.index(table, old.slot, &entry.content)?;
            }
        }
        let (segment, row) = self.place(old.slot);
        self.write(segment, self.next_version()?, &[(row, Record::of(vector))])
    }

    /// An entry has gone.
    pub(crate) fn removed(self, old: &Stored) -> rusqlite::Result<()> {
        self.unfile(old)?;
        self.forget_text(old.slot)?;
        let (segment, row) = self.place(old.slot);
        let number = self.touch(segment, self.next_version()?)?;
        let at = self.layout.gauge_at(row);
        let mut blob = self.connection.blob_open(MAIN_DB, "codes", "rows", number, false)?;
        blob.write_all_at(&Record::GONE, at)
    }

    /// Makes everything anew, for entries that were written without, or where
    /// a check has found a fault.
    pub(crate) fn rebuild(self) -> rusqlite::Result<()> {
        let Self { connection, collection, .. } = self;
        let sql = "UPDATE collections SET epoch = epoch + 1, indexed_slot = 0 WHERE collection = ?";
        connection.execute(sql, [collection])?;
        Self::drop(connection, collection)?;
        Self::create(connection, collection)?;
        let sql = format!("{} WHERE e.collection = ? ORDER BY e.slot", rows::WITH_VECTOR);
        let mut statement = connection.prepare(&sql)?;
        let mut found = statement.query([collection])?;
        // As many at once as are in a segment.
        let mut batch: Vec<Stored> = Vec::new();
        loop {
            let next = found.next()?.map(rows::read).transpose()?;
            let is_end = next.is_none();
            batch.extend(next);
            if is_end || batch.len() >= self.layout.rows() {
                let entries = batch.iter().map(|stored| {
                    let vector = stored.entry.embedding.as_deref().unwrap_or_default();
                    (stored.slot, &stored.entry, vector)
                });
                self.added(self.next_version()?, entries)?;
                batch.clear();
            }
            if is_end {
                return self.index_waiting(0);
            }
        }
    }

    /// Segment and row of a slot.
    fn place(self, slot: i64) -> (i64, usize) {
        let rows = i64::try_from(self.layout.rows()).expect("a segment has few rows");
        let row = usize::try_from(slot.rem_euclid(rows)).expect("it is less than a segment has");
        (slot.div_euclid(rows), row)
    }

    /// Readers tell by it which segments they have to read again.
    fn next_version(self) -> rusqlite::Result<i64> {
        let (_, version) = take_slots(self.connection, self.collection, 0)?;
        Ok(version)
    }

    /// A segment changes; the number of its codes, which are made if they are
    /// not there yet.
    fn touch(self, segment: i64, version: i64) -> rusqlite::Result<i64> {
        let Self { connection, collection, layout } = self;
        let known: Option<i64> = connection
            .prepare_cached("SELECT number FROM segments WHERE collection = ? AND segment = ?")?
            .query_row([collection, segment], |row| row.get(0))
            .optional()?;
        if let Some(number) = known {
            connection
                .prepare_cached("UPDATE segments SET version = ? WHERE number = ?")?
                .execute([version, number])?;
            return Ok(number);
        }
        let sql = "INSERT INTO segments (collection, segment, version) VALUES (?, ?, ?)";
        connection.prepare_cached(sql)?.execute([collection, segment, version])?;
        let number = connection.last_insert_rowid();
        let bytes = i64::try_from(layout.bytes()).expect("a segment is small");
        let sql = "INSERT INTO codes (number, rows) VALUES (?, zeroblob(?))";
        connection.prepare_cached(sql)?.execute([number, bytes])?;
        Ok(number)
    }

    fn write(self, segment: i64, version: i64, rows: &[(usize, Record)]) -> rusqlite::Result<()> {
        let number = self.touch(segment, version)?;
        let mut blob = self.connection.blob_open(MAIN_DB, "codes", "rows", number, false)?;
        // Rows that follow one another are written with one call.
        for run in rows.chunk_by(|(before, _), (row, _)| before + 1 == *row) {
            let first = run[0].0;
            let gauges: Vec<u8> = run.iter().flat_map(|(_, record)| record.gauge).collect();
            blob.write_all_at(&gauges, self.layout.gauge_at(first))?;
            let codes: Vec<&[u8]> = run.iter().map(|(_, record)| &*record.codes).collect();
            blob.write_all_at(&codes.concat(), self.layout.codes_at(first))?;
        }
        Ok(())
    }

    /// Writes what filters ask for.
    fn file(self, slot: i64, entry: &Entry) -> rusqlite::Result<()> {
        let Self { connection, collection, .. } = self;
        let mut insert = connection.prepare_cached(
            "INSERT OR IGNORE INTO attributes (collection, field, key, value, slot)
             VALUES (?, ?, ?, ?, ?)",
        )?;
        attributes(entry, |field, key, value| {
            insert.execute(params![collection, field as i64, key, raw(value), slot]).map(drop)
        })
    }

    fn unfile(self, old: &Stored) -> rusqlite::Result<()> {
        let Self { connection, collection, .. } = self;
        let mut delete = connection.prepare_cached(
            "DELETE FROM attributes
             WHERE collection = ? AND field = ? AND key = ? AND value = ? AND slot = ?",
        )?;
        attributes(&old.entry, |field, key, value| {
            delete.execute(params![collection, field as i64, key, raw(value), old.slot]).map(drop)
        })
    }

    fn index(self, table: &str, slot: i64, text: &str) -> rusqlite::Result<()> {
        let sql = format!("INSERT INTO {table}_{} (rowid, text) VALUES (?, ?)", self.collection);
        self.connection.prepare_cached(&sql)?.execute(params![slot, text]).map(drop)
    }

    fn forget_text(self, slot: i64) -> rusqlite::Result<()> {
        self.tables_of(slot)?.iter().try_for_each(|table| {
            let sql = format!("DELETE FROM {table}_{} WHERE rowid = ?", self.collection);
            self.connection.prepare_cached(&sql)?.execute([slot]).map(drop)
        })
    }

    /// In which tables of full text a slot is.
    fn tables_of(self, slot: i64) -> rusqlite::Result<&'static [&'static str]> {
        let waits = waiting(self.connection, self.collection)?.contains(&slot);
        Ok(if waits { &FULL_TEXT[..1] } else { &FULL_TEXT })
    }

    /// Looks the texts that wait for it up for their trigrams, when they are many
    /// enough that it pays.
    pub(super) fn index_waiting(self, most: i64) -> rusqlite::Result<()> {
        let Self { connection, collection, .. } = self;
        let slots = waiting(connection, collection)?;
        if slots.end - slots.start <= most {
            return Ok(());
        }
        let mut contents = connection.prepare_cached(
            "SELECT slot, content FROM entries WHERE collection = ? AND slot >= ?",
        )?;
        let mut found = contents.query([collection, slots.start])?;
        while let Some(row) = found.next()? {
            self.index("trigrams", row.get(0)?, row.get_ref(1)?.as_str()?)?;
        }
        connection
            .prepare_cached("UPDATE collections SET indexed_slot = ? WHERE collection = ?")?
            .execute([slots.end, collection])
            .map(drop)
    }
}

/// The slots whose texts are not in the index of trigrams yet.
pub(crate) fn waiting(connection: &Connection, collection: i64) -> rusqlite::Result<Range<i64>> {
    connection
        .prepare_cached("SELECT indexed_slot, next_slot FROM collections WHERE collection = ?")?
        .query_row([collection], |row| Ok(row.get(0)?..row.get(1)?))
}

/// The first of so many new slots, and the collection's next version.
pub(super) fn take_slots(
    connection: &Connection,
    collection: i64,
    count: i64,
) -> rusqlite::Result<(i64, i64)> {
    let (slot, version): (i64, i64) = connection
        .prepare_cached("SELECT next_slot, version + 1 FROM collections WHERE collection = ?")?
        .query_row([collection], |row| Ok((row.get(0)?, row.get(1)?)))?;
    connection
        .prepare_cached("UPDATE collections SET next_slot = ?, version = ? WHERE collection = ?")?
        .execute([slot + count, version, collection])?;
    Ok((slot, version))
}

/// How often a collection's codes were made anew, and which of their versions
/// it is; none where it is gone.
pub(crate) fn version(
    connection: &Connection,
    collection: i64,
) -> rusqlite::Result<Option<(i64, i64)>> {
    connection
        .prepare_cached("SELECT epoch, version FROM collections WHERE collection = ?")?
        .query_row([collection], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// All attributes of an entry.
pub(crate) fn attributes(
    entry: &Entry,
    mut each: impl FnMut(Field, &str, ValueRef<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    for (key, value) in &entry.metadata {
        let (field, value) = filed(value);
        each(field, key, value)?;
    }
    for tag in &entry.tags {
        each(Field::Tag, "", ValueRef::Text(tag.as_bytes()))?;
    }
    each(Field::Kind, "", ValueRef::Text(entry.kind.name().as_bytes()))?;
    if let Some(significance) = entry.significance {
        each(Field::Significance, "", ValueRef::Integer(significance))?;
    }
    Ok(())
}

/// As a parameter.
pub(crate) fn raw(value: ValueRef<'_>) -> rusqlite::types::ToSqlOutput<'_> {
    rusqlite::types::ToSqlOutput::Borrowed(value)
}
