use std::fmt;

use crate::code::is_line;

/// One metric that a crate records through the `metrics` facade: a row of the
/// table `METRICS` that each such crate has, from which help texts, dashboards
/// and alert rules are made and checked.
///
/// The name is `lyra_<area>_<thing>_<unit>`, in base units, with `_total` at
/// the end of a counter. The form is checked at compile time:
///
/// ```
/// use lyra_errors::{Metric, MetricKind, MetricUnit};
///
/// const SILENCE: Metric = Metric::histogram("lyra_radio_silence_seconds", "time without a signal")
///     .with_labels(&[("band", &["short", "long"])]);
/// assert_eq!((SILENCE.kind(), SILENCE.unit()), (MetricKind::Histogram, MetricUnit::Seconds));
/// ```
///
/// ```compile_fail
/// # use lyra_errors::Metric;
/// const BAD: Metric = Metric::counter("lyra_radio_calls", "a counter ends in _total");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    kind: MetricKind,
    help: &'static str,
    labels: Labels,
}

/// The names of labels, each with all the values that it takes.
type Labels = &'static [(&'static str, &'static [&'static str])];

/// How the values of a [`Metric`] add up.
///
/// Complete by nature: the facade has these three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// Each value counts for itself.
    Histogram,
}

/// What the values of a [`Metric`] are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricUnit {
    /// Things, which the name tells.
    Count,
    /// Seconds; of a name that ends in `_timestamp_seconds`, since 1970.
    Seconds,
    /// Bytes.
    Bytes,
    /// From 0 to 1.
    Ratio,
}

impl Metric {
    /// A number that only grows; its name ends in `_total`.
    ///
    /// # Panics
    ///
    /// As the other two at compile time, where it is a constant: when the name
    /// is not of the form above, or the help text not one line.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, MetricKind::Counter, help)
    }

    /// A number that goes up and down.
    ///
    /// # Panics
    ///
    /// As [`counter`](Self::counter).
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, MetricKind::Gauge, help)
    }

    /// Values whose distribution counts.
    ///
    /// # Panics
    ///
    /// As [`counter`](Self::counter).
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, MetricKind::Histogram, help)
    }

    const fn new(name: &'static str, kind: MetricKind, help: &'static str) -> Self {
        assert!(is_name(name), "a name is lyra_<area>_<thing>, of a-z, 0-9 and _");
        assert!(
            ends_with(name, "_total") == matches!(kind, MetricKind::Counter),
            "counters, and no others, end in _total"
        );
        assert!(is_line(help), "a help text is one line");
        Self { name, kind, help, labels: &[] }
    }

    /// The same with these labels, each with all the values that it takes. A
    /// set that is open by nature has no values here, and is capped by who
    /// records it.
    #[must_use]
    pub const fn with_labels(self, labels: Labels) -> Self {
        Self { labels, ..self }
    }

    /// Its name, such as `lyra_retry_attempts_total`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How its values add up.
    #[must_use]
    pub const fn kind(&self) -> MetricKind {
        self.kind
    }

    /// What it counts, in one line.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// Its labels, each with all the values that it takes.
    #[must_use]
    pub const fn labels(&self) -> Labels {
        self.labels
    }

    /// What it is measured in, as its name tells.
    #[must_use]
    pub fn unit(&self) -> MetricUnit {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        match name.rsplit('_').next() {
            Some("seconds") => MetricUnit::Seconds,
            Some("bytes") => MetricUnit::Bytes,
            Some("ratio") => MetricUnit::Ratio,
            _ => MetricUnit::Count,
        }
    }

    /// Tells the recorder that is installed the unit and the help text. Call it
    /// once for each row, after installing one:
    /// `METRICS.iter().for_each(Metric::describe)`.
    pub fn describe(&self) {
        let unit = match self.unit() {
            MetricUnit::Count => Some(metrics::Unit::Count),
            MetricUnit::Seconds => Some(metrics::Unit::Seconds),
            MetricUnit::Bytes => Some(metrics::Unit::Bytes),
            // The facade has none for it.
            MetricUnit::Ratio => None,
        };
        let (name, help) = (self.name.into(), self.help.into());
        metrics::with_recorder(|recorder| match self.kind {
            MetricKind::Counter => recorder.describe_counter(name, unit, help),
            MetricKind::Gauge => recorder.describe_gauge(name, unit, help),
            MetricKind::Histogram => recorder.describe_histogram(name, unit, help),
        });
    }
}

/// `counter`, `gauge` or `histogram`.
impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut underscores = 0;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'a'..=b'z' => {}
            b'0'..=b'9' if i > 0 => {}
            b'_' if i > 0 && bytes[i - 1] != b'_' => underscores += 1,
            _ => return false,
        }
        i += 1;
    }
    starts_with_lyra(bytes) && underscores >= 2 && bytes[bytes.len() - 1] != b'_'
}

const fn starts_with_lyra(bytes: &[u8]) -> bool {
    matches!(bytes, [b'l', b'y', b'r', b'a', b'_', _, ..])
}

const fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    let Some(from) = text.len().checked_sub(end.len()) else { return false };
    let mut i = 0;
    while i < end.len() {
        if text[from + i] != end[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_an_area_and_a_thing() {
        for good in ["lyra_retry_breakers", "lyra_gpu_memory_bytes", "lyra_a_b2_total"] {
            assert!(is_name(good), "{good}");
        }
        for bad in
            ["", "lyra_", "lyra_retry", "retry_calls_total", "lyra_Retry_x", "lyra_a__b", "lyra_a_"]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_name_tells_the_unit() {
        for (name, unit) in [
            ("lyra_a_b_seconds", MetricUnit::Seconds),
            ("lyra_a_last_success_timestamp_seconds", MetricUnit::Seconds),
            ("lyra_a_read_bytes", MetricUnit::Bytes),
            ("lyra_a_used_ratio", MetricUnit::Ratio),
            ("lyra_a_things", MetricUnit::Count),
        ] {
            assert_eq!(Metric::gauge(name, "a test").unit(), unit, "{name}");
        }
        assert_eq!(Metric::counter("lyra_a_b_bytes_total", "a test").unit(), MetricUnit::Bytes);
    }

    #[test]
    #[should_panic(expected = "end in _total")]
    fn a_gauge_is_no_total() {
        let _ = Metric::gauge("lyra_a_b_total", "a test");
    }

    #[test]
    #[should_panic(expected = "one line")]
    fn a_help_text_is_one_line() {
        let _ = Metric::gauge("lyra_a_b", "a\nb");
    }
}
