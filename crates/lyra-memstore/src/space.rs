use std::fmt;

use serde::{Serialize, Serializer};

use crate::{Embedder, LexicalEmbedder};

/// In which vectors a collection thinks: their dimension, how two of them are
/// compared, and who makes them. It is remembered and checked at every open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Space {
    pub(crate) dimension: u32,
    pub(crate) metric: Metric,
    pub(crate) embedder: Option<String>,
}

/// How far two vectors are apart; smaller is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// 1 − cos of the angle, 0 to 2. Vectors are brought to unit length on the
    /// way in, since their length has no meaning here.
    Cosine,
    /// The squared Euclidean distance. Vectors are kept bit for bit.
    L2,
    /// 1 − the inner product; it can be negative. Vectors are kept bit for
    /// bit.
    InnerProduct,
}

impl Metric {
    /// The stable name: `cosine`, `l2` or `ip`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::InnerProduct => "ip",
        }
    }

    /// The metric of that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cosine, Self::L2, Self::InnerProduct].into_iter().find(|m| m.name() == name)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Space {
    /// The greatest dimension that a collection may have.
    pub const MAX_DIMENSION: u32 = 65_536;

    /// Vectors of the caller's, compared by their angle.
    #[must_use]
    pub const fn cosine(dimension: u32) -> Self {
        Self { dimension, metric: Metric::Cosine, embedder: None }
    }

    /// Vectors of the caller's, compared by their Euclidean distance.
    #[must_use]
    pub const fn l2(dimension: u32) -> Self {
        Self { dimension, metric: Metric::L2, embedder: None }
    }

    /// Vectors of the caller's, compared by their inner product.
    #[must_use]
    pub const fn inner_product(dimension: u32) -> Self {
        Self { dimension, metric: Metric::InnerProduct, embedder: None }
    }

    /// Vectors that the built-in [`LexicalEmbedder`] makes from the texts,
    /// compared by their angle.
    #[must_use]
    pub fn lexical(dimension: u32) -> Self {
        let embedder = Some(LexicalEmbedder::fingerprint_of(dimension));
        Self { embedder, ..Self::cosine(dimension) }
    }

    /// The space with its vectors made by `embedder`, whose dimension it
    /// takes. A caller may still bring vectors of his own.
    #[must_use]
    pub fn with_embedder(self, embedder: &(impl Embedder + ?Sized)) -> Self {
        Self {
            dimension: embedder.dimension(),
            embedder: Some(embedder.fingerprint().to_owned()),
            ..self
        }
    }

    /// How many numbers a vector has.
    #[must_use]
    pub fn dimension(&self) -> u32 {
        self.dimension
    }

    /// How vectors are compared.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The fingerprint of the embedder that makes the vectors, if any.
    #[must_use]
    pub fn embedder(&self) -> Option<&str> {
        self.embedder.as_deref()
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.metric, self.dimension)?;
        match &self.embedder {
            Some(embedder) => write!(f, " by {embedder}"),
            None => f.write_str(" by the caller"),
        }
    }
}
