use std::time::Duration;

use super::until::fraction;

/// Reads a timestamp of RFC 3339, as the time since 1970; one before is taken
/// for 1970 itself, since both are long over.
///
/// By hand, because the one field that needs it would otherwise bring a
/// library for calendars and time zones, and there are neither: a timestamp
/// holds its offset.
pub(super) fn parse(text: &[u8]) -> Option<Duration> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = match date {
        [year @ .., b'-', m1, m2, b'-', d1, d2] => (number(year)?, two(m1, m2)?, two(d1, d2)?),
        _ => return None,
    };
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }

    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = rest else {
        return None;
    };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    let (nanos, offset) = fraction(rest)?;
    // A leap second is second 60.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }

    let of_day = (hour * 60 + minute) * 60 + second;
    let since_1970 = days_before(year, month, day) * 86_400 + of_day - offset_seconds(offset)?;
    let Ok(seconds) = u64::try_from(since_1970) else { return Some(Duration::ZERO) };
    Some(Duration::new(seconds, nanos))
}

/// How far ahead of UTC the clock is.
fn offset_seconds(offset: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match offset {
        [b'Z' | b'z'] => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, two(h1, h2)?, two(m1, m2)?),
        [b'-', h1, h2, b':', m1, m2] => (-1, two(h1, h2)?, two(m1, m2)?),
        _ => return None,
    };
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 60 + minute) * 60)
}

/// The days from 1970-01-01 to a day of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day at its end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // From March on, the months have 153 days in five.
    let of_year = (153 * month + 2) / 5 + day - 1;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + of_year - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn two(tens: &u8, ones: &u8) -> Option<i64> {
    number(&[*tens, *ones])
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_is_read_in_every_form_of_the_rfc() {
        let noon = Duration::from_secs(1_793_188_800);
        for (text, time) in [
            ("1970-01-01T00:00:00Z", Duration::ZERO),
            ("2000-02-29T23:59:59Z", Duration::from_secs(951_868_799)),
            ("2026-10-28T12:00:00Z", noon),
            ("2026-10-28t12:00:00z", noon),
            ("2026-10-28 12:00:00Z", noon),
            ("2026-10-28T12:00:00.000Z", noon),
            ("2026-10-28T14:00:00+02:00", noon),
            ("2026-10-28T07:30:00-04:30", noon),
            ("2026-10-28T11:59:60Z", noon),
            ("2026-10-28T12:00:00.25Z", noon + Duration::from_millis(250)),
            ("2026-10-28T12:00:00.1234567899999Z", noon + Duration::from_nanos(123_456_789)),
            ("1969-12-31T23:59:59Z", Duration::ZERO),
            ("1970-01-01T00:00:00+00:01", Duration::ZERO),
            ("0000-01-01T00:00:00Z", Duration::ZERO),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "2026",
            "2026-10-28",
            "2026-10-28T12:00:00",
            "2026-10-28T12:00Z",
            "2026-10-28T12:00:0Z",
            "2026-10-28T12:00:00.Z",
            "2026-10-28T12:00:00.5",
            "2026-10-28T12:00:00+0200",
            "2026-10-28T12:00:00+24:00",
            "2026-10-28T12:00:00+02:60",
            "2026-10-28T12:00:00ZZ",
            "2026-10-28T24:00:00Z",
            "2026-10-28T12:60:00Z",
            "2026-10-28T12:00:61Z",
            "2026-10-28T12:00:005Z",
            "2026-13-28T12:00:00Z",
            "2026-00-28T12:00:00Z",
            "2026-10-00T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2100-02-29T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2026-11-31T12:00:00Z",
            "2026/10/28T12:00:00Z",
            "-026-10-28T12:00:00Z",
            "20261028T120000Z",
            "٢٠٢٦-10-28T12:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Against the calendar of `httpdate`, whose format ends at 9999.
        #[test]
        fn every_second_reads_back(seconds in 0u64..253_402_300_800) {
            let time = Duration::from_secs(seconds);
            let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + time);
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(&date[8..11]).unwrap_or_default() / 3 + 1;
            let text = format!("{}-{month:02}-{}T{}Z", &date[12..16], &date[5..7], &date[17..25]);
            prop_assert_eq!(parse(text.as_bytes()), Some(time), "{}", text);
        }
    }
}
