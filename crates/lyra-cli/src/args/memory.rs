use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// The directory of the store [default: memory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,

    /// The collection [default: journal]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) collection: Option<String>,

    #[command(subcommand)]
    pub(crate) verb: MemoryVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemoryVerb {
    /// Import JSONL, JSON arrays, Markdown and text files, or folders of them
    ///
    /// 500 entries are committed at a time, each time with a line on stderr. It is idempotent: an
    /// entry without an id gets one from its content, an identical entry is skipped, and a
    /// different one under the same id is reported. A file with an invalid entry is not begun.
    Import(ImportArgs),
    /// Add one entry, from options or from JSON on stdin
    Add(AddArgs),
    /// Show entries by id
    Get(GetArgs),
    /// Change parts of one entry
    Update(UpdateArgs),
    /// Delete entries by id, all or none
    Delete(DeleteArgs),
    /// Find the entries nearest to a text or a vector
    Search(SearchArgs),
    /// List entries
    List(ListArgs),
    /// Count entries
    Count(FilterArgs),
    /// Write every entry as a line of JSON, with its vector; `import` reads it back
    Export(ExportArgs),
    /// Collections, entries and sizes
    Stats,
    /// Check the whole store: pages, indexes, and vectors against their codes
    Check,
    /// Make codes and indexes anew from the entries; brings an older store to this version's format
    Reindex,
    /// Give the space of what was deleted back to the disk
    Compact,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// What texts become, and JSON entries that do not say it
    #[arg(long, value_enum, default_value_t = Kind::Journal)]
    pub(crate) kind: Kind,

    /// Import the valid entries of a file that holds invalid ones, too, and end with exit code 6
    #[arg(long)]
    pub(crate) skip_invalid: bool,

    #[command(flatten)]
    pub(crate) space: SpaceArgs,
}

/// How a collection measures, where it does not exist yet.
#[derive(Debug, Args)]
pub(crate) struct SpaceArgs {
    /// The dimension of the vectors of a new collection [default: 384]
    #[arg(long, value_name = "N", help_heading = "New collections")]
    pub(crate) dimension: Option<u32>,

    /// The distance of a new collection [default: cosine]
    #[arg(long, value_name = "METRIC", help_heading = "New collections")]
    pub(crate) metric: Option<Metric>,

    /// Who makes vectors of texts that come without one, in a new collection
    /// [default: lexical with cosine, none otherwise]
    #[arg(long, value_name = "EMBEDDER", help_heading = "New collections")]
    pub(crate) embedder: Option<Embedder>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// With content and summary
    Journal,
    /// With content
    Fact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Metric {
    /// The angle; lengths do not count
    Cosine,
    /// The Euclidean distance
    L2,
    /// The inner product
    InnerProduct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Embedder {
    /// Finds words, not meanings; needs no model
    Lexical,
    /// The caller brings every vector
    None,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// `-` reads the entry as one JSON object from stdin; options change it
    #[arg(value_name = "-", value_parser = ["-"])]
    pub(crate) stdin: Option<String>,

    /// Journal entries need content and summary, facts content [default: journal with --summary, else fact]
    #[arg(long, value_enum, conflicts_with = "stdin")]
    pub(crate) kind: Option<Kind>,

    /// The id [default: a new one]
    #[arg(long, value_name = "ID", conflicts_with = "stdin")]
    pub(crate) id: Option<String>,

    #[command(flatten)]
    pub(crate) fields: FieldArgs,

    #[command(flatten)]
    pub(crate) space: SpaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FieldArgs {
    /// What is remembered, up to 50,000 characters
    #[arg(long, value_name = "TEXT")]
    pub(crate) content: Option<String>,

    /// The same in short
    #[arg(long, value_name = "TEXT")]
    pub(crate) summary: Option<String>,

    /// A tag of letters, digits, `_` and `-`; can be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// How much it matters, 1 to 10
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) significance: Option<i64>,

    /// A named value: an integer, a number, true or false, else text; can be repeated
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<KeyValue>,

    /// A file with the vector as a JSON array of numbers
    #[arg(long, value_name = "FILE")]
    pub(crate) embedding_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The ids
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,

    #[command(flatten)]
    pub(crate) shown: ShownArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The id
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) fields: FieldArgs,

    /// A named value to take away; can be repeated
    #[arg(long = "without-meta", value_name = "KEY")]
    pub(crate) without_metadata: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The ids
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for
    #[arg(required_unless_present = "embedding_file", conflicts_with = "embedding_file")]
    pub(crate) text: Option<String>,

    /// A file with a vector to look for, as a JSON array of numbers
    #[arg(long, value_name = "FILE")]
    pub(crate) embedding_file: Option<PathBuf>,

    /// Let what fits by its words count as well: those of TEXT, or WORDS
    #[arg(long, value_name = "WORDS", num_args = 0..=1, require_equals = true)]
    pub(crate) hybrid: Option<Option<String>>,

    /// How many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    #[command(flatten)]
    pub(crate) shown: ShownArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// How many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// How many to pass over first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: usize,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    #[command(flatten)]
    pub(crate) shown: ShownArgs,
}

/// All of them must hold.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// A named value compared, such as `user_id=123` or `year>=1849`; can be repeated
    #[arg(long = "where", value_name = "KEY=VALUE", help_heading = "Filters")]
    pub(crate) conditions: Vec<String>,

    /// Entries with this tag; can be repeated
    #[arg(long = "with-tag", value_name = "TAG", help_heading = "Filters")]
    pub(crate) tags: Vec<String>,

    /// Entries of this kind
    #[arg(long = "of-kind", value_enum, value_name = "KIND", help_heading = "Filters")]
    pub(crate) kind: Option<Kind>,

    /// Entries whose content holds this text; can be repeated
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    pub(crate) contains: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShownArgs {
    /// Show the vectors, too
    #[arg(long)]
    pub(crate) embeddings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to write; it must not exist [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `KEY=VALUE`, where the value may hold further `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyValue {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for KeyValue {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("it takes the form KEY=VALUE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_further_equals_signs() {
        let pair: KeyValue = "query=a=b".parse().unwrap();
        assert_eq!((pair.key.as_str(), pair.value.as_str()), ("query", "a=b"));
        assert!("=b".parse::<KeyValue>().is_err());
        assert!("b".parse::<KeyValue>().is_err());
    }
}
