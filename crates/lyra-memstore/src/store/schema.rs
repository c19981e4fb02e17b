//! The layout of the database: entries and embeddings are the truth, and
//! whatever is derived from them comes by later migrations.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::{MemoryError, NewerFormatSnafu, NoStoreSnafu, NotAStoreSnafu};

/// "LYRA", so that a file is known for what it is.
const APPLICATION_ID: i64 = 0x4C59_5241;

/// The format that this version writes.
pub(super) const FORMAT: i64 = 1;
const _: () = assert!(FORMAT == MIGRATIONS.len().cast_signed() as i64);

/// Step N brings a store from format N to format N + 1. A step that has been
/// released never changes.
const MIGRATIONS: [&str; 1] = [FIRST];

/// - Numbers grow and are never given twice: `entry` is the order of adding, and
///   a handle of a dropped collection cannot meet another one.
/// - `slot` is an entry's dense place within its collection, for what will be
///   derived per collection.
/// - `embeddings.embedder` says who made a vector; null is the caller.
const FIRST: &str = "
CREATE TABLE collections (
    collection INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    dimension  INTEGER NOT NULL CHECK (dimension BETWEEN 1 AND 65536),
    metric     TEXT    NOT NULL CHECK (metric IN ('cosine', 'l2', 'ip')),
    embedder   TEXT,
    next_slot  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE entries (
    entry        INTEGER PRIMARY KEY AUTOINCREMENT,
    collection   INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    slot         INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    content      TEXT    NOT NULL,
    summary      TEXT,
    significance INTEGER,
    tags         TEXT    NOT NULL,
    metadata     TEXT    NOT NULL,
    UNIQUE (collection, id),
    UNIQUE (collection, slot)
) STRICT;

CREATE TABLE embeddings (
    entry    INTEGER PRIMARY KEY REFERENCES entries ON DELETE CASCADE,
    embedder TEXT,
    vector   BLOB    NOT NULL
) STRICT;
";

/// Opens the database for the one writer, and creates or migrates it.
pub(super) fn open_writer(path: &Path) -> Result<Connection, MemoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let failed = |source| MemoryError::storage(path, "open the database of", source);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    // Before anything is written: is it ours at all?
    let format = format_of(&connection, path)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA foreign_keys = ON;
             PRAGMA cell_size_check = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    if format < FORMAT {
        migrate(&mut connection, format).map_err(failed)?;
    }
    Ok(connection)
}

/// Opens the database for reading, while another process may write to it.
pub(super) fn open_reader(path: &Path) -> Result<Connection, MemoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let failed = |source| MemoryError::storage(path, "open the database of", source);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection
        .execute_batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")
        .map_err(failed)?;
    if format_of(&connection, path)? == 0 {
        return NoStoreSnafu { path }.fail();
    }
    Ok(connection)
}

/// A reader of a WAL database waits only for a recovery after a crash.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The format of the store; 0 for a database in which there is nothing yet.
fn format_of(connection: &Connection, path: &Path) -> Result<i64, MemoryError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let objects =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, objects))
    };
    let (application, format, objects) =
        read().map_err(|source| MemoryError::storage(path, "read the format of", source))?;
    match (application, format) {
        (0, 0) if objects == 0 => Ok(0),
        (APPLICATION_ID, 1..=FORMAT) => Ok(format),
        (APPLICATION_ID, _) => NewerFormatSnafu { path, found: format, supported: FORMAT }.fail(),
        _ => NotAStoreSnafu { path, reason: "its database belongs to another program" }.fail(),
    }
}

/// All steps in one transaction: a kill leaves the old format or the new one.
fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(from).unwrap_or(0);
    for step in &MIGRATIONS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_synced_and_references_are_enforced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("database");
        let writer = open_writer(&path).unwrap();
        let pragma = |name: &str| -> rusqlite::types::Value {
            writer.pragma_query_value(None, name, |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "FULL");
        assert_eq!(pragma("foreign_keys"), 1.into());
        assert_eq!(pragma("user_version"), FORMAT.into());
    }

    #[test]
    fn a_second_open_migrates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("database");
        drop(open_writer(&path).unwrap());
        let version = || std::fs::read(&path).unwrap();
        let before = version();
        drop(open_writer(&path).unwrap());
        assert_eq!(version(), before);
    }
}
