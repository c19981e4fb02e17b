//! How a collection answers a query: what the filter means, which rows the
//! codes leave over, and how near those really are.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use snafu::ensure;

use super::Collection;
use crate::error::{InvalidQuerySnafu, MemoryError};
use crate::fault::Faults;
use crate::matching::Matching;
use crate::nearest::{Near, Nearest};
use crate::query::Target;
use crate::scan::{Candidate, CodedQuery, Kernel, Layout, Search, Slots};
use crate::store::codes::{self, Codes, Loaded};
use crate::store::rows::{self, EntryNumber, WITH_VECTOR, WITHOUT_VECTOR};
use crate::{Filter, Hit, Metric, Query, vector};

impl Collection {
    /// The entries that are nearest to a text or a vector, nearest first, and
    /// of those that are equally near the oldest first.
    ///
    /// It is exact: what is not looked at closely cannot be among them for
    /// certain. The codes of the collection are read once and kept in memory,
    /// and then only what changed.
    ///
    /// # Errors
    ///
    /// [`InvalidQuery`](MemoryError::InvalidQuery),
    /// [`InvalidFilter`](MemoryError::InvalidFilter),
    /// [`NoEmbedder`](MemoryError::NoEmbedder) for a text in a collection of
    /// the caller's vectors, what the embedder reports, and whatever a read
    /// can meet.
    pub fn query(&self, query: Query) -> Result<Vec<Hit>, MemoryError> {
        #[cfg(feature = "metrics")]
        let begun = std::time::Instant::now();
        let answer = self.answer(query);
        #[cfg(feature = "metrics")]
        crate::metrics::queried(answer.is_ok(), begun.elapsed());
        answer
    }

    fn answer(&self, query: Query) -> Result<Vec<Hit>, MemoryError> {
        let Query { target, top, filter, with_embeddings, words } = query;
        ensure!(top > 0, InvalidQuerySnafu { reason: "it asks for no hits" });
        if let Some(filter) = &filter {
            filter.check()?;
        }
        let words = words.map(|words| words.text(&target)).transpose()?;
        let target = self.target_vector(target)?;
        let columns = if with_embeddings { WITH_VECTOR } else { WITHOUT_VECTOR };
        self.in_one_state(|connection, codes| {
            let state = State { collection: self, connection, codes };
            let slots = filter.as_ref().map(|filter| state.matching(filter)).transpose()?;
            let found = match &words {
                None => state.nearest(&target, top, slots.as_ref())?,
                Some(words) => state.fused(&target, words, top, slots.as_ref())?,
            };
            let hit = |(near, score): (Near, Option<f64>)| {
                let stored = rows::by_number(connection, columns, near.number)?;
                Ok(Hit { entry: stored.entry, distance: near.distance, score })
            };
            found.into_iter().map(hit).collect()
        })
    }

    /// The slots of the entries that match a filter, and work on them, in one
    /// state of the store.
    pub(super) fn with_matching<T>(
        &self,
        filter: &Filter,
        work: impl Fn(&Connection, &Slots) -> rusqlite::Result<T>,
    ) -> Result<T, MemoryError> {
        self.in_one_state(|connection, codes| {
            let state = State { collection: self, connection, codes };
            work(connection, &state.matching(filter)?)
        })
    }

    /// Runs `work` on a snapshot, with the codes that belong to it where they
    /// are to be in memory.
    fn in_one_state<T>(
        &self,
        work: impl Fn(&Connection, Option<&Codes>) -> rusqlite::Result<T>,
    ) -> Result<T, MemoryError> {
        // So often others may be faster; then it is read from the disk.
        const TRIES: u32 = 8;
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self.read("search", |connection| {
                let dimension = self.space.dimension();
                let codes = match self.store.codes().codes(connection, self.number, dimension)? {
                    Loaded::Codes(codes) => Some(codes),
                    Loaded::Behind if tries < TRIES => return Ok(None),
                    Loaded::Behind | Loaded::TooLarge => None,
                };
                work(connection, codes.as_deref()).map(Some)
            })?;
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }

