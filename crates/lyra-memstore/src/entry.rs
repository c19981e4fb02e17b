use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metadata::settle;
use crate::{Metadata, MetadataValue};

/// One thing that an agent remembers.
///
/// An entry is made freely and [validated](Self::validate) before it is
/// written, so that all its faults can be told at once. Without an id it gets
/// one from its content: 32 hexadecimal digits of the BLAKE3 hash of all its
/// fields but the embedding, so that the same entry has the same id
/// everywhere.
///
/// ```
/// use lyra_memstore::{Entry, Limits};
///
/// let entry = Entry::journal("We sat by the river until dark.", "An evening by the river")
///     .with_tags(["river", "evening"])
///     .with_significance(7)
///     .with_metadata("user_id", "123");
/// assert!(entry.validate(&Limits::default()).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) kind: EntryKind,
    pub(crate) content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) significance: Option<i64>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub(crate) metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embedding: Option<Vec<f32>>,
    /// Who made the embedding; none: the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embedder: Option<String>,
}

/// What sort of memory an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// Something that happened; it needs a content and a summary.
    #[default]
    Journal,
    /// Something that is so; it needs a content.
    Fact,
}

impl EntryKind {
    /// The stable name: `journal` or `fact`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Fact => "fact",
        }
    }

    /// The kind of that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Journal, Self::Fact].into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Entry {
    /// Something that happened, and what it was in short.
    #[must_use]
    pub fn journal(content: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { summary: Some(summary.into()), ..Self::of(EntryKind::Journal, content.into()) }
    }

    /// Something that is so.
    #[must_use]
    pub fn fact(content: impl Into<String>) -> Self {
        Self::of(EntryKind::Fact, content.into())
    }

    pub(crate) fn of(kind: EntryKind, content: String) -> Self {
        Self {
            id: None,
            kind,
            content,
            summary: None,
            tags: Vec::new(),
            significance: None,
            metadata: Metadata::new(),
            embedding: None,
            embedder: None,
        }
    }

    /// The entry under an id of the caller's choice.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The entry with a summary; a fact may have one too.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// The entry with these tags in place of those it had.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// The entry with a significance, by default within 1 to 10.
    #[must_use]
    pub fn with_significance(mut self, significance: i64) -> Self {
        self.significance = Some(significance);
        self
    }

    /// The entry with one more named value.
    #[must_use]
    pub fn with_metadata(
        mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> Self {
        self.metadata.insert(key.into(), settle(value.into()));
        self
    }

    /// The entry with a vector of the caller's own.
    #[must_use]
    pub fn with_embedding(mut self, embedding: impl Into<Vec<f32>>) -> Self {
        self.embedding = Some(embedding.into());
        self.embedder = None;
        self
    }

    /// The id, where it has one already.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What sort of memory it is.
    #[must_use]
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The text that is remembered.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The text in short.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// The tags, in the order in which they were given.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// How much it matters.
    #[must_use]
    pub fn significance(&self) -> Option<i64> {
        self.significance
    }

    /// The named values.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The vector. What comes from a list or a query has it only when that
    /// was asked for.
    #[must_use]
    pub fn embedding(&self) -> Option<&[f32]> {
        self.embedding.as_deref()
    }

    /// The fingerprint of the embedder that made the vector; `None` for a
    /// vector that a caller brought, and where there is no vector.
    #[must_use]
    pub fn embedder(&self) -> Option<&str> {
        self.embedder.as_deref()
    }

    /// The id that its content gives.
    #[must_use]
    pub fn content_id(&self) -> String {
        let fields = (
            self.kind,
            &self.content,
            &self.summary,
            &self.tags,
            self.significance,
            &self.metadata,
        );
        let json = serde_json::to_vec(&fields).expect("text, integers and settled numbers only");
        let hash = blake3::hash(&json).to_hex();
        hash[..32].to_owned()
    }

    /// The id it will be stored under.
    pub(crate) fn stored_id(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.content_id())
    }
}

/// One entry is a batch of one.
impl From<Entry> for Vec<Entry> {
    fn from(entry: Entry) -> Self {
        vec![entry]
    }
}

