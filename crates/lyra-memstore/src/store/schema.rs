//! The layout of the database: entries and embeddings are the truth, and
//! whatever is derived from them comes by later migrations.

use std::panic::Location;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::checksum;
use super::derived::Derived;
use crate::error::{MemoryError, NewerFormatSnafu, NoStoreSnafu, NotAStoreSnafu, OlderFormatSnafu};

/// "LYRA", so that a file is known for what it is.
const APPLICATION_ID: i64 = 0x4C59_5241;

/// The format that this version writes.
pub(super) const FORMAT: i64 = 4;
const _: () = assert!(FORMAT == MIGRATIONS.len().cast_signed() as i64);

/// Step N brings a store from format N to format N + 1: what is laid out, and
/// whether what is derived from the entries is made anew then. A step that has
/// been released never changes.
const MIGRATIONS: [(&str, bool); 4] =
    [(FIRST, false), (DERIVED, true), (CHECKSUMS, false), (WAITING, true)];

/// - Numbers grow: `entry` is the order of adding. Those of collections are never
///   given twice, so that a handle of a dropped one cannot meet another one.
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
    entry        INTEGER PRIMARY KEY,
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

/// - `segments` and `codes`: rows of codes to scan; `version` is that of the
///   collection when a segment changed last. They are two tables because a
///   change of the number would otherwise write the codes again. `epoch` says
///   how often all of them were made anew.
/// - `attributes`: by what filters ask, from the value to the slot.
/// - Full text has two tables for each collection, made along with it.
const DERIVED: &str = "
ALTER TABLE collections ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

CREATE TABLE segments (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    segment    INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    UNIQUE (collection, segment)
) STRICT;
CREATE INDEX segments_by_version ON segments (collection, version);

CREATE TABLE codes (
    number INTEGER PRIMARY KEY REFERENCES segments ON DELETE CASCADE,
    rows   BLOB    NOT NULL
) STRICT;

CREATE TABLE attributes (
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    field      INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    value      ANY     NOT NULL,
    slot       INTEGER NOT NULL,
    PRIMARY KEY (collection, field, key, value, slot)
) STRICT, WITHOUT ROWID;
";

/// - `checksum` is over the entry and its vector as they were written; it is part
///   of the truth, so that to make anew what is derived does not approve damage.
const CHECKSUMS: &str = "
ALTER TABLE entries ADD COLUMN checksum BLOB;
";

/// - `indexed_slot`: from here on the texts are not in the index of trigrams yet.
const WAITING: &str = "
ALTER TABLE collections ADD COLUMN indexed_slot INTEGER NOT NULL DEFAULT 0;
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
    // Two vectors of 384 dimensions leave a quarter of a page of SQLite's 4 kB
    // empty, five of them a twentieth of one of 8. A store that stands keeps its
    // own.
    //
    // The log goes into the database after 16 MB, not SQLite's 4: so pages that
    // every commit changes are written there less often, which takes a twentieth
    // off the filling of a store. As much is kept in memory, not SQLite's 2 MB: a
    // thousand entries change more pages than that, which were then written, and
    // read again, before their commit.
    // References are kept by the statements, and `check` looks at them: enforced
    // they would make a savepoint of each deletion, and with it a part of the
    // full text of each.
    connection
        .execute_batch(
            "PRAGMA page_size = 8192;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA foreign_keys = OFF;
             PRAGMA cell_size_check = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA wal_autocheckpoint = 2000;
             PRAGMA cache_size = -16384;
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
    match format_of(&connection, path)? {
        0 => NoStoreSnafu { path }.fail(),
        FORMAT => Ok(connection),
        found => OlderFormatSnafu { path, found, supported: FORMAT }.fail(),
    }
}

/// A reader of a WAL database waits only for a recovery after a crash.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The format of the store; 0 for a database in which there is nothing yet.
fn format_of(connection: &Connection, path: &Path) -> Result<i64, MemoryError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
    // The database is open before SQLite finds that what is beside it is not.
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => MemoryError::Storage {
            path: path.to_owned(),
            operation: "write, as SQLite has to even for reading, beside",
            source: Box::new(source),
            location: Location::caller(),
        },
        _ => MemoryError::storage(path, "read the format of", source),
    };
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let objects =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, objects))
    };
    let (application, format, objects) = read().map_err(failed)?;
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
    let steps = &MIGRATIONS[done..];
    for (layout, _) in steps {
        transaction.execute_batch(layout)?;
    }
    if steps.iter().any(|(_, is_derived)| *is_derived) {
        rebuild(&transaction)?;
    }
    checksum::add_missing(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Makes anew what is derived, for all collections.
pub(super) fn rebuild(connection: &Connection) -> rusqlite::Result<()> {
    let mut collections = connection.prepare("SELECT collection, dimension FROM collections")?;
    let collections: Vec<(i64, u32)> = collections
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    collections
        .into_iter()
        .try_for_each(|(number, dimension)| Derived::of(connection, number, dimension).rebuild())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("database");
        let writer = open_writer(&path).unwrap();
        let pragma = |name: &str| -> rusqlite::types::Value {
            writer.pragma_query_value(None, name, |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "FULL");
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

    /// A store as the first version left it.
    fn first_format(path: &Path) {
        std::fs::create_dir(path).unwrap();
        let old = Connection::open(path.join("memory.sqlite3")).unwrap();
        old.execute_batch(MIGRATIONS[0].0).unwrap();
        old.execute_batch(
            "PRAGMA application_id = 1280922177; PRAGMA user_version = 1;
             INSERT INTO collections (name, dimension, metric, next_slot) VALUES ('facts', 2, 'l2', 3);
             INSERT INTO entries (collection, slot, id, kind, content, tags, metadata)
                 VALUES (1, 0, 'a', 'fact', 'the river', '[]', '{\"year\":1999}'),
                        (1, 2, 'b', 'fact', 'the sea', '[\"t\"]', '{}');
             INSERT INTO embeddings (entry, vector)
                 VALUES (1, x'0000803f00000000'), (2, x'000000000000803f');",
        )
        .unwrap();
        assert_eq!(APPLICATION_ID, 1_280_922_177);
    }

    #[test]
    fn a_store_of_the_first_format_is_brought_to_this_one() {
        use crate::{Filter, MemoryStore, Query};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory");
        first_format(&path);
        let error = MemoryStore::builder(&path).open_read_only().unwrap_err();
        assert!(matches!(error, MemoryError::OlderFormat { found: 1, .. }), "{error}");
        let store = MemoryStore::open(&path).unwrap();
        let facts = store.open_collection("facts").unwrap();
        let ids = |query: Query| {
            let hits = facts.query(query).unwrap();
            hits.iter().map(|hit| hit.entry.id().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(Query::embedding([0.0, 0.9])), ["b", "a"]);
        assert_eq!(ids(Query::embedding([0.0, 0.9]).filter(Filter::lt("year", 2000))), ["a"]);
        assert_eq!(facts.count_where(&Filter::contains("sea")).unwrap(), 1);
        let report = store.check().unwrap();
        assert!(report.is_ok() && report.entries == 2, "{report:?}");
        drop(store);
        MemoryStore::builder(&path).open_read_only().unwrap();
    }
}
