//! Rows of the database as entries, and entries as rows.

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::checksum;
use super::derived::{self, Derived, MOST_WAITING};
use crate::{Entry, EntryKind, vector};

/// The number of an entry in the database; it gives the order of adding.
pub(crate) type EntryNumber = i64;

/// An entry as it is written: checked, with its id and its vector.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) id: String,
    pub(crate) entry: Entry,
    pub(crate) vector: Vec<f32>,
    /// The fingerprint of whoever made the vector; none: the caller.
    pub(crate) made_by: Option<String>,
}

/// An entry as it is stored, with its vector where that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) number: EntryNumber,
    /// Its place in the collection; the order is that of the numbers.
    pub(crate) slot: i64,
    pub(crate) entry: Entry,
}

/// What to read of each entry; the text is what a `SELECT` begins with.
pub(crate) const WITH_VECTOR: &str = "
    SELECT e.entry, e.id, e.kind, e.content, e.summary, e.significance, e.tags, e.metadata,
           v.embedder, v.vector, e.slot
    FROM entries e JOIN embeddings v USING (entry)";

/// The same without the vector, which is the largest part by far.
pub(crate) const WITHOUT_VECTOR: &str = "
    SELECT e.entry, e.id, e.kind, e.content, e.summary, e.significance, e.tags, e.metadata,
           NULL, NULL, e.slot
    FROM entries e";

/// A row of either of the two.
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let kind = row.get_ref(2)?.as_str()?;
    let kind = EntryKind::from_name(kind)
        .ok_or_else(|| damaged(2, format!("an entry is of the unknown kind {kind:?}")))?;
    let mut entry = Entry::of(kind, row.get(3)?);
    entry.id = Some(row.get(1)?);
    entry.summary = row.get(4)?;
    entry.significance = row.get(5)?;
    entry.tags = json(row, 6)?;
    entry.metadata = json(row, 7)?;
    if let Some(blob) = row.get_ref(9)?.as_blob_or_null()? {
        let mut numbers = Vec::with_capacity(blob.len() / 4);
        if !vector::read_blob(blob, &mut numbers) {
            return Err(damaged(9, "a vector is cut short".to_owned()));
        }
        entry.embedding = Some(numbers);
    }
    entry.embedder = row.get(8)?;
    Ok(Stored { number: row.get(0)?, slot: row.get(10)?, entry })
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| damaged(column, error.to_string()))
}

fn damaged(column: usize, detail: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, detail.into())
}

/// The entry with that id, with its vector.
pub(crate) fn by_id(
    connection: &Connection,
    collection: i64,
    id: &str,
) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("{WITH_VECTOR} WHERE e.collection = ? AND e.id = ?");
    connection.prepare_cached(&sql)?.query_row(params![collection, id], read).optional()
}

/// The entry with that number.
pub(crate) fn by_number(
    connection: &Connection,
    columns: &str,
    number: EntryNumber,
) -> rusqlite::Result<Stored> {
    let sql = format!("{columns} WHERE e.entry = ?");
    connection.prepare_cached(&sql)?.query_row([number], read)
}

/// The entries of a collection by their slots.
pub(crate) fn by_slot<'c>(
    connection: &'c Connection,
    collection: i64,
    columns: &str,
) -> rusqlite::Result<BySlot<'c>> {
    let sql = format!("{columns} WHERE e.collection = ? AND e.slot = ?");
    Ok(BySlot { collection, statement: connection.prepare_cached(&sql)? })
}

pub(crate) struct BySlot<'c> {
    collection: i64,
    statement: CachedStatement<'c>,
}

impl BySlot<'_> {
    pub(crate) fn of(&mut self, slot: usize) -> rusqlite::Result<Stored> {
        let slot = i64::try_from(slot).expect("a slot is a place");
        self.statement.query_row([self.collection, slot], read)
    }
}

/// The number of the entry with that id.
pub(crate) fn number_of(
    connection: &Connection,
    collection: i64,
    id: &str,
) -> rusqlite::Result<Option<EntryNumber>> {
    connection
        .prepare_cached("SELECT entry FROM entries WHERE collection = ? AND id = ?")?
        .query_row(params![collection, id], |row| row.get(0))
        .optional()
}

