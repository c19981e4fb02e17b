//! What a scenario found, as a line of JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::trace::Traced;

/// The figures of a scenario, and what it demands of them.
#[derive(Debug, Default)]
pub struct Report {
    figures: Map<String, Value>,
    demands: usize,
    failed: Vec<String>,
}

/// Why a scenario could not be played to its end.
#[derive(Debug)]
pub struct Broken(String);

impl Report {
    /// Notes a figure.
    pub fn note(&mut self, name: &str, figure: impl Into<Value>) {
        self.figures.insert(name.to_owned(), figure.into());
    }

    /// Notes a time, in milliseconds.
    pub fn note_time(&mut self, name: &str, time: Duration) {
        self.note(name, (time.as_secs_f64() * 10_000.0).round() / 10.0);
    }

    /// Notes what the trace saw, in percent of `total`.
    pub fn note_trace(&mut self, traced: &Traced, total: u64) {
        self.note("peak_percent", percent(traced.peak, total));
        self.note_time("over_90_ms", traced.over);
        self.note("samples", traced.samples);
    }

    /// What has to be so.
    pub fn demand(&mut self, what: &str, is_so: bool) {
        self.demands += 1;
        if !is_so {
            self.failed.push(what.to_owned());
        }
    }

    /// The scenario could not go on.
    pub fn broke(&mut self, broken: &Broken) {
        self.demands += 1;
        self.failed.push(broken.to_string());
    }

    /// Whether all is as it has to be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed.is_empty()
    }

    /// The line: the name, the verdict, and the figures.
    #[must_use]
    pub fn line(self, name: &str, title: &str, took: Duration) -> Value {
        let verdict = match (self.failed.is_empty(), self.demands) {
            (false, _) => "failed",
            (true, 0) => "recorded",
            (true, _) => "ok",
        };
        let seconds = (took.as_secs_f64() * 100.0).round() / 100.0;
        json!({
            "scenario": name,
            "title": title,
            "verdict": verdict,
            "failed": self.failed,
            "seconds": seconds,
            "figures": self.figures,
        })
    }
}

/// So much of the whole, in percent with two places.
#[must_use]
pub fn percent(part: u64, whole: u64) -> f64 {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not go on: {}", self.0)
    }
}

impl<E: std::error::Error> From<E> for Broken {
    fn from(error: E) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            words = format!("{words}: {cause}");
            source = cause.source();
        }
        Self(words)
    }
}
