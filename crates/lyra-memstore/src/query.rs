use serde::Serialize;

use crate::error::{InvalidQuerySnafu, MemoryError};
use crate::{Entry, Filter};

/// What to look for, how many of it, and among which entries.
///
/// ```
/// use lyra_memstore::{Filter, Query};
///
/// let query = Query::text("the river in spring").top(5).filter(Filter::tag("river"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(crate) target: Target,
    pub(crate) top: usize,
    pub(crate) filter: Option<Filter>,
    pub(crate) with_embeddings: bool,
    pub(crate) words: Option<Words>,
}

/// Which words count as well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Words {
    /// Those of the text that is looked for.
    OfTarget,
    Of(String),
}

impl Words {
    pub(crate) fn text(self, target: &Target) -> Result<String, MemoryError> {
        match (self, target) {
            (Self::Of(text), _) => Ok(text),
            (Self::OfTarget, Target::Text(text)) => Ok(text.clone()),
            (Self::OfTarget, Target::Embedding(_)) => {
                InvalidQuerySnafu { reason: "a vector has no words: name them" }.fail()
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Text(String),
    Embedding(Vec<f32>),
}

impl Query {
    /// How many hits a query gives unless told otherwise.
    pub const DEFAULT_TOP: usize = 10;

    /// What is near a text, by the collection's embedder.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Target::Text(text.into()))
    }

    /// What is near a vector.
    #[must_use]
    pub fn embedding(embedding: impl Into<Vec<f32>>) -> Self {
        Self::of(Target::Embedding(embedding.into()))
    }

    fn of(target: Target) -> Self {
        Self { target, top: Self::DEFAULT_TOP, filter: None, with_embeddings: false, words: None }
    }

    /// What fits by its words counts as well: the nearest and those whose
    /// words fit best are joined by their ranks, so that a name or a number
    /// that an embedder has no sense for is found.
    ///
    /// For a vector use [`hybrid_with`](Self::hybrid_with).
    #[must_use]
    pub fn hybrid(mut self) -> Self {
        self.words = Some(Words::OfTarget);
        self
    }

    /// As [`hybrid`](Self::hybrid), with other words than those of the text,
    /// or with words for a vector.
    #[must_use]
    pub fn hybrid_with(mut self, words: impl Into<String>) -> Self {
        self.words = Some(Words::Of(words.into()));
        self
    }

    /// At most that many hits. 10 by default.
    #[must_use]
    pub fn top(mut self, top: usize) -> Self {
        self.top = top;
        self
    }

    /// Only among the entries that match. All by default.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// The hits' entries with their vectors. Without by default.
    #[must_use]
    pub fn with_embeddings(mut self) -> Self {
        self.with_embeddings = true;
        self
    }
}

/// An entry that a query found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// The entry.
    pub entry: Entry,
    /// How far it is from what was looked for, in the collection's
    /// [`Metric`](crate::Metric).
    pub distance: f64,
    /// Of a [hybrid](Query::hybrid) query, by what the hits are in order: the
    /// sum of 1 / (60 + rank) of its place among the nearest and its place
    /// among those whose words fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

impl Hit {
    /// 1 − distance: under cosine the cosine of the angle, under inner
    /// product the inner product. Under L2 it has no meaning.
    #[must_use]
    pub fn similarity(&self) -> f64 {
        1.0 - self.distance
    }
}

/// Which entries to list, in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct List {
    pub(crate) filter: Option<Filter>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) with_embeddings: bool,
}

impl List {
    /// All entries, without their vectors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the entries that match.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// At most that many.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Without the first that many that match.
    #[must_use]
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// The entries with their vectors.
    #[must_use]
    pub fn with_embeddings(mut self) -> Self {
        self.with_embeddings = true;
        self
    }
}
