//! A recorder that keeps what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Values by series, such as `lyra_retry_attempts_total outcome=failed`: of a
/// histogram all, of the others the latest.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
    described: Mutex<BTreeSet<String>>,
}

#[derive(Debug)]
struct Series {
    kind: &'static str,
    values: Mutex<Vec<f64>>,
}

impl Recorded {
    /// All series, each with its kind in front.
    pub(crate) fn series(&self) -> BTreeSet<String> {
        let series = self.series.lock().unwrap();
        series.iter().map(|(name, series)| format!("{} {name}", series.kind)).collect()
    }

    pub(crate) fn value(&self, series: &str) -> f64 {
        self.values(series).last().copied().unwrap_or_else(|| panic!("no series {series}"))
    }

    pub(crate) fn values(&self, series: &str) -> Vec<f64> {
        let found = self.series.lock().unwrap();
        found.get(series).map(|series| series.values.lock().unwrap().clone()).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Vec<f64>> {
        let series = self.series.lock().unwrap();
        let values = |series: &Arc<Series>| series.values.lock().unwrap().clone();
        series.iter().map(|(name, series)| (name.clone(), values(series))).collect()
    }

    /// Kind, name and help text of all that was described.
    pub(crate) fn described(&self) -> BTreeSet<String> {
        self.described.lock().unwrap().clone()
    }

    fn register(&self, kind: &'static str, key: &Key) -> Arc<Series> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = std::iter::once(key.name().to_owned()).chain(labels).collect::<String>();
        let new = || Arc::new(Series { kind, values: Mutex::default() });
        let mut all = self.series.lock().unwrap();
        let series = all.entry(name).or_insert_with(new);
        assert_eq!(series.kind, kind, "{key} has two kinds");
        Arc::clone(series)
    }

    fn describe(&self, kind: &str, name: &KeyName, help: impl fmt::Display) {
        self.described.lock().unwrap().insert(format!("{kind} {}: {help}", name.as_str()));
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe("counter", &key, help);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe("gauge", &key, help);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe("histogram", &key, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register("histogram", key))
    }
}

impl Series {
    fn change(&self, by: f64) {
        let mut values = self.values.lock().unwrap();
        let latest = values.last().copied().unwrap_or_default();
        *values = vec![latest + by];
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.change(f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, value: u64) {
        panic!("a counter was set to {value}");
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.change(value);
    }

    fn decrement(&self, value: f64) {
        self.change(-value);
    }

    fn set(&self, value: f64) {
        *self.values.lock().unwrap() = vec![value];
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.values.lock().unwrap().push(value);
    }
}
