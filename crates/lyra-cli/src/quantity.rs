//! Sizes and times as people type them: `12GiB`, `1.5 GiB`, `500ms`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A size in bytes, over zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size(u64);

/// A time between two readings, over zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Interval(Duration);

/// What a bare letter means is what most tools mean by it.
const SIZES: [(&str, u128); 14] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

/// In milliseconds. A number without a unit could be anything, and is refused.
const TIMES: [(&str, u128); 4] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000)];

/// A point in time, by its date or by how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(SystemTime);

/// How long ago something was, in milliseconds.
const SPANS: [(&str, u128); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

impl Moment {
    pub(crate) fn time(self) -> SystemTime {
        self.0
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A day begins at midnight in UTC, as all times of ours are.
        let midnight = || format!("{}T00:00:00Z", text.trim()).parse::<jiff::Timestamp>();
        if let Ok(time) = text.trim().parse::<jiff::Timestamp>().or_else(|_| midnight()) {
            let since = time.duration_since(jiff::Timestamp::UNIX_EPOCH).unsigned_abs();
            let moment = match time.as_nanosecond() < 0 {
                true => SystemTime::UNIX_EPOCH.checked_sub(since),
                false => SystemTime::UNIX_EPOCH.checked_add(since),
            };
            return moment.map(Self).ok_or_else(|| format!("`{text}` is no time of this system"));
        }
        let ago = scaled(text, &SPANS).and_then(|millis| u64::try_from(millis).ok());
        let ago = ago.and_then(|ago| SystemTime::now().checked_sub(Duration::from_millis(ago)));
        ago.map(Self).ok_or_else(|| {
            format!(
                "`{text}` is no time: it takes one such as 2026-11-23T02:30:00Z, 2026-11-23, or 2h ago as 2h"
            )
        })
    }
}

impl Size {
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl Interval {
    pub(crate) const SECOND: Self = Self(Duration::from_secs(1));

    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = scaled(text, &SIZES).and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = bytes.filter(|bytes| *bytes > 0).map(Self);
        bytes.ok_or_else(|| format!("`{text}` is no size: it takes one such as 12GiB or 800MiB"))
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = scaled(text, &TIMES).and_then(|millis| u64::try_from(millis).ok());
        let millis = millis.filter(|millis| *millis > 0);
        let interval = millis.map(|millis| Self(Duration::from_millis(millis)));
        interval.ok_or_else(|| format!("`{text}` is no time: it takes one such as 2s or 500ms"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match whole.into_iter().find(|(_, bits)| self.0.trailing_zeros() >= *bits) {
            Some((unit, bits)) => write!(f, "{}{unit}", self.0 >> bits),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )*};
}
pub(crate) use as_text;

as_text!(Size, Interval);

/// A number with up to six decimals and one of the units, rounded down.
fn scaled(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    const DECIMALS: usize = 6;
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if decimals.is_empty() || decimals.len() > DECIMALS {
        return None;
    }
    let millionths: u128 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
    let number = u128::from(whole.parse::<u64>().ok()?) * 1_000_000 + millionths;
    Some(number * factor / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_people_type() {
        for (text, bytes) in [
            ("12GiB", 12 << 30),
            ("12 gib", 12 << 30),
            ("1.5GiB", 3 << 29),
            ("800M", 800 << 20),
            ("80GB", 80_000_000_000),
            ("4096", 4096),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in
            ["", "GiB", "-1GiB", "0", "0.0GiB", "1.GiB", "1.2.3GiB", "12 bananas", "99999999TiB"]
        {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!("500ms".parse(), Ok(Interval(Duration::from_millis(500))));
        assert_eq!("1.5 s".parse(), Ok(Interval(Duration::from_millis(1_500))));
        assert_eq!("2min".parse(), Ok(Interval(Duration::from_secs(120))));
        assert!(["5", "0s", "", "s", "1d"].iter().all(|text| text.parse::<Interval>().is_err()));
    }

    #[test]
    fn moments_are_dates_or_long_ago() {
        let date: Moment = "2026-11-23T02:30:00Z".parse().unwrap_or_else(|e| panic!("{e}"));
        let since = date.time().duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(since.map(|since| since.as_secs()).ok(), Some(1_795_401_000));
        let ago: Moment = "2h".parse().unwrap_or_else(|e| panic!("{e}"));
        let ago = ago.time().elapsed().map(|ago| ago.as_secs());
        assert!(ago.is_ok_and(|ago| (7_200..7_260).contains(&ago)));
        let day: Moment = "2026-11-23".parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(date.time().duration_since(day.time()).map(|d| d.as_secs()).ok(), Some(9_000));
        assert!(["", "2", "yesterday", "2026-11"].iter().all(|t| t.parse::<Moment>().is_err()));
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        for text in ["12GiB", "1536MiB", "7B", "3TiB"] {
            assert_eq!(text.parse::<Size>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        for text in ["1s", "90s", "250ms"] {
            assert_eq!(text.parse::<Interval>().map(|time| time.to_string()).as_deref(), Ok(text));
        }
    }
}
