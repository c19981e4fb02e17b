//! What this crate counts, as one table, and the places that count it. The
//! whole module is compiled with the feature `metrics` alone.

use std::time::Duration;

use ::metrics::{Key, Label, Level, Metadata, with_recorder};
use lyra_errors::Metric;

use crate::events::Outcome;

/// Every metric that this crate records, and no other.
///
/// All stores of a process are counted together: a path is no label.
pub const METRICS: &[Metric] =
    &[TRANSACTIONS, WRITE_WAIT, WRITE, QUERIES, QUERY, EMBEDDINGS, EMBEDDING, CHECKS];

const TRANSACTIONS: Metric =
    Metric::counter("lyra_memstore_transactions_total", "transactions that ended, by how")
        .with_labels(&[("outcome", &["committed", "rolled_back", "commit_failed", NOT_BEGUN])]);

const NOT_BEGUN: &str = "not_begun";

const WRITE_WAIT: Metric = Metric::histogram(
    "lyra_memstore_write_wait_seconds",
    "how long a transaction waited for its turn to write, in vain too",
);

const WRITE: Metric = Metric::histogram(
    "lyra_memstore_write_seconds",
    "how long a transaction kept others from writing, its commit included",
);

const QUERIES: Metric =
    Metric::counter("lyra_memstore_queries_total", "queries that ended, by how")
        .with_labels(&[("outcome", &["answered", "failed"])]);

const QUERY: Metric = Metric::histogram(
    "lyra_memstore_query_seconds",
    "how long a query took that was answered, the embedding of its text included",
);

const EMBEDDINGS: Metric =
    Metric::counter("lyra_memstore_embeddings_total", "calls of an embedder that ended, by how")
        .with_labels(&[("outcome", &["made", "failed"])]);

const EMBEDDING: Metric = Metric::histogram(
    "lyra_memstore_embedding_seconds",
    "how long a call of an embedder took, one that failed too",
);

const CHECKS: Metric = Metric::counter(
    "lyra_memstore_checks_total",
    "checks that ran to their end, by what they found",
)
.with_labels(&[("outcome", &["whole", "damaged"])]);

static METADATA: Metadata<'static> =
    Metadata::new("lyra_memstore", Level::INFO, Some(module_path!()));

/// A transaction has ended. Not to be called before others may write again: a
/// recorder is code of somebody else's.
pub(crate) fn ended(outcome: Outcome, waited: Duration, held: Duration) {
    count(TRANSACTIONS, label(outcome));
    took(WRITE_WAIT, waited);
    took(WRITE, held);
}

/// A transaction did not get its turn.
pub(crate) fn not_begun(waited: Duration) {
    count(TRANSACTIONS, NOT_BEGUN);
    took(WRITE_WAIT, waited);
}

/// A query has ended.
pub(crate) fn queried(is_answered: bool, time: Duration) {
    count(QUERIES, if is_answered { "answered" } else { "failed" });
    if is_answered {
        took(QUERY, time);
    }
}

/// A call of an embedder has ended.
pub(crate) fn embedded(is_made: bool, time: Duration) {
    count(EMBEDDINGS, if is_made { "made" } else { "failed" });
    took(EMBEDDING, time);
}

/// A check has ended.
pub(crate) fn checked(is_whole: bool) {
    count(CHECKS, if is_whole { "whole" } else { "damaged" });
}

fn label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "committed",
        Outcome::RolledBack => "rolled_back",
        Outcome::CommitFailed(_) => "commit_failed",
    }
}

fn count(metric: Metric, outcome: &'static str) {
    let key = Key::from_parts(metric.name(), vec![Label::from_static_parts("outcome", outcome)]);
    with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(1);
}

fn took(metric: Metric, time: Duration) {
    let key = Key::from_static_name(metric.name());
    with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(time);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    /// That a commit fails is a matter of the disk, so no test meets it.
    #[test]
    fn every_way_to_end_is_in_the_table() {
        let failed = Outcome::CommitFailed(codes::STORAGE);
        let known = TRANSACTIONS.labels()[0].1;
        let mut labels: Vec<_> =
            [Outcome::Committed, Outcome::RolledBack, failed].map(label).into();
        labels.push(NOT_BEGUN);
        assert_eq!(labels, known);
    }
}
