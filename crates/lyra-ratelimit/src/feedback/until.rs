use std::time::{Duration, SystemTime};

use super::timestamp;

/// Seconds from which on a number is an epoch. As a delay it would be 31
/// years, and as an epoch it is 9 September 2001.
const EPOCH_FROM: Duration = Duration::from_secs(1_000_000_000);

/// Seconds up to which an epoch is in seconds: as many milliseconds are again
/// 9 September 2001, and as many seconds the year 33658.
const EPOCH_SECONDS_BELOW: Duration = Duration::from_secs(1_000_000_000_000);

/// When something ends, as the headers put it: after a delay, at a moment, or
/// both, of which the later counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Until {
    delay: Option<Duration>,
    /// Since 1970. What moment it is can be told only when all headers are
    /// read, because `Date` may be the last.
    moment: Option<Duration>,
}

impl Until {
    pub(super) fn delay(delay: Duration) -> Self {
        Self { delay: Some(delay), moment: None }
    }

    fn moment(moment: Duration) -> Self {
        Self { delay: None, moment: Some(moment) }
    }

    /// A `Retry-After`: seconds or a date.
    ///
    /// A large number is never an epoch here, because the field has a date of
    /// its own.
    pub(super) fn retry_after(value: &[u8]) -> Self {
        date(value).map_or_else(|| Self::latest(value, delay), Self::moment)
    }

    /// A number of milliseconds.
    pub(super) fn millis(value: &[u8]) -> Self {
        Self::latest(value, |part| seconds(part).map(|number| Self::delay(number / 1_000)))
    }

    /// A reset: seconds, a duration such as `6m0s`, an epoch or a date. No two
    /// of these look alike, so that every family may use every form.
    pub(super) fn reset(value: &[u8]) -> Self {
        date(value).map_or_else(|| Self::latest(value, delay_or_epoch), Self::moment)
    }

    /// The later of both.
    pub(super) fn or_later(self, other: Self) -> Self {
        // `None` is less than anything.
        Self { delay: self.delay.max(other.delay), moment: self.moment.max(other.moment) }
    }

    /// How long after `now`, a time since 1970; zero if it is over.
    pub(super) fn after(self, now: Duration) -> Option<Duration> {
        self.delay.max(self.moment.map(|moment| moment.saturating_sub(now)))
    }

    /// The latest in a list, into which some proxies join repeated headers.
    fn latest(value: &[u8], read: fn(&[u8]) -> Option<Self>) -> Self {
        let parts = value.split(|byte| *byte == b',');
        parts.filter_map(|part| read(part.trim_ascii())).fold(Self::default(), Self::or_later)
    }
}

/// A date of HTTP in any of its three formats, or of RFC 3339, since 1970.
pub(super) fn date(value: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?;
    match httpdate::parse_http_date(text) {
        Ok(time) => time.duration_since(SystemTime::UNIX_EPOCH).ok(),
        Err(_) => timestamp::parse(value),
    }
}

