//! A sum over each entry as it is stored. SQLite has none over its pages, so a
//! bit that flips on the disk would make another text of a text, and nobody
//! could tell.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use twox_hash::xxhash3_128::Hasher;

use super::rows::EntryNumber;

/// Long enough that no damage is overlooked by chance.
pub(super) const BYTES: usize = 16;

/// Over the values of a row, each with its type and its length.
///
/// It is to find damage, not forgers, so it needs none of a cryptographic
/// hash's cost, which was a sixteenth of that of adding a thousand entries.
pub(super) fn over<'v>(values: impl IntoIterator<Item = ValueRef<'v>>) -> [u8; BYTES] {
    let mut row = Vec::with_capacity(4096);
    for value in values {
        let number;
        let (sort, bytes): (u8, &[u8]) = match value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(integer) => {
                number = integer.to_le_bytes();
                (1, &number)
            }
            ValueRef::Real(real) => {
                number = real.to_le_bytes();
                (2, &number)
            }
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        row.push(sort);
        row.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        row.extend_from_slice(bytes);
    }
    Hasher::oneshot(&row).to_le_bytes()
}

/// What it is over; where an entry lies is none of it.
const SUMMED: &str = "
    SELECT e.entry, e.checksum, e.id, e.kind, e.content, e.summary, e.significance, e.tags,
           e.metadata, v.embedder, v.vector
    FROM entries e JOIN embeddings v USING (entry)";

/// The sum that was written along with an entry, and the one that it has.
type Sums = (EntryNumber, Option<Vec<u8>>, [u8; BYTES]);

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Sums> {
    let values: Vec<ValueRef<'_>> = (2..11).map(|at| row.get_ref(at)).collect::<Result<_, _>>()?;
    Ok((row.get(0)?, row.get(1)?, over(values)))
}

/// Whether an entry is as it was written.
pub(crate) fn holds(connection: &Connection, number: EntryNumber) -> rusqlite::Result<bool> {
    let sums = connection
        .prepare_cached(&format!("{SUMMED} WHERE e.entry = ?"))?
        .query_row([number], read)
        .optional()?;
    Ok(sums.is_some_and(|(_, written, own)| written.as_deref() == Some(&own)))
}

/// Writes the sums of entries that were written without.
pub(super) fn add_missing(connection: &Connection) -> rusqlite::Result<()> {
    let mut bare = connection.prepare("SELECT entry FROM entries WHERE checksum IS NULL")?;
    let numbers: Vec<EntryNumber> =
        bare.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut summed = connection.prepare(&format!("{SUMMED} WHERE e.entry = ?"))?;
    let mut write = connection.prepare("UPDATE entries SET checksum = ? WHERE entry = ?")?;
    for number in numbers {
        // An entry without its vector stays without a sum, which a check tells.
        if let Some((_, _, own)) = summed.query_row([number], read).optional()? {
            write.execute((own, number))?;
        }
    }
    Ok(())
}
