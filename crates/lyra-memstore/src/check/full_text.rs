//! Whether the full text of a collection is that of its contents. SQLite's own
//! check cannot know, since the index is kept without the texts.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::{Connection, params};

use super::CheckReport;
use crate::store::derived::{WORDS, waiting};

/// Needs a connection of its own, on which it leaves temporary tables.
pub(super) fn check(
    connection: &Connection,
    name: &str,
    collection: i64,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    // What makes words of a text is SQLite's alone: so the words are looked up
    // anew, and both compared.
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE temp.anew_{collection} USING fts5({WORDS});
         CREATE VIRTUAL TABLE temp.anew_all_{collection}
             USING fts5vocab(temp, anew_{collection}, instance);
         CREATE VIRTUAL TABLE temp.words_all_{collection}
             USING fts5vocab(main, words_{collection}, instance);
         CREATE VIRTUAL TABLE temp.trigrams_all_{collection}
             USING fts5vocab(main, trigrams_{collection}, instance);"
    ))?;
    let sql = format!("INSERT INTO temp.anew_{collection} (rowid, text) VALUES (?, ?)");
    let mut insert = connection.prepare(&sql)?;
    let mut contents =
        connection.prepare("SELECT slot, content FROM entries WHERE collection = ?")?;
    let mut found = contents.query([collection])?;
    let mut trigrams = Sum::default();
    let waiting = waiting(connection, collection)?;
    while let Some(row) = found.next()? {
        let (slot, content): (i64, &str) = (row.get(0)?, row.get_ref(1)?.as_str()?);
        insert.execute(params![slot, content])?;
        if slot >= waiting.start {
            continue;
        }
        for three in trigrams_of(content) {
            trigrams.add((three.as_bytes(), slot, None));
        }
    }
    let sum = |table: &str| sum_of(connection, &format!("temp.{table}_all_{collection}"));
    let sizes = format!(
        "SELECT count(*) FROM main.words_{collection}_docsize
         JOIN temp.anew_{collection}_docsize anew USING (id) WHERE words_{collection}_docsize.sz <> anew.sz"
    );
    let other_sizes: i64 = connection.query_row(&sizes, [], |row| row.get(0))?;
    for (table, is_good) in [
        ("words", other_sizes == 0 && sum("words")? == sum("anew")?),
        ("trigrams", sum("trigrams")? == trigrams),
    ] {
        if !is_good {
            report.problem(format!("collection {name}: {table} are not those of its texts"));
        }
    }
    Ok(())
}

/// Each three characters in a row, once.
fn trigrams_of(text: &str) -> HashSet<&str> {
    let starts = || text.char_indices().map(|(at, _)| at);
    let ends = starts().skip(3).chain([text.len()]);
    let parts = starts().zip(ends).map(|(start, end)| &text[start..end]);
    // A text that is too short has one part.
    parts.filter(|part| part.chars().nth(2).is_some()).collect()
}

/// Of what is in an index, in whatever order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u64,
}

impl Sum {
    /// A term, in which slot, at which place of it where that is kept.
    fn add(&mut self, instance: (&[u8], i64, Option<i64>)) {
        let mut hasher = DefaultHasher::new();
        instance.hash(&mut hasher);
        self.count += 1;
        self.hashes = self.hashes.wrapping_add(hasher.finish());
    }
}

fn sum_of(connection: &Connection, vocabulary: &str) -> rusqlite::Result<Sum> {
    let sql = format!("SELECT term, doc, offset FROM {vocabulary}");
    let mut statement = connection.prepare(&sql)?;
    let mut found = statement.query([])?;
    let mut sum = Sum::default();
    while let Some(row) = found.next()? {
        sum.add((row.get_ref(0)?.as_bytes()?, row.get(1)?, row.get(2)?));
    }
    Ok(sum)
}
