//! What this crate counts, as one table, and the places that count it. The
//! whole module is compiled with the feature `metrics` alone.

use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Key, Label, Level, Metadata, with_recorder};
use lyra_errors::{LabelSet, Metric};

/// Every metric that this crate records, and no other.
///
/// The label `service` is the name of a limiter, a set or a registered
/// service: of the first 256 names of a process, and `other` for what came
/// later, for what has no name, and for services that nobody registered.
pub const METRICS: &[Metric] = &[GRANTED, REFUSED, WAIT, COMPLAINTS];

const GRANTED: Metric = Metric::counter("lyra_ratelimit_granted_total", "calls that were granted")
    .with_labels(&[SERVICE]);

const REFUSED: Metric =
    Metric::counter("lyra_ratelimit_refused_total", "calls that were refused, by why")
        .with_labels(&[SERVICE, ("reason", &REASONS)]);

const WAIT: Metric = Metric::histogram(
    "lyra_ratelimit_wait_seconds",
    "time in line of those who had to wait, however it ended but by a cancel",
)
.with_labels(&[SERVICE]);

const COMPLAINTS: Metric = Metric::counter(
    "lyra_ratelimit_complaints_total",
    "responses with which a service refused a call because there were too many",
)
.with_labels(&[SERVICE]);

/// Open by nature, and capped below.
const SERVICE: (&str, &[&str]) = ("service", &[]);

const REASONS: [&str; 5] = ["not_yet", "too_late", "timed_out", "busy", "too_large"];

/// Only so many names get series of their own.
static SERVICES: LabelSet = LabelSet::new(256);

static METADATA: Metadata<'static> =
    Metadata::new("lyra_ratelimit", Level::INFO, Some(module_path!()));

/// The series of one limiter.
#[derive(Debug)]
pub(crate) struct Series {
    first: Keys,
    /// Those under its name, if it got one later.
    renamed: OnceLock<Keys>,
}

/// Ready-made: to count a grant allocates nothing.
#[derive(Debug)]
struct Keys {
    service: &'static str,
    granted: Key,
    wait: Key,
}

impl Series {
    /// Those of a limiter with this name.
    pub(crate) fn named(name: Option<&str>) -> Self {
        Self { first: Keys::named(name), renamed: OnceLock::new() }
    }

    pub(crate) fn other() -> Self {
        Self { first: Keys::of(LabelSet::OTHER), renamed: OnceLock::new() }
    }

    /// From now on counted under this name.
    pub(crate) fn rename(&self, name: Option<&str>) {
        self.renamed.get_or_init(|| Keys::named(name));
    }

    pub(crate) fn granted(&self) {
        count(&self.keys().granted);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        debug_assert!(REASONS.contains(&reason), "the table knows all reasons");
        count(&key(&REFUSED, self.keys().service, Some(reason)));
    }

    pub(crate) fn waited(&self, time: Duration) {
        let wait = &self.keys().wait;
        with_recorder(|recorder| recorder.register_histogram(wait, &METADATA)).record(time);
    }

    pub(crate) fn complained(&self) {
        count(&key(&COMPLAINTS, self.keys().service, None));
    }

    fn keys(&self) -> &Keys {
        self.renamed.get().unwrap_or(&self.first)
    }
}

impl Keys {
    fn named(name: Option<&str>) -> Self {
        Self::of(name.map_or(LabelSet::OTHER, |name| SERVICES.label(name)))
    }

    fn of(service: &'static str) -> Self {
        let (granted, wait) = (key(&GRANTED, service, None), key(&WAIT, service, None));
        Self { service, granted, wait }
    }
}

fn count(key: &Key) {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA)).increment(1);
}

fn key(metric: &Metric, service: &'static str, reason: Option<&'static str>) -> Key {
    let service = Label::new("service", service);
    let reason = reason.map(|reason| Label::new("reason", reason));
    Key::from_parts(metric.name(), [service].into_iter().chain(reason).collect::<Vec<_>>())
}
