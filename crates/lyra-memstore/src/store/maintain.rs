//! What keeps a store in shape.

use rusqlite::Connection;

use super::schema;
use crate::MemoryStore;
use crate::error::MemoryError;

/// What a [`compact`](MemoryStore::compact) has gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// The size of the database before, in bytes.
    pub bytes_before: u64,
    /// The size thereafter.
    pub bytes_after: u64,
}

impl MemoryStore {
    /// Makes anew what is derived from the entries: codes, the index of
    /// metadata, full text. Where a [`check`](Self::check) finds fault with
    /// those, this mends it; the entries are only read.
    ///
    /// It is one transaction: killed in the middle, it was not.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin), and whatever a write can meet.
    pub fn reindex(&self) -> Result<(), MemoryError> {
        let transaction = self.begin()?;
        schema::rebuild(transaction.connection())
            .map_err(|source| self.failed("reindex", source))?;
        transaction.commit()
    }

    /// Gives the space of what was deleted back to the disk, and closes the
    /// gaps that it left in what queries read.
    ///
    /// Readers go on meanwhile, writers wait. It needs as much room as the
    /// store takes, for as long as it runs. Killed in the middle, the store is
    /// as it was, or has no gaps and still its size.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin), and whatever a write can meet.
    pub fn compact(&self) -> Result<CompactReport, MemoryError> {
        let bytes_before = self.stats()?.database_bytes;
        let transaction = self.begin()?;
        let connection = transaction.connection();
        close_gaps(connection)
            .and_then(|()| schema::rebuild(connection))
            .map_err(|source| self.failed("compact", source))?;
        transaction.commit()?;
        let turn = self.turn(self.0.lock_timeout)?;
        turn.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
            .map_err(|source| self.failed("compact", source))?;
        drop(turn);
        Ok(CompactReport { bytes_before, bytes_after: self.stats()?.database_bytes })
    }
}

/// Numbers the slots of each collection anew, in the order in which they are.
fn close_gaps(connection: &Connection) -> rusqlite::Result<()> {
    let mut collections = connection.prepare("SELECT collection FROM collections")?;
    let collections: Vec<i64> =
        collections.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut entries =
        connection.prepare("SELECT entry FROM entries WHERE collection = ? ORDER BY slot")?;
    // A slot is never moved up, and those below are done: none is taken.
    let mut moved =
        connection.prepare("UPDATE entries SET slot = ? WHERE entry = ? AND slot <> ?1")?;
    for collection in collections {
        let numbers: Vec<i64> =
            entries.query_map([collection], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for (slot, entry) in (0_i64..).zip(&numbers) {
            moved.execute([slot, *entry])?;
        }
        let next = i64::try_from(numbers.len()).expect("they were counted");
        connection.execute(
            "UPDATE collections SET next_slot = ? WHERE collection = ?",
            [next, collection],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Entry, MemoryStore, Space};

    #[test]
    fn a_dropped_collection_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::open(dir.path().join("memory")).unwrap();
        let entry = |text: &str| {
            Entry::fact(text).with_tags(["t"]).with_metadata("n", 1).with_embedding([1.0, 0.0])
        };
        for name in ["stays", "goes"] {
            let collection = store.collection(name, Space::cosine(2)).unwrap();
            collection.add([entry("the river"), entry("the sea")]).unwrap();
        }
        let rows = || -> Vec<(String, i64)> {
            let transaction = store.begin().unwrap();
            let connection = transaction.connection();
            let mut tables = connection
                .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
                .unwrap();
            let tables = tables.query_map([], |row| row.get(0)).unwrap();
            let tables: Vec<String> = tables.collect::<Result<_, _>>().unwrap();
            let count = |table: &str| {
                let sql = format!("SELECT count(*) FROM {table}");
                connection.query_row(&sql, [], |row| row.get(0)).unwrap()
            };
            tables.into_iter().map(|table| (table.clone(), count(&table))).collect()
        };
        let both = rows();
        store.drop_collection("goes").unwrap();
        let one = rows();
        let of = |table: &str| {
            let find =
                |rows: &[(String, i64)]| rows.iter().find(|(name, _)| name == table).unwrap().1;
            (find(&both), find(&one))
        };
        for table in ["entries", "embeddings"] {
            assert_eq!(of(table), (4, 2), "{table}");
        }
        assert_eq!(of("attributes"), (12, 6));
        for table in ["collections", "segments", "codes"] {
            assert_eq!(of(table), (2, 1), "{table}");
        }
        assert!(one.iter().all(|(table, _)| !table.ends_with("_2") && !table.contains("_2_")));
        assert!(store.check().unwrap().is_ok());
    }
}
