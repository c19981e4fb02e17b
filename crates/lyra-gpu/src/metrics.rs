//! What this crate counts, as one table, and the places that count it. The
//! whole module is compiled with the feature `metrics` alone.

use ::metrics::{Key, Label, Level, Metadata, with_recorder};
use lyra_errors::{LabelSet, Metric};

use crate::event::EventKind;
use crate::level::Level as Pressure;
use crate::scheduler::{Counts, Device};

/// Every metric that this crate records, and no other.
///
/// The label `device` is the id of a device: of the first 64 of a process, and
/// `other` for what came later.
pub const METRICS: &[Metric] = &[
    TOTAL,
    USED,
    FREE,
    EXTERNAL,
    COMMITTED,
    LEVEL,
    ADMISSIONS,
    EVICTIONS,
    DEGRADED,
    UNVERIFIED,
    LOAD_FAILED,
    SAMPLE_ERRORS,
    UNLOAD,
];

const TOTAL: Metric =
    Metric::gauge("lyra_gpu_memory_total_bytes", "memory of a device in all, or its budget")
        .with_labels(&[DEVICE]);

const USED: Metric =
    Metric::gauge("lyra_gpu_memory_used_bytes", "memory that is not free, whoever has it")
        .with_labels(&[DEVICE]);

const FREE: Metric =
    Metric::gauge("lyra_gpu_memory_free_bytes", "memory that is free").with_labels(&[DEVICE]);

const EXTERNAL: Metric = Metric::gauge(
    "lyra_gpu_memory_external_bytes",
    "memory that others have, as far as it can be told",
)
.with_labels(&[DEVICE]);

const COMMITTED: Metric = Metric::gauge(
    "lyra_gpu_memory_committed_bytes",
    "memory that was given to models and is not seen to be back, by how far they are",
)
.with_labels(&[DEVICE, ("state", &STATES)]);

const LEVEL: Metric =
    Metric::gauge("lyra_gpu_pressure_level", "0 is normal, 1 is warning, 2 is critical")
        .with_labels(&[DEVICE]);

const ADMISSIONS: Metric = Metric::counter("lyra_gpu_admissions_total", "loads that were admitted");

const EVICTIONS: Metric =
    Metric::counter("lyra_gpu_evictions_total", "models that had to leave, by why")
        .with_labels(&[("reason", &["needed", "pressure", "idle", "asked", "lost"])]);

const DEGRADED: Metric =
    Metric::counter("lyra_gpu_degraded_total", "loads that came to a lesser candidate");

const UNVERIFIED: Metric = Metric::counter(
    "lyra_gpu_unload_unverified_total",
    "models whose memory did not come back in time",
);

const LOAD_FAILED: Metric =
    Metric::counter("lyra_gpu_load_failed_total", "loads that failed, by why")
        .with_labels(&[("reason", &["error", "out_of_memory"])]);

const SAMPLE_ERRORS: Metric =
    Metric::counter("lyra_gpu_sample_errors_total", "readings that failed");

const UNLOAD: Metric = Metric::histogram(
    "lyra_gpu_unload_seconds",
    "time until the memory of a model that had to leave, or failed to load, was back",
);

/// Open by nature, and capped below.
const DEVICE: (&str, &[&str]) = ("device", &[]);

const STATES: [&str; 5] = ["loading", "ready", "unloading", "verifying", "quarantined"];

/// Only so many devices get series of their own.
static DEVICES: LabelSet = LabelSet::new(64);

static METADATA: Metadata<'static> = Metadata::new("lyra_gpu", Level::INFO, Some(module_path!()));

/// The series of one device, ready-made: a reading allocates nothing.
#[derive(Debug)]
pub(crate) struct Series {
    total: Key,
    used: Key,
    free: Key,
    external: Key,
    level: Key,
    committed: [Key; STATES.len()],
}

/// How a device stood: taken under the manager's lock, and recorded when that
/// is free again, because a recorder is the code of others.
#[derive(Debug)]
pub(crate) struct Standing {
    total: u64,
    used: u64,
    external: u64,
    level: u8,
    committed: [u64; STATES.len()],
}

impl Series {
    pub(crate) fn of(device: &Device) -> Self {
        let device = DEVICES.label(device.info.id.as_str());
        Self {
            total: key(&TOTAL, &[device]),
            used: key(&USED, &[device]),
            free: key(&FREE, &[device]),
            external: key(&EXTERNAL, &[device]),
            level: key(&LEVEL, &[device]),
            committed: STATES.map(|state| key(&COMMITTED, &[device, state])),
        }
    }

    pub(crate) fn record(&self, standing: &Standing) {
        // One that was never read has nothing to tell.
        if standing.total == 0 {
            return;
        }
        set(&self.total, standing.total);
        set(&self.used, standing.used);
        set(&self.free, standing.total.saturating_sub(standing.used));
        set(&self.external, standing.external);
        set(&self.level, standing.level.into());
        for (key, bytes) in self.committed.iter().zip(standing.committed) {
            set(key, bytes);
        }
    }
}

impl Standing {
    pub(crate) fn of(device: &Device) -> Self {
        let sums = &device.sums;
        Self {
            total: device.total(),
            used: device.unavailable(),
            external: device.external,
            level: match device.watch.level() {
                Pressure::Normal => 0,
                Pressure::Warning => 1,
                Pressure::Critical => 2,
            },
            committed: [sums.loading, sums.ready, sums.unloading, sums.verifying, sums.quarantined],
        }
    }
}

/// What was counted between two moments.
pub(crate) fn counted(before: &Counts, after: &Counts) {
    if before == after {
        return;
    }
    let failed = |counts: &Counts| counts.load_failed - counts.out_of_memory;
    count(&ADMISSIONS, &[], after.admitted - before.admitted);
    count(&DEGRADED, &[], after.degraded - before.degraded);
    count(&UNVERIFIED, &[], after.unverified - before.unverified);
    count(&SAMPLE_ERRORS, &[], after.read_errors - before.read_errors);
    count(&LOAD_FAILED, &["error"], failed(after) - failed(before));
    count(&LOAD_FAILED, &["out_of_memory"], after.out_of_memory - before.out_of_memory);
}

/// What an event says beyond the counts.
pub(crate) fn told(event: &EventKind) {
    match event {
        EventKind::Unloading { reason, .. } => count(&EVICTIONS, &[reason.as_str()], 1),
        EventKind::Unloaded { took, .. } => {
            let key = key(&UNLOAD, &[]);
            with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(*took);
        }
        _ => {}
    }
}

fn count(metric: &Metric, values: &[&'static str], by: u64) {
    if by > 0 {
        let key = key(metric, values);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(by);
    }
}

#[allow(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
fn set(key: &Key, value: u64) {
    with_recorder(|recorder| recorder.register_gauge(key, &METADATA)).set(value as f64);
}

/// For a metric with these values of its labels.
fn key(metric: &Metric, values: &[&'static str]) -> Key {
    let labels = metric.labels().iter().zip(values).map(|((label, known), value)| {
        debug_assert!(known.is_empty() || known.contains(value), "the table knows all values");
        Label::new(*label, *value)
    });
    Key::from_parts(metric.name(), labels.collect::<Vec<_>>())
}