/// What to change of an entry that is stored; the rest stays as it is.
///
/// When the content changes and the entry's vector was made by the
/// collection's embedder, it is made anew. A vector that the caller had
/// brought would be stale then, so a new one must come with the change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntryPatch {
    pub(crate) id: String,
    pub(crate) content: Option<String>,
    pub(crate) summary: Option<Option<String>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) significance: Option<Option<i64>>,
    pub(crate) metadata: Vec<(String, Option<MetadataValue>)>,
    pub(crate) embedding: Option<Vec<f32>>,
}

impl EntryPatch {
    /// A change of the entry with that id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Gives it another content.
    #[must_use]
    pub fn with_content(mut self, content: impl Into<String>) -> Self {
        self.content = Some(content.into());
        self
    }

    /// Gives it another summary.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(Some(summary.into()));
        self
    }

    /// Takes its summary away, which a fact can do without.
    #[must_use]
    pub fn without_summary(mut self) -> Self {
        self.summary = Some(None);
        self
    }

    /// Gives it these tags in place of those it has.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Gives it another significance.
    #[must_use]
    pub fn with_significance(mut self, significance: i64) -> Self {
        self.significance = Some(Some(significance));
        self
    }

    /// Takes its significance away.
    #[must_use]
    pub fn without_significance(mut self) -> Self {
        self.significance = Some(None);
        self
    }

    /// Sets one named value; the others stay.
    #[must_use]
    pub fn with_metadata(
        mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> Self {
        self.metadata.push((key.into(), Some(settle(value.into()))));
        self
    }

    /// Removes one named value.
    #[must_use]
    pub fn without_metadata(mut self, key: impl Into<String>) -> Self {
        self.metadata.push((key.into(), None));
        self
    }

    /// Gives it another vector.
    #[must_use]
    pub fn with_embedding(mut self, embedding: impl Into<Vec<f32>>) -> Self {
        self.embedding = Some(embedding.into());
        self
    }

    /// The id of the entry that is meant.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The entry after the change. Its embedding is the patch's, if any.
    pub(crate) fn applied_to(&self, stored: &Entry) -> Entry {
        let mut entry = stored.clone();
        if let Some(content) = &self.content {
            entry.content.clone_from(content);
        }
        if let Some(summary) = &self.summary {
            entry.summary.clone_from(summary);
        }
        if let Some(tags) = &self.tags {
            entry.tags.clone_from(tags);
        }
        entry.significance = self.significance.unwrap_or(entry.significance);
        for (key, value) in &self.metadata {
            match value {
                Some(value) => entry.metadata.insert(key.clone(), value.clone()),
                None => entry.metadata.remove(key),
            };
        }
        entry.embedding.clone_from(&self.embedding);
        entry.embedder = None;
        entry
    }
}

/// One change is a batch of one.
impl From<EntryPatch> for Vec<EntryPatch> {
    fn from(patch: EntryPatch) -> Self {
        vec![patch]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_content_depends_on_every_field_but_the_embedding() {
        let base = Entry::journal("content", "summary");
        let others = [
            Entry::fact("content").with_summary("summary"),
            Entry::journal("content.", "summary"),
            Entry::journal("content", "summary."),
            base.clone().with_tags(["a"]),
            base.clone().with_significance(1),
            base.clone().with_metadata("a", 1),
        ];
        for other in &others {
            assert_ne!(base.content_id(), other.content_id(), "{other:?}");
        }
        assert_eq!(base.content_id(), base.clone().with_embedding([1.0]).content_id());
        assert_eq!(base.content_id().len(), 32);
    }

    #[test]
    fn the_id_of_a_content_never_changes_between_versions() {
        let entry = Entry::journal("content", "summary").with_tags(["a"]).with_metadata("k", 1.5);
        assert_eq!(entry.content_id(), "b68acb23981d77780a954de45e2220b9");
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let stored = Entry::journal("content", "summary")
            .with_tags(["a"])
            .with_significance(3)
            .with_metadata("keep", 1)
            .with_metadata("drop", 2);
        let patched = EntryPatch::new("x")
            .with_content("new")
            .with_metadata("more", true)
            .without_metadata("drop")
            .without_significance()
            .applied_to(&stored);
        let wanted = Entry::journal("new", "summary")
            .with_tags(["a"])
            .with_metadata("keep", 1)
            .with_metadata("more", true);
        assert_eq!(patched, wanted);
        assert_eq!(EntryPatch::new("x").without_summary().applied_to(&stored).summary, None);
    }
}