    fn target_vector(&self, target: Target) -> Result<Vec<f32>, MemoryError> {
        match target {
            Target::Text(text) => {
                ensure!(!text.is_empty(), InvalidQuerySnafu { reason: "its text is empty" });
                let made = self.store.embedders().embed(&self.name, &self.space, &[&text])?;
                Ok(made.into_iter().next().expect("the number of answers was checked"))
            }
            Target::Embedding(given) => {
                let mut faults = Faults::default();
                vector::check(&given, Some(&self.space), "embedding", &mut faults);
                if let Err(faults) = faults.into_result() {
                    return InvalidQuerySnafu { reason: faults.to_string() }.fail();
                }
                Ok(vector::settle(given, self.space.metric))
            }
        }
    }
}

/// A collection in one state of the store.
struct State<'a> {
    collection: &'a Collection,
    connection: &'a Connection,
    /// None where they are to be read from the disk.
    codes: Option<&'a Codes>,
}

type Scored = (Near, Option<f64>);

impl State<'_> {
    fn matching(&self, filter: &Filter) -> rusqlite::Result<Slots> {
        let (connection, collection) = (self.connection, self.collection.number);
        let read;
        let live = match self.codes {
            Some(codes) => codes.live(),
            None => {
                read = self.live()?;
                &read
            }
        };
        Matching { connection, collection, live }.slots(filter)
    }

    fn live(&self) -> rusqlite::Result<Slots> {
        let sql = "SELECT slot FROM entries WHERE collection = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let slots = statement.query_map([self.collection.number], |row| row.get::<_, i64>(0))?;
        slots.map(|slot| Ok(place(slot?))).collect()
    }

    fn nearest(
        &self,
        target: &[f32],
        top: usize,
        slots: Option<&Slots>,
    ) -> rusqlite::Result<Vec<Scored>> {
        let mut nearest = Nearest::new(top);
        let mut distances = self.distances(target)?;
        let own: f64 = target.iter().map(|&n| f64::from(n) * f64::from(n)).sum();
        for candidate in self.candidates(target, top, slots)? {
            // The most promising come first: once one can't be nearer than
            // those that are known, no other can.
            let score = |distance| match self.collection.space.metric {
                Metric::Cosine | Metric::InnerProduct => 1.0 - distance,
                Metric::L2 => own - distance,
            };
            if nearest.farthest().is_some_and(|known| candidate.most < score(known)) {
                break;
            }
            nearest.offer(distances.of(candidate.slot)?);
        }
        Ok(nearest.into_sorted().into_iter().map(|near| (near, None)).collect())
    }

    /// The rows that can be among the nearest, the most promising first.
    fn candidates(
        &self,
        target: &[f32],
        top: usize,
        slots: Option<&Slots>,
    ) -> rusqlite::Result<Vec<Candidate>> {
        // For so few it is not worth to begin with codes.
        if let Some(slots) = slots
            && slots.len() <= top.saturating_mul(2)
        {
            let most = f64::INFINITY;
            return Ok(slots.iter().map(|slot| Candidate { slot, most }).collect());
        }
        let query = CodedQuery::new(self.collection.space.metric, target);
        let mut search = Search::new(Kernel::detect(), &query, top);
        let look = |search: &mut Search<'_>, first, segment: &_| match slots {
            Some(slots) => search.some_of(segment, first, slots),
            None => search.segment(segment, first),
        };
        match self.codes {
            Some(codes) => {
                for (first, segment) in codes.segments() {
                    look(&mut search, first, segment);
                    search.narrow(|slot| codes.segment_of(slot));
                }
                search.settle(|slot| codes.segment_of(slot));
            }
            None => {
                let layout = Layout::of(target.len());
                let number = self.collection.number;
                codes::changed(self.connection, number, layout, -1, |at, segment| {
                    let first = at * layout.rows();
                    look(&mut search, first, &segment);
                    search.settle(|slot| Some((&segment, slot - first)));
                })?;
            }
        }
        Ok(search.into_candidates())
    }

    /// The nearest, and those whose words fit best, joined by their ranks.
    fn fused(
        &self,
        target: &[f32],
        words: &str,
        top: usize,
        slots: Option<&Slots>,
    ) -> rusqlite::Result<Vec<Scored>> {
        let depth = top.saturating_mul(10).max(100);
        let mut found: HashMap<EntryNumber, (Near, f64)> = HashMap::new();
        let mut add = |rank: usize, near: Near| {
            found.entry(near.number).or_insert((near, 0.0)).1 += by_rank(rank);
        };
        for (rank, (near, _)) in self.nearest(target, depth, slots)?.into_iter().enumerate() {
            add(rank, near);
        }
        let mut distances = self.distances(target)?;
        for (rank, slot) in self.fitting(words, depth, slots)?.into_iter().enumerate() {
            add(rank, distances.of(slot)?);
        }
        let mut found: Vec<(Near, f64)> = found.into_values().collect();
        found.sort_by(|(a, a_score), (b, b_score)| b_score.total_cmp(a_score).then(a.cmp(b)));
        found.truncate(top);
        Ok(found.into_iter().map(|(near, score)| (near, Some(score))).collect())
    }

    /// The slots whose words fit best.
    fn fitting(
        &self,
        words: &str,
        depth: usize,
        slots: Option<&Slots>,
    ) -> rusqlite::Result<Vec<usize>> {
        let Some(expression) = any_of(words) else { return Ok(Vec::new()) };
        let table = format!("words_{}", self.collection.number);
        let sql = format!("SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rank, rowid");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([expression])?;
        let mut found = Vec::new();
        while found.len() < depth
            && let Some(row) = rows.next()?
        {
            let slot = place(row.get(0)?);
            if slots.is_none_or(|slots| slots.contains(slot)) {
                found.push(slot);
            }
        }
        Ok(found)
    }

    fn distances<'s>(&'s self, target: &'s [f32]) -> rusqlite::Result<Distances<'s>> {
        let statement = self.connection.prepare_cached(
            "SELECT e.entry, v.vector FROM entries e JOIN embeddings v USING (entry)
             WHERE e.collection = ? AND e.slot = ?",
        )?;
        Ok(Distances { collection: self.collection, target, statement, vector: Vec::new() })
    }
}

