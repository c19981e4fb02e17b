//! `lyra-memstore`, with its default settings.

use std::path::{Path, PathBuf};

use lyra_memstore::{Collection, Entry, Filter, MemoryStore, Query, Space};

use super::orders::By;
use super::serve::{Outcome, Record, Store};
use super::{DIMENSION, TOP};

const COLLECTION: &str = "entries";

pub(super) struct Ours {
    path: PathBuf,
    entries: Option<Collection>,
}

impl Ours {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), entries: None }
    }

    fn entries(&self) -> Outcome<&Collection> {
        self.entries.as_ref().ok_or_else(|| "it is not open".into())
    }
}

impl Store for Ours {
    fn open(&mut self, for_writing: bool) -> Outcome<()> {
        self.entries = Some(if for_writing {
            let dimension = u32::try_from(DIMENSION)?;
            MemoryStore::open(&self.path)?.collection(COLLECTION, Space::cosine(dimension))?
        } else {
            MemoryStore::builder(&self.path).open_read_only()?.open_collection(COLLECTION)?
        });
        Ok(())
    }

    fn add(&mut self, records: Vec<Record>) -> Outcome<()> {
        let entry = |record: Record| {
            Ok(Entry::fact(record.line.text)
                .with_id(record.id)
                .with_metadata(By::BUCKET.key, i64::try_from(record.line.bucket)?)
                .with_metadata(By::GROUP.key, i64::try_from(record.line.group)?)
                .with_embedding(record.vector))
        };
        self.entries()?.add(records.into_iter().map(entry).collect::<Outcome<Vec<_>>>()?)?;
        Ok(())
    }

    fn query(&mut self, vector: &[f32], only: Option<(By, usize)>) -> Outcome<Vec<String>> {
        let mut query = Query::embedding(vector).top(TOP);
        if let Some((by, value)) = only {
            query = query.filter(Filter::eq(by.key, i64::try_from(value)?));
        }
        let hits = self.entries()?.query(query)?;
        Ok(hits.iter().filter_map(|hit| hit.entry.id()).map(str::to_owned).collect())
    }
}