/// Writes entries, unless ids of theirs are taken, which it returns. What was
/// written until then is for the caller to undo.
pub(crate) fn insert(
    connection: &Connection,
    collection: i64,
    batch: &[Prepared],
) -> rusqlite::Result<Vec<String>> {
    let Some(first) = batch.first() else { return Ok(Vec::new()) };
    let count = i64::try_from(batch.len()).expect("a batch fits into memory");
    let (first_slot, version) = derived::take_slots(connection, collection, count)?;
    // The one look for the id is that of its index, which has to find its place.
    let mut statement = connection.prepare_cached(
        "INSERT INTO entries
             (collection, slot, id, kind, content, summary, significance, tags, metadata, checksum)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (collection, id) DO NOTHING",
    )?;
    let mut vectors = vector_statement(connection)?;
    for (at, (slot, prepared)) in (first_slot..).zip(batch).enumerate() {
        let (entry, made) = (&prepared.entry, Made::of(prepared));
        let written = statement.execute(params![
            collection,
            slot,
            prepared.id,
            entry.kind.name(),
            entry.content,
            entry.summary,
            entry.significance,
            made.tags,
            made.metadata,
            made.checksum,
        ])?;
        if written == 0 {
            return taken_of(connection, collection, &batch[at..]);
        }
        let number = connection.last_insert_rowid();
        vectors.execute(params![number, prepared.made_by, made.vector])?;
    }
    let added = (first_slot..).zip(batch);
    let derived = Derived::of(connection, collection, dimension_of(first));
    derived
        .added(version, added.map(|(slot, prepared)| (slot, &prepared.entry, &*prepared.vector)))?;
    derived.index_waiting(MOST_WAITING)?;
    Ok(Vec::new())
}

/// The ids that are in the collection already.
fn taken_of(
    connection: &Connection,
    collection: i64,
    batch: &[Prepared],
) -> rusqlite::Result<Vec<String>> {
    let mut taken = Vec::new();
    for prepared in batch {
        if number_of(connection, collection, &prepared.id)?.is_some() {
            taken.push(prepared.id.clone());
        }
    }
    Ok(taken)
}

/// Writes an entry in place of the one with that number.
pub(crate) fn replace(
    connection: &Connection,
    collection: i64,
    number: EntryNumber,
    prepared: &Prepared,
) -> rusqlite::Result<()> {
    let (entry, made) = (&prepared.entry, Made::of(prepared));
    let old = by_number(connection, WITHOUT_VECTOR, number)?;
    Derived::of(connection, collection, dimension_of(prepared)).replaced(
        &old,
        entry,
        &prepared.vector,
    )?;
    connection
        .prepare_cached(
            "UPDATE entries SET kind = ?, content = ?, summary = ?, significance = ?, tags = ?,
                 metadata = ?, checksum = ?
             WHERE entry = ?",
        )?
        .execute(params![
            entry.kind.name(),
            entry.content,
            entry.summary,
            entry.significance,
            made.tags,
            made.metadata,
            made.checksum,
            number,
        ])?;
    vector_statement(connection)?.execute(params![number, prepared.made_by, made.vector])?;
    Ok(())
}

/// Deletes the entry with that number, and its vector with it.
pub(crate) fn delete(
    connection: &Connection,
    collection: i64,
    dimension: u32,
    number: EntryNumber,
) -> rusqlite::Result<()> {
    let old = by_number(connection, WITHOUT_VECTOR, number)?;
    Derived::of(connection, collection, dimension).removed(&old)?;
    for table in ["embeddings", "entries"] {
        let sql = format!("DELETE FROM {table} WHERE entry = ?");
        connection.prepare_cached(&sql)?.execute([number])?;
    }
    Ok(())
}

/// Deletes a collection with all that belongs to it.
pub(crate) fn drop(connection: &Connection, collection: i64) -> rusqlite::Result<()> {
    Derived::drop(connection, collection)?;
    connection.execute_batch(&format!(
        "DELETE FROM embeddings WHERE entry IN
             (SELECT entry FROM entries WHERE collection = {collection});
         DELETE FROM entries WHERE collection = {collection};
         DELETE FROM collections WHERE collection = {collection};"
    ))
}

fn dimension_of(prepared: &Prepared) -> u32 {
    u32::try_from(prepared.vector.len()).expect("a dimension was checked")
}

fn vector_statement(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(
        "INSERT OR REPLACE INTO embeddings (entry, embedder, vector) VALUES (?, ?, ?)",
    )
}

/// What is made of an entry to be written.
struct Made {
    tags: String,
    metadata: String,
    vector: Vec<u8>,
    checksum: [u8; checksum::BYTES],
}

impl Made {
    fn of(Prepared { id, entry, vector, made_by }: &Prepared) -> Self {
        let (tags, metadata) = (to_json(&entry.tags), to_json(&entry.metadata));
        let vector = vector::to_blob(vector);
        let checksum = checksum::over([
            ValueRef::from(&**id),
            ValueRef::from(entry.kind.name()),
            ValueRef::from(&*entry.content),
            ValueRef::from(entry.summary.as_deref()),
            entry.significance.map_or(ValueRef::Null, ValueRef::Integer),
            ValueRef::from(&*tags),
            ValueRef::from(&*metadata),
            ValueRef::from(made_by.as_deref()),
            ValueRef::Blob(&vector),
        ]);
        Self { tags, metadata, vector, checksum }
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("text, integers and finite numbers only")
}