/// How far entries really are from a vector.
struct Distances<'a> {
    collection: &'a Collection,
    target: &'a [f32],
    statement: rusqlite::CachedStatement<'a>,
    vector: Vec<f32>,
}

impl Distances<'_> {
    fn of(&mut self, slot: usize) -> rusqlite::Result<Near> {
        let Self { collection, target, statement, vector } = self;
        let at = i64::try_from(slot).expect("a slot is a place");
        let near = statement.query_row(params![collection.number, at], |row| {
            let number = row.get(0)?;
            if !vector::read_blob(row.get_ref(1)?.as_blob()?, vector)
                || vector.len() != target.len()
            {
                return Err(damaged(format!("the vector of entry {number} is cut short")));
            }
            let distance = vector::distance(collection.space.metric, target, vector);
            Ok(Near { distance, number })
        });
        near.optional()?.ok_or_else(|| damaged(format!("there is no entry in slot {slot}")))
    }
}

fn damaged(detail: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Blob, detail.into())
}

/// What a rank counts for: reciprocal rank fusion, with the 60 of the paper
/// that proposed it (Cormack, Clarke, Büttcher 2009).
fn by_rank(rank: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    let rank = rank as f64;
    1.0 / (61.0 + rank)
}

/// A full-text expression for any of the words.
fn any_of(text: &str) -> Option<String> {
    // More of them say hardly more, and each is looked up.
    const MOST: usize = 64;
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let quoted: Vec<String> = words.take(MOST).map(|word| format!("\"{word}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

fn place(slot: i64) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX / 2)
}
