//! Which entries a filter means, by what is filed of them.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use crate::filter::{Node, Operator};
use crate::scan::Slots;
use crate::store::derived::{Field, filed, raw, waiting};
use crate::{Filter, MetadataValue};

/// A collection in one state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matching<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) collection: i64,
    /// All slots in which there is an entry.
    pub(crate) live: &'a Slots,
}

impl Matching<'_> {
    /// The slots of the entries that match.
    pub(crate) fn slots(self, filter: &Filter) -> rusqlite::Result<Slots> {
        self.among(filter, self.live)
    }

    /// Those that match among some: to know them spares reading the texts of
    /// all others.
    fn among(self, Filter(node): &Filter, some: &Slots) -> rusqlite::Result<Slots> {
        let mut found = match node {
            Node::Compare { key, operator: Operator::Ne, value } => {
                return Ok(without(some, &self.compare(key, Operator::Eq, value)?));
            }
            Node::Compare { key, operator, value } => self.compare(key, *operator, value)?,
            Node::In { key, values, wanted } => {
                let mut found = Slots::default();
                for value in values {
                    found.join(&self.compare(key, Operator::Eq, value)?);
                }
                match wanted {
                    true => found,
                    false => return Ok(without(some, &found)),
                }
            }
            Node::Exists(key) => self.exists(key)?,
            Node::Tag(tag) => self.valued(Field::Tag, "", "=", ValueRef::Text(tag.as_bytes()))?,
            Node::Kind(kind) => {
                let name = ValueRef::Text(kind.name().as_bytes());
                self.valued(Field::Kind, "", "=", name)?
            }
            Node::Significance(range) => self.significant(*range.start(), *range.end())?,
            Node::Contains(text) => return self.containing(text, some),
            Node::All(filters) => return self.all(filters, some),
            Node::Any(filters) => {
                let mut found = Slots::default();
                for filter in filters {
                    found.join(&self.among(filter, some)?);
                }
                found
            }
            Node::Not(filter) => return Ok(without(some, &self.among(filter, some)?)),
        };
        found.keep(some);
        Ok(found)
    }

    /// What reads texts comes last, when few are left.
    fn all(self, filters: &[Filter], some: &Slots) -> rusqlite::Result<Slots> {
        let (last, first): (Vec<_>, Vec<_>) =
            filters.iter().partition(|filter| reads_texts(filter));
        let mut found = some.clone();
        for filter in first.into_iter().chain(last) {
            found = self.among(filter, &found)?;
        }
        Ok(found)
    }

    fn compare(
        self,
        key: &str,
        operator: Operator,
        value: &MetadataValue,
    ) -> rusqlite::Result<Slots> {
        let (field, value) = filed(value);
        let sign = match operator {
            Operator::Eq => "=",
            Operator::Ne => "<>",
            Operator::Gt => ">",
            Operator::Gte => ">=",
            Operator::Lt => "<",
            Operator::Lte => "<=",
        };
        self.valued(field, key, sign, value)
    }

    fn valued(
        self,
        field: Field,
        key: &str,
        sign: &str,
        value: ValueRef<'_>,
    ) -> rusqlite::Result<Slots> {
        let sql = format!(
            "SELECT slot FROM attributes
             WHERE collection = ? AND field = ? AND key = ? AND value {sign} ?"
        );
        self.found(&sql, params![self.collection, field as i64, key, raw(value)])
    }

    fn exists(self, key: &str) -> rusqlite::Result<Slots> {
        let mut found = Slots::default();
        for field in Field::METADATA {
            let sql = "SELECT slot FROM attributes WHERE collection = ? AND field = ? AND key = ?";
            found.join(&self.found(sql, params![self.collection, field as i64, key])?);
        }
        Ok(found)
    }

    fn significant(self, least: i64, most: i64) -> rusqlite::Result<Slots> {
        let sql = "SELECT slot FROM attributes
             WHERE collection = ? AND field = ? AND key = '' AND value BETWEEN ? AND ?";
        let field = Field::Significance as i64;
        self.found(sql, params![self.collection, field, least, most])
    }

    fn found(self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<Slots> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut found = Slots::default();
        while let Some(row) = rows.next()? {
            let slot: i64 = row.get(0)?;
            found.insert(usize::try_from(slot).unwrap_or(usize::MAX / 2));
        }
        Ok(found)
    }

    /// The trigrams of a text say where it may be, but for the latest entries; the
    /// content says whether.
    fn containing(self, text: &str, some: &Slots) -> rusqlite::Result<Slots> {
        let mut candidates = some.clone();
        if let Some(expression) = trigrams(text) {
            let sql = format!(
                "SELECT rowid FROM trigrams_{0} WHERE trigrams_{0} MATCH ?",
                self.collection
            );
            let mut filed = self.found(&sql, [expression])?;
            let waiting = waiting(self.connection, self.collection)?;
            let first = usize::try_from(waiting.start).unwrap_or(usize::MAX);
            some.iter_in(first, usize::MAX - first).for_each(|slot| filed.insert(slot));
            candidates.keep(&filed);
        }
        let mut content = self
            .connection
            .prepare_cached("SELECT content FROM entries WHERE collection = ? AND slot = ?")?;
        let mut found = Slots::default();
        for slot in candidates.iter() {
            let at = i64::try_from(slot).expect("a slot is a place");
            let holds = content.query_row([self.collection, at], |row| {
                Ok(row.get_ref(0)?.as_str()?.contains(text))
            })?;
            if holds {
                found.insert(slot);
            }
        }
        Ok(found)
    }
}

/// A full-text expression that every text with `text` in it matches; none
/// where there is no such thing, because it has no three characters in a row
/// that are filed.
fn trigrams(text: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    // A zero byte ends an expression; no content has one.
    for piece in text.split('\0') {
        let scalars: Vec<char> = piece.chars().collect();
        for three in scalars.windows(3) {
            let quoted: String = three.iter().collect::<String>().replace('"', "\"\"");
            let part = format!("\"{quoted}\"");
            if !parts.contains(&part) {
                parts.push(part);
            }
            // More of them hardly leave less, and a long expression is slow.
            if parts.len() == 32 {
                return Some(parts.join(" AND "));
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

fn reads_texts(Filter(node): &Filter) -> bool {
    match node {
        Node::Contains(_) => true,
        Node::All(filters) | Node::Any(filters) => filters.iter().any(reads_texts),
        Node::Not(filter) => reads_texts(filter),
        _ => false,
    }
}

fn without(some: &Slots, found: &Slots) -> Slots {
    let mut rest = some.clone();
    rest.drop_all(found);
    rest
}
