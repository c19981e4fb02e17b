//! A store as the first version left it.

use std::path::Path;

/// Takes away from a closed store what later formats have added.
pub(crate) fn bring_back(path: &Path) {
    let database = rusqlite::Connection::open(path.join("memory.sqlite3")).unwrap();
    let collections: Vec<i64> = database
        .prepare("SELECT collection FROM collections")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for number in collections {
        let sql = format!("DROP TABLE words_{number}; DROP TABLE trigrams_{number};");
        database.execute_batch(&sql).unwrap();
    }
    database
        .execute_batch(
            "DROP TABLE attributes; DROP TABLE codes; DROP TABLE segments;
             ALTER TABLE collections DROP COLUMN version;
             ALTER TABLE collections DROP COLUMN epoch;
             ALTER TABLE collections DROP COLUMN indexed_slot;
             ALTER TABLE entries DROP COLUMN checksum;
             PRAGMA user_version = 1; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
}
