//! What this crate counts, as one table, and the places that count it. The
//! whole module is compiled with the feature `metrics` alone.
//!
//! Nothing is counted where nobody waits: a free lock takes 13 ns, and to count
//! that would take several times as long. So nothing here is made ahead, and a
//! lock has no series of its own.

use ::metrics::{Key, Label, Level, Metadata, with_recorder};
use lyra_errors::{LabelSet, Metric};
use tokio::time::Instant;

use crate::name::Name;
use crate::wake::quietly;

/// Every metric that this crate records, and no other.
///
/// The label `name` is that of a lock, a semaphore or a pool: of the first 256
/// names of a process, and `other` for what came later and for what has no
/// name.
pub const METRICS: &[Metric] = &[
    WAIT,
    TIMEOUTS,
    POOL_CREATED,
    POOL_CREATE_FAILED,
    POOL_REMOVED,
    POOL_PANICS,
    POOL_LONG_HELD,
    #[cfg(feature = "lock-order")]
    LOCK_ORDER_REPORTS,
];

const WAIT: Metric = Metric::histogram(
    "lyra_sync_wait_seconds",
    "time of those who had to wait, however it ended; in a pool for a creation, too",
)
.with_labels(&[NAME, KIND]);

const TIMEOUTS: Metric =
    Metric::counter("lyra_sync_timeouts_total", "calls that ended by their timeout")
        .with_labels(&[NAME, KIND]);

const POOL_CREATED: Metric =
    Metric::counter("lyra_sync_pool_created_total", "resources that a pool created")
        .with_labels(&[NAME]);

const POOL_CREATE_FAILED: Metric =
    Metric::counter("lyra_sync_pool_create_failed_total", "creations that failed, by why")
        .with_labels(&[NAME, ("reason", &["error", "timed_out", "panicked", "abandoned"])]);

const POOL_REMOVED: Metric =
    Metric::counter("lyra_sync_pool_removed_total", "resources that a pool has no more, by why")
        .with_labels(&[
            NAME,
            ("reason", &["unwanted", "unsound", "expired", "closed", "detached"]),
        ]);

const POOL_PANICS: Metric =
    Metric::counter("lyra_sync_pool_panics_total", "panics in a pool's manager and in its hooks")
        .with_labels(&[NAME]);

const POOL_LONG_HELD: Metric = Metric::counter(
    "lyra_sync_pool_long_held_total",
    "resources that maintenance found to be held beyond the leak threshold",
)
.with_labels(&[NAME]);

#[cfg(feature = "lock-order")]
const LOCK_ORDER_REPORTS: Metric =
    Metric::counter("lyra_sync_lock_order_reports_total", "deadlocks that did not happen yet");

/// Open by nature, and capped below.
const NAME: (&str, &[&str]) = ("name", &[]);

const KIND: (&str, &[&str]) = ("kind", &["lock", "rw_lock", "semaphore", "pool"]);

/// Only so many names get series of their own.
static NAMES: LabelSet = LabelSet::new(256);

static METADATA: Metadata<'static> = Metadata::new("lyra_sync", Level::INFO, Some(module_path!()));

/// Somebody waits, until this is dropped: a wait that is cancelled is seen as
/// well, since a timeout from outside may be the only end that waits have.
#[derive(Debug)]
#[must_use = "dropped, the wait is over"]
pub(crate) struct Wait<'a> {
    kind: &'static str,
    name: &'a Name,
    started: Instant,
}

/// A wait begins.
pub(crate) fn wait<'a>(kind: &'static str, name: &'a Name) -> Wait<'a> {
    Wait { kind, name, started: Instant::now() }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let time = self.started.elapsed();
        // What it waited for may be granted by now, and not be in a guard: a
        // panic of the recorder would lose it.
        quietly(|| {
            let key = key(&WAIT, [label(self.name), self.kind]);
            with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(time);
        });
    }
}

pub(crate) fn timed_out(kind: &'static str, name: &Name) {
    count(&key(&TIMEOUTS, [label(name), kind]));
}

/// A pool has a resource more.
pub(crate) fn created(name: &Name) {
    count(&key(&POOL_CREATED, [label(name)]));
}

pub(crate) fn create_failed(name: &Name, reason: &'static str) {
    count(&key(&POOL_CREATE_FAILED, [label(name), reason]));
}

/// A pool has a resource less.
pub(crate) fn removed(name: &Name, reason: &'static str) {
    count(&key(&POOL_REMOVED, [label(name), reason]));
}

pub(crate) fn panicked(name: &Name) {
    count(&key(&POOL_PANICS, [label(name)]));
}

pub(crate) fn long_held(name: &Name) {
    count(&key(&POOL_LONG_HELD, [label(name)]));
}

#[cfg(feature = "lock-order")]
pub(crate) fn lock_order_reported() {
    count(&key(&LOCK_ORDER_REPORTS, []));
}

fn label(name: &Name) -> &'static str {
    match name.is_given() {
        true => NAMES.label(name.as_str()),
        false => LabelSet::OTHER,
    }
}

/// For a metric with these values of its labels.
fn key<const N: usize>(metric: &Metric, values: [&'static str; N]) -> Key {
    let labels = metric.labels().iter().zip(values).map(|((label, known), value)| {
        debug_assert!(known.is_empty() || known.contains(&value), "the table knows all values");
        Label::new(*label, value)
    });
    Key::from_parts(metric.name(), labels.collect::<Vec<_>>())
}

fn count(key: &Key) {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA)).increment(1);
}
