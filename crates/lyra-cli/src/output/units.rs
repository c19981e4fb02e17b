use std::path::{Path, PathBuf};
use std::time::Duration;

/// A size for people: `312 B`, `4.5 KiB`, `1.2 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = count as f64;
    let mut unit = "";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A time that something took, for people: `12 ms`, `3.4 s`, `2 min 5 s`.
pub(crate) fn time(took: Duration) -> String {
    let seconds = took.as_secs();
    if took < Duration::from_millis(10) {
        format!("{:.1} ms", took.as_secs_f64() * 1e3)
    } else if took < Duration::from_secs(1) {
        format!("{} ms", took.as_millis())
    } else if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// An age for people: `just now`, `5 minutes ago`, `3 days ago`.
pub(crate) fn age(age: Duration) -> String {
    let text = match age.as_secs() {
        0..5 => return "just now".to_owned(),
        seconds @ 5..60 => count(seconds, "second"),
        seconds @ 60..3_600 => count(seconds / 60, "minute"),
        seconds @ 3_600..86_400 => count(seconds / 3_600, "hour"),
        seconds => count(seconds / 86_400, "day"),
    };
    format!("{text} ago")
}

/// A path as text. JSON has no other bytes than text, so a name that is none
/// is shown with marks in their place.
pub(crate) fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// Paths as texts.
pub(crate) fn paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(path).collect()
}

/// `1 file`, `2 files`.
pub(crate) fn count(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `1 entry`, `2 entries`.
pub(crate) fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_carry_their_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(4608), "4.5 KiB");
        assert_eq!(bytes(3 << 40), "3.0 TiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(time(Duration::from_micros(340)), "0.3 ms");
        assert_eq!(time(Duration::from_millis(999)), "999 ms");
        assert_eq!(time(Duration::from_millis(3_400)), "3.4 s");
        assert_eq!(time(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(age(Duration::from_secs(4)), "just now");
        assert_eq!(age(Duration::from_secs(60)), "1 minute ago");
        assert_eq!(age(Duration::from_secs(200_000)), "2 days ago");
    }
}
