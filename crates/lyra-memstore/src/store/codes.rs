//! The codes of a collection in memory, as of one committed state.
//!
//! They are never changed: whoever finds that the store has moved on reads the
//! segments that did, and shares all others. So a reader goes through its own
//! state without a lock, however often others commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB};

use super::derived;
use crate::scan::{Layout, Segment, Slots};

/// All segments of a collection in one state.
#[derive(Debug)]
pub(crate) struct Codes {
    /// How often all were made anew, and the version since.
    version: (i64, i64),
    layout: Layout,
    segments: Vec<Option<Arc<Segment>>>,
    live: OnceLock<Slots>,
}

impl Codes {
    /// Each segment with its first slot.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (usize, &Segment)> {
        let rows = self.layout.rows();
        let numbered = self.segments.iter().enumerate();
        numbered.filter_map(move |(at, segment)| Some((at * rows, segment.as_deref()?)))
    }

    /// The segment in which a slot is, and its row there.
    pub(crate) fn segment_of(&self, slot: usize) -> Option<(&Segment, usize)> {
        let rows = self.layout.rows();
        Some((self.segments.get(slot / rows)?.as_deref()?, slot % rows))
    }

    /// The slots in which there is an entry.
    pub(crate) fn live(&self) -> &Slots {
        self.live.get_or_init(|| {
            let mut live = Slots::none(self.segments.len() * self.layout.rows());
            for (first, segment) in self.segments() {
                let rows = 0..self.layout.rows();
                rows.filter(|&row| segment.gauge(row).is_some())
                    .for_each(|row| live.insert(first + row));
            }
            live
        })
    }
}

/// What became of the wish for the codes of a reader's state.
#[derive(Debug)]
pub(crate) enum Loaded {
    Codes(Arc<Codes>),
    /// Another reader is further already: a newer state is to be read.
    Behind,
    /// They would take more memory than was allowed.
    TooLarge,
}

/// The latest codes of a collection that somebody has read.
type Latest = Arc<Mutex<Option<Arc<Codes>>>>;

/// The latest codes of each collection that was asked for.
#[derive(Debug)]
pub(crate) struct Shelf {
    collections: Mutex<HashMap<i64, Latest>>,
    budget: usize,
}

impl Shelf {
    pub(crate) fn new(budget: usize) -> Self {
        Self { collections: Mutex::default(), budget }
    }

    /// The codes of a collection as the connection's snapshot has them.
    pub(crate) fn codes(
        &self,
        connection: &Connection,
        collection: i64,
        dimension: u32,
    ) -> rusqlite::Result<Loaded> {
        let version = derived::version(connection, collection)?.unwrap_or_default();
        let place = Arc::clone(lock(&self.collections).entry(collection).or_default());
        // Held while they are read: others would only read the same.
        let mut latest = lock(&place);
        let known = match &*latest {
            Some(codes) if codes.version == version => return Ok(Loaded::Codes(Arc::clone(codes))),
            Some(codes) if codes.version > version => return Ok(Loaded::Behind),
            known => known.clone(),
        };
        let layout = Layout::of(dimension as usize);
        if self.is_too_large(connection, collection, layout)? {
            *latest = None;
            return Ok(Loaded::TooLarge);
        }
        let (mut segments, since) = match known {
            Some(codes) if codes.version.0 == version.0 => {
                (codes.segments.clone(), codes.version.1)
            }
            _ => (Vec::new(), -1),
        };
        changed(connection, collection, layout, since, |at, segment| {
            if segments.len() <= at {
                segments.resize_with(at + 1, || None);
            }
            segments[at] = Some(Arc::new(segment));
        })?;
        let codes = Codes { version, layout, segments, live: OnceLock::new() };
        let codes = Arc::new(codes);
        *latest = Some(Arc::clone(&codes));
        Ok(Loaded::Codes(codes))
    }

    /// Forgets a collection that is gone.
    pub(crate) fn forget(&self, collection: i64) {
        lock(&self.collections).remove(&collection);
    }

    /// How many bytes of codes are in memory.
    pub(crate) fn bytes(&self) -> usize {
        let places: Vec<_> = lock(&self.collections).values().cloned().collect();
        let bytes = |codes: &Arc<Codes>| codes.segments().count() * Segment::bytes(codes.layout);
        places.iter().map(|place| lock(place).as_ref().map_or(0, bytes)).sum()
    }

    fn is_too_large(
        &self,
        connection: &Connection,
        collection: i64,
        layout: Layout,
    ) -> rusqlite::Result<bool> {
        if self.budget == usize::MAX {
            return Ok(false);
        }
        let count: i64 = connection
            .prepare_cached("SELECT count(*) FROM segments WHERE collection = ?")?
            .query_row([collection], |row| row.get(0))?;
        let bytes =
            usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(Segment::bytes(layout));
        Ok(bytes > self.budget)
    }
}

/// Reads the segments that changed after a version, in their order, and no
/// more than one at a time.
pub(crate) fn changed(
    connection: &Connection,
    collection: i64,
    layout: Layout,
    since: i64,
    mut each: impl FnMut(usize, Segment),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT segment, number FROM segments WHERE collection = ? AND version > ?
         ORDER BY segment",
    )?;
    let mut found = statement.query([collection, since])?;
    // Read as a blob a segment is not copied once more, and the row that is
    // next is found without a statement.
    let mut blob: Option<Blob<'_>> = None;
    let mut buffer = Vec::new();
    while let Some(row) = found.next()? {
        let (at, number): (i64, i64) = (row.get(0)?, row.get(1)?);
        let rows = match &mut blob {
            Some(blob) => {
                blob.reopen(number)?;
                blob
            }
            None => blob.insert(connection.blob_open(MAIN_DB, "codes", "rows", number, true)?),
        };
        let at = usize::try_from(at).ok().filter(|_| rows.len() == layout.bytes());
        let Some(at) = at else {
            return Err(damaged(format!("the codes with number {number} are cut short")));
        };
        each(at, Segment::read(layout, &mut buffer, |bytes| rows.read_at_exact(bytes, 0))?);
    }
    Ok(())
}

fn damaged(detail: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Blob, detail.into())
}

/// Nothing that is held is ever half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
