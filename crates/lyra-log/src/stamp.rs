//! When: RFC 3339 in UTC, with the second worked out once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that was written, as text up to the dot.
#[derive(Debug)]
pub(crate) struct Clock {
    second: u64,
    text: [u8; 19],
}

/// 9999-12-31T23:59:59Z: RFC 3339 has four digits for a year.
const LAST: u64 = 253_402_300_799;

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00" }
    }

    /// Writes the time with `digits` digits behind the dot, at most nine. What
    /// is before 1970 or after 9999 is written as the nearest that is not.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, now: SystemTime, digits: usize) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = since.min(Duration::new(LAST, 999_999_999));
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.text = to_the_second(self.second);
        }
        out.extend_from_slice(&self.text);
        let mut fraction = *b".000000000";
        put(&mut fraction[1..], since.subsec_nanos().into());
        out.extend_from_slice(&fraction[..=digits]);
        out.push(b'Z');
    }
}

fn to_the_second(second: u64) -> [u8; 19] {
    let (day, time) = (second / 86_400, second % 86_400);
    // Howard Hinnant's days-to-civil, with years that begin in March.
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);

    let mut text = *b"0000-00-00T00:00:00";
    put(&mut text[..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], of_month);
    put(&mut text[11..13], time / 3_600);
    put(&mut text[14..16], time / 60 % 60);
    put(&mut text[17..], time % 60);
    text
}

/// `number` with leading zeros, over the whole of `out`.
fn put(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789"[usize::try_from(number % 10).unwrap_or_default()];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64, nanos: u32) -> String {
        let mut out = Vec::new();
        Clock::new().write(&mut out, UNIX_EPOCH + Duration::new(seconds, nanos), 9);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_moments_are_written_as_they_are_known() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000001Z"),
            (951_782_400, "2000-02-29T00:00:00.000000001Z"),
            (951_868_799, "2000-02-29T23:59:59.000000001Z"),
            (951_868_800, "2000-03-01T00:00:00.000000001Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000001Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000001Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000001Z"),
            (LAST, "9999-12-31T23:59:59.000000001Z"),
        ] {
            assert_eq!(written(seconds, 1), expected);
        }
        assert_eq!(written(LAST + 1, 5), "9999-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn days_follow_one_another_for_four_centuries() {
        let mut before = written(0, 0);
        for day in 1..146_097 {
            let next = written(day * 86_400, 0);
            assert!(before < next, "{before} then {next}");
            before = next;
        }
    }

    #[test]
    fn what_is_kept_of_a_second_is_not_used_for_another() {
        let (mut clock, mut out) = (Clock::new(), Vec::new());
        for second in [5, 5, 6, 0] {
            clock.write(&mut out, UNIX_EPOCH + Duration::from_secs(second), 0);
        }
        let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
        clock.write(&mut out, before_1970, 0);
        let seconds: Vec<u8> = out.chunks(21).map(|stamp| stamp[18]).collect();
        assert_eq!(seconds, b"55600");
    }
}