/// A number of seconds and nothing else.
pub(super) fn seconds(text: &[u8]) -> Option<Duration> {
    decimal(text).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

fn delay(text: &[u8]) -> Option<Until> {
    seconds(text).or_else(|| duration(text)).map(Until::delay)
}

fn delay_or_epoch(text: &[u8]) -> Option<Until> {
    let Some(mut number) = seconds(text).filter(|number| *number >= EPOCH_FROM) else {
        return delay(text);
    };
    while number >= EPOCH_SECONDS_BELOW {
        number /= 1_000;
    }
    Some(Until::moment(number))
}

/// A duration as Go prints it: `1h2m3.5s`, `17ms`.
fn duration(mut text: &[u8]) -> Option<Duration> {
    let mut total = Duration::ZERO;
    loop {
        let (number, rest) = decimal(text)?;
        let end = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        total = total.saturating_add(match unit {
            b"h" => number.saturating_mul(3_600),
            b"m" => number.saturating_mul(60),
            b"s" => number,
            b"ms" => number / 1_000,
            // The micro sign and the Greek letter.
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => number / 1_000_000,
            b"ns" => number / 1_000_000_000,
            _ => return None,
        });
        if rest.is_empty() {
            return Some(total);
        }
        text = rest;
    }
}

/// The decimal number that `text` begins with, as so many seconds, and what
/// follows it. A number too large is the largest.
fn decimal(text: &[u8]) -> Option<(Duration, &[u8])> {
    let (whole, rest) = digits(text)?;
    let whole = whole.iter().fold(0u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    let (nanos, rest) = fraction(rest)?;
    Some((Duration::new(whole, nanos), rest))
}

/// The billionths in the fraction that `text` begins with, none if it begins
/// with something else, and what follows it. Digits behind the ninth are
/// dropped.
pub(super) fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let (fraction, rest) = digits(rest)?;
    let places = fraction.iter().map(|digit| u32::from(digit - b'0')).chain(std::iter::repeat(0));
    Some((places.take(9).fold(0, |nanos, digit| nanos * 10 + digit), rest))
}

/// The digits that `text` begins with, at least one, and what follows them.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// 28 October 2026, noon.
    const NOON: Duration = Duration::from_secs(1_793_188_800);

    #[test]
    fn a_duration_is_read_as_go_prints_it() {
        for (text, expected) in [
            ("1s", secs(1)),
            ("0s", secs(0)),
            ("6m0s", secs(360)),
            ("17ms", Duration::from_millis(17)),
            ("7.66s", Duration::from_millis(7_660)),
            ("2m59.56s", Duration::from_millis(179_560)),
            ("1h2m3.5s", Duration::from_millis(3_723_500)),
            ("1.5h", secs(5_400)),
            ("250us", Duration::from_micros(250)),
            ("250µs", Duration::from_micros(250)),
            ("250μs", Duration::from_micros(250)),
            ("9ns", Duration::from_nanos(9)),
        ] {
            assert_eq!(duration(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(duration(b"99999999999999999999h"), Some(Duration::MAX));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "1", "1m30", "1.s", ".5s", "-1s", "+1s", "1 s", "1S", "1d", "1e3s"] {
            assert_eq!(duration(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_size_of_a_reset_tells_delays_and_epochs_apart() {
        for (text, expected) in [
            ("0", Until::delay(secs(0))),
            ("33011.382867", Until::delay(Duration::new(33_011, 382_867_000))),
            ("999999999", Until::delay(secs(999_999_999))),
            ("1000000000", Until::moment(secs(1_000_000_000))),
            ("1793188800", Until::moment(NOON)),
            ("1793188800.5", Until::moment(NOON + Duration::from_millis(500))),
            ("999999999999", Until::moment(secs(999_999_999_999))),
            ("1000000000000", Until::moment(secs(1_000_000_000))),
            ("1793188800250", Until::moment(NOON + Duration::from_millis(250))),
            ("1793188800000250", Until::moment(NOON + Duration::from_micros(250))),
            ("1793188800000000250", Until::moment(NOON + Duration::from_nanos(250))),
        ] {
            assert_eq!(Until::reset(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_retry_after_is_never_an_epoch() {
        assert_eq!(Until::retry_after(b"1793188800"), Until::delay(NOON));
    }

    #[test]
    fn milliseconds_may_have_fractions() {
        assert_eq!(Until::millis(b"512"), Until::delay(Duration::from_millis(512)));
        assert_eq!(Until::millis(b"0.5"), Until::delay(Duration::from_micros(500)));
        assert_eq!(Until::millis(b"1s"), Until::default());
    }

    #[test]
    fn the_later_of_a_delay_and_a_moment_counts() {
        let both = Until::delay(secs(10)).or_later(Until::moment(NOON + secs(30)));
        assert_eq!(both.after(NOON), Some(secs(30)));
        assert_eq!(both.after(NOON + secs(25)), Some(secs(10)));
        assert_eq!(Until::moment(NOON).after(NOON + secs(1)), Some(secs(0)));
        assert_eq!(Until::default().after(NOON), None);
    }
}
