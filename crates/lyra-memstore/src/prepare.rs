//! From an entry as it was given to an entry as it is written: checked, with
//! an id and a vector.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use snafu::{OptionExt, ResultExt, ensure};

use crate::error::{
    EmbedderAnswerSnafu, EmbeddingSnafu, InvalidSnafu, MemoryError, NoEmbedderSnafu,
};
use crate::fault::Faults;
use crate::store::rows::Prepared;
use crate::{Embedder, Entry, LexicalEmbedder, Limits, Space, validate, vector};

/// The embedders that a store knows, by their fingerprints.
#[derive(Clone, Default)]
pub(crate) struct Embedders(HashMap<String, Arc<dyn Embedder>>);

impl Embedders {
    pub(crate) fn insert(&mut self, embedder: Arc<dyn Embedder>) {
        self.0.insert(embedder.fingerprint().to_owned(), embedder);
    }

    fn find(&self, fingerprint: &str) -> Option<Arc<dyn Embedder>> {
        self.0.get(fingerprint).cloned().or_else(|| {
            let lexical = LexicalEmbedder::from_fingerprint(fingerprint)?;
            Some(Arc::new(lexical) as Arc<dyn Embedder>)
        })
    }

    /// One settled vector for each text, by the embedder of the space.
    pub(crate) fn embed(
        &self,
        collection: &str,
        space: &Space,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, MemoryError> {
        let fingerprint = space.embedder();
        let embedder = fingerprint
            .and_then(|fingerprint| self.find(fingerprint))
            .context(NoEmbedderSnafu { collection, fingerprint: fingerprint.map(str::to_owned) })?;
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(embedder.max_batch().max(1)) {
            #[cfg(feature = "metrics")]
            let begun = std::time::Instant::now();
            let made = embedder.embed(batch).context(EmbeddingSnafu { collection });
            let made = made.and_then(|made| {
                check_answer(&*embedder, space, batch.len(), &made)?;
                Ok(made)
            });
            #[cfg(feature = "metrics")]
            crate::metrics::embedded(made.is_ok(), begun.elapsed());
            let made = made?;
            vectors.extend(made.into_iter().map(|v| vector::settle(v, space.metric)));
        }
        Ok(vectors)
    }
}

impl fmt::Debug for Embedders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An embedder is a foreign program: what it answers is checked like input.
fn check_answer(
    embedder: &dyn Embedder,
    space: &Space,
    texts: usize,
    vectors: &[Vec<f32>],
) -> Result<(), MemoryError> {
    let fingerprint = embedder.fingerprint();
    let count = vectors.len();
    ensure!(
        count == texts,
        EmbedderAnswerSnafu { fingerprint, reason: format!("{count} vectors for {texts} texts") }
    );
    let mut faults = Faults::default();
    for (i, made) in vectors.iter().enumerate() {
        vector::check(made, Some(space), &format!("vectors[{i}]"), &mut faults);
    }
    faults
        .into_result()
        .or_else(|faults| EmbedderAnswerSnafu { fingerprint, reason: faults.to_string() }.fail())
}

/// Checks a batch whole, and makes the vectors that are missing. `found` are
/// the faults that were found before, so that all are told at once.
pub(crate) fn prepare(
    embedders: &Embedders,
    limits: &Limits,
    collection: &str,
    space: &Space,
    entries: Vec<Entry>,
    found: Faults,
) -> Result<Vec<Prepared>, MemoryError> {
    let mut faults = found;
    validate::batch(&entries, limits, space, &mut faults);
    if let Err(faults) = faults.into_result() {
        return InvalidSnafu { faults }.fail();
    }
    let texts: Vec<&str> =
        entries.iter().filter(|e| e.embedding.is_none()).map(Entry::content).collect();
    let made =
        if texts.is_empty() { Vec::new() } else { embedders.embed(collection, space, &texts)? };
    let mut made = made.into_iter();
    Ok(entries
        .into_iter()
        .map(|mut entry| {
            let embedder = entry.embedder.take();
            let (vector, made_by) = match entry.embedding.take() {
                // What another embedder made is here a vector of the caller's.
                Some(given) => {
                    let ours =
                        embedder.filter(|embedder| Some(embedder) == space.embedder.as_ref());
                    (vector::settle(given, space.metric), ours)
                }
                None => (
                    made.next().expect("the number of answers was checked"),
                    space.embedder.clone(),
                ),
            };
            settle_metadata(&mut entry);
            Prepared { id: entry.stored_id(), entry, vector, made_by }
        })
        .collect())
}

/// Entries that came by deserialisation did not pass the builder.
fn settle_metadata(entry: &mut Entry) {
    for value in entry.metadata.values_mut() {
        let taken = std::mem::replace(value, false.into());
        *value = crate::metadata::settle(taken);
    }
}
