mod import;
mod read;
mod write;

use std::path::{Path, PathBuf};

use lyra::errors::Result;
use lyra::memstore::{Collection, Entry, EntryKind, MemoryError, MemoryStore, Space};
use serde_json::Value;
use snafu::ResultExt as _;

use super::Context;
use crate::args::memory::{Embedder, Kind, MemoryArgs, MemoryVerb, Metric, SpaceArgs};
use crate::config::Config;
use crate::error::{NoSuchPathSnafu, NotAVectorSnafu, UnusablePathSnafu, UsageSnafu};
use crate::exit::Exit;

pub(crate) use import::import;

pub(crate) fn run(args: MemoryArgs, context: &Context) -> Result<Exit> {
    let place = Place::new(&args, context.config());
    match args.verb {
        MemoryVerb::Import(args) => import::run(&args, &place, context),
        MemoryVerb::Add(args) => write::add(&args, &place, context),
        MemoryVerb::Update(args) => write::update(&args, &place, context),
        MemoryVerb::Delete(args) => write::delete(&args, &place, context),
        MemoryVerb::Get(args) => read::get(&args, &place, context),
        MemoryVerb::Search(args) => read::search(args, &place, context),
        MemoryVerb::List(args) => read::list(args, &place, context),
        MemoryVerb::Count(args) => read::count(args, &place, context),
        MemoryVerb::Export(args) => read::export(&args, &place, context),
        MemoryVerb::Stats => read::stats(&place, context),
        MemoryVerb::Check => read::check(&place, context),
        MemoryVerb::Reindex => write::reindex(&place, context),
        MemoryVerb::Compact => write::compact(&place, context),
    }
}

/// Which collection of which store.
#[derive(Debug)]
struct Place {
    store: PathBuf,
    collection: String,
    dimension: u32,
}

impl Place {
    fn new(args: &MemoryArgs, config: &Config) -> Self {
        let config = &config.memstore;
        Self {
            store: args.store.clone().unwrap_or_else(|| config.dir.clone()),
            collection: args.collection.clone().unwrap_or_else(|| config.collection.clone()),
            dimension: config.dimension,
        }
    }

    /// A store that is there, as the one process that writes to it.
    fn keeper(&self) -> Result<MemoryStore> {
        Ok(MemoryStore::builder(&self.store).open_existing()?)
    }

    /// The store, as the one process that writes to it. It is made where
    /// there is none.
    fn writer(&self) -> Result<MemoryStore> {
        Ok(MemoryStore::open(&self.store)?)
    }

    /// The store for reading, beside whoever writes to it.
    fn reader(&self) -> Result<MemoryStore> {
        Ok(MemoryStore::builder(&self.store).open_read_only()?)
    }

    fn to_read(&self) -> Result<Collection> {
        Ok(self.reader()?.open_collection(&self.collection)?)
    }

    fn to_change(&self) -> Result<Collection> {
        let store = MemoryStore::builder(&self.store).open_existing()?;
        Ok(store.open_collection(&self.collection)?)
    }

    /// The collection, made where there is none. What is typed about its
    /// space must agree with what it remembers.
    fn to_fill(&self, space: &SpaceArgs) -> Result<Collection> {
        let store = self.writer()?;
        if space.dimension.is_none() && space.metric.is_none() && space.embedder.is_none() {
            match store.open_collection(&self.collection) {
                Err(MemoryError::CollectionNotFound { .. }) => {}
                opened => return Ok(opened?),
            }
        }
        Ok(store.collection(&self.collection, self.space(space)?)?)
    }

    fn space(&self, typed: &SpaceArgs) -> Result<Space> {
        let dimension = typed.dimension.unwrap_or(self.dimension);
        let metric = typed.metric.unwrap_or(Metric::Cosine);
        let embedder = typed.embedder.unwrap_or(match metric {
            Metric::Cosine => Embedder::Lexical,
            Metric::L2 | Metric::InnerProduct => Embedder::None,
        });
        match (embedder, metric) {
            (Embedder::Lexical, Metric::Cosine) => Ok(Space::lexical(dimension)),
            (Embedder::Lexical, _) => {
                let message = "the lexical embedder compares by cosine only";
                Err(UsageSnafu { message }.build().into())
            }
            (Embedder::None, Metric::Cosine) => Ok(Space::cosine(dimension)),
            (Embedder::None, Metric::L2) => Ok(Space::l2(dimension)),
            (Embedder::None, Metric::InnerProduct) => Ok(Space::inner_product(dimension)),
        }
    }
}

impl From<Kind> for EntryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Journal => Self::Journal,
            Kind::Fact => Self::Fact,
        }
    }
}

/// An entry as it is shown: a vector fills a screen, so it and who made it
/// are shown on request.
fn shown(entry: &Entry, embeddings: bool) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let (false, Some(fields)) = (embeddings, value.as_object_mut()) {
        fields.remove("embedding");
        fields.remove("embedder");
    }
    value
}

/// A vector from a file that holds a JSON array of numbers. Whether it fits
/// the collection is for the store to say.
fn read_vector(path: &Path) -> Result<Vec<f32>> {
    if !path.exists() {
        return Err(NoSuchPathSnafu { path }.build().into());
    }
    let text = std::fs::read_to_string(path).context(UnusablePathSnafu { path })?;
    let vector = serde_json::from_str(&text)
        .map_err(|error| NotAVectorSnafu { path, reason: error.to_string() }.build())?;
    Ok(vector)
}
