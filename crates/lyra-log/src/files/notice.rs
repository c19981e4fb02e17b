//! What the files themselves have to say: records like any other, but without
//! `seq`, which counts what the program said.

use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines that could not be kept, told in the file that lacks them.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) lines: u64,
    pub(crate) since: SystemTime,
    /// Of the first of them.
    pub(crate) reason: String,
}

impl Lost {
    /// The record that tells it.
    pub(crate) fn record(&self, run: &str, now: SystemTime) -> Vec<u8> {
        let (lines, reason) = (self.lines, quoted(&self.reason));
        let were = if lines == 1 { "line was" } else { "lines were" };
        let since = rfc3339(self.since);
        let told = format!(r#""lost":{lines},"reason":{reason},"since":"{since}""#);
        record(run, now, &format!("{lines} {were} lost"), &told)
    }
}

/// The record that tells that a file grows beyond its limit for now.
pub(crate) fn not_rotated(run: &str, now: SystemTime, cause: &dyn Display) -> Vec<u8> {
    let told = format!(r#""reason":{}"#, quoted(&cause.to_string()));
    record(run, now, "the log can't be rotated and grows beyond its limit", &told)
}

fn record(run: &str, now: SystemTime, message: &str, told: &str) -> Vec<u8> {
    let (time, run) = (rfc3339(now), quoted(run));
    let target = r#""target":"lyra_log""#;
    format!(r#"{{"time":"{time}","level":"WARN","run":{run},{target},"msg":"{message}",{told}}}"#)
        .into_bytes()
        .into_iter()
        .chain([b'\n'])
        .collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// UTC with nanoseconds; times before 1970 as 1970.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let nanos = since.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// The date that many days after 1970-01-01. Years are counted from March, so
/// that the leap day is the last one, in eras of 400 years, which are alike.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, nanos: u32) -> String {
        rfc3339(UNIX_EPOCH + Duration::new(seconds, nanos))
    }

    #[test]
    fn times_are_utc_with_nanoseconds() {
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(at(951_782_399, 999_999_999), "2000-02-28T23:59:59.999999999Z");
        assert_eq!(at(951_782_400, 1), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(at(951_868_800, 0), "2000-03-01T00:00:00.000000000Z");
        assert_eq!(at(4_107_542_399, 0), "2100-02-28T23:59:59.000000000Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000000000Z");
        assert_eq!(at(1_795_401_000, 123_456_789), "2026-11-23T02:30:00.123456789Z");
    }

    #[test]
    fn a_loss_is_one_valid_record() {
        let lost = Lost { lines: 12, since: UNIX_EPOCH, reason: "no \"space\"\n".to_owned() };
        let line = lost.record("r\"1", UNIX_EPOCH);
        assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
        let told: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(told["msg"], "12 lines were lost");
        assert_eq!(told["lost"], 12);
        assert_eq!(told["reason"], "no \"space\"\n");
        assert_eq!((&told["level"], &told["target"]), (&"WARN".into(), &"lyra_log".into()));
        assert_eq!((&told["run"], &told["since"]), (&"r\"1".into(), &at(0, 0).into()));
    }
}
