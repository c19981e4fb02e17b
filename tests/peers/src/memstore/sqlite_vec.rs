//! sqlite-vec, in the SQLite that ours has too, as durable as ours: the log
//! ahead of the database, and a commit is on the disk.

use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::TOP;
use super::orders::By;
use super::serve::{Outcome, Record, Store};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT);
    CREATE VIRTUAL TABLE IF NOT EXISTS vectors USING vec0(
        embedding float[384] distance_metric=cosine, bucket integer, grp integer
    );";

pub(super) struct SqliteVec {
    path: PathBuf,
    connection: Option<Connection>,
}

impl SqliteVec {
    pub(super) fn at(folder: &Path) -> Self {
        Self { path: folder.join("vectors.sqlite3"), connection: None }
    }

    fn connection(&mut self) -> Outcome<&mut Connection> {
        self.connection.as_mut().ok_or_else(|| "it is not open".into())
    }
}

impl Store for SqliteVec {
    fn open(&mut self, for_writing: bool) -> Outcome<()> {
        let connection = Connection::open(&self.path)?;
        load_into(&connection)?;
        if for_writing {
            connection.execute_batch(SCHEMA)?;
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn add(&mut self, records: Vec<Record>) -> Outcome<()> {
        let transaction = self.connection()?.transaction()?;
        for Record { id, line, vector } in records {
            let mut entry =
                transaction.prepare_cached("INSERT INTO entries (id, text) VALUES (?, ?)")?;
            let number = entry.insert(params![id, line.text])?;
            let mut embedding = transaction.prepare_cached(
                "INSERT INTO vectors (rowid, embedding, bucket, grp) VALUES (?, ?, ?, ?)",
            )?;
            let (bucket, group) = (i64::try_from(line.bucket)?, i64::try_from(line.group)?);
            embedding.execute(params![number, bytes(&vector), bucket, group])?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn query(&mut self, vector: &[f32], only: Option<(By, usize)>) -> Outcome<Vec<String>> {
        let condition = match only {
            None => "",
            Some((by, _)) if by == By::BUCKET => "AND bucket = ?2",
            Some(_) => "AND grp = ?2",
        };
        // With the texts, as the others give them.
        let text = format!(
            "WITH near AS (SELECT rowid, distance FROM vectors
                           WHERE embedding MATCH ?1 AND k = {TOP} {condition})
             SELECT id, text FROM near JOIN entries ON number = near.rowid ORDER BY distance"
        );
        let mut statement = self.connection()?.prepare_cached(&text)?;
        let bytes = bytes(vector);
        let value = only.map(|(_, value)| i64::try_from(value)).transpose()?;
        let mut rows = match value {
            None => statement.query(params![bytes])?,
            Some(value) => statement.query(params![bytes, value])?,
        };
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, _text): (String, String) = (row.get(0)?, row.get(1)?);
            ids.push(id);
        }
        Ok(ids)
    }
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Its functions and its kind of table, for this connection.
fn load_into(connection: &Connection) -> Outcome<()> {
    // What `sqlite3_vec_init` is; its crate declares it without arguments, as
    // it was meant to be given to SQLite alone.
    type Init = unsafe extern "C" fn(*mut c_void, *mut *mut c_char, *const c_void) -> c_int;
    // SAFETY: `sqlite-vec.c` defines it with this signature.
    let init: Init =
        unsafe { std::mem::transmute(::sqlite_vec::sqlite3_vec_init as unsafe extern "C" fn()) };
    // SAFETY: the connection is open; it takes no table of functions where it
    // is built in, and a null pointer where a message may go.
    let code = unsafe { init(connection.handle().cast(), std::ptr::null_mut(), std::ptr::null()) };
    if code == 0 { Ok(()) } else { Err(format!("sqlite-vec refused: {code}").into()) }
}
