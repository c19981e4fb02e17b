//! No header does harm: what can't be read is ignored, what is too large is
//! clamped, and of what is contradictory the stricter holds.

use std::time::{Duration, SystemTime};

use lyra_ratelimit::{Feedback, ObservedLimit};
use proptest::prelude::*;

/// 28 October 2026, noon.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_188_800)
}

fn read(headers: &[(&str, &[u8])]) -> Feedback {
    Feedback::from_headers(429, headers.iter().copied(), noon())
}

fn retry_after(values: &[&str]) -> Option<Duration> {
    let headers: Vec<_> = values.iter().map(|value| ("retry-after", value.as_bytes())).collect();
    read(&headers).retry_after()
}

#[test]
fn an_unreadable_wait_is_no_wait() {
    let long = "1".repeat(1_025);
    for value in [
        "",
        " ",
        ",",
        "-1",
        "-0",
        "+30",
        "NaN",
        "inf",
        "1e400",
        "1e3",
        "0x1e",
        "1_000",
        "30 seconds",
        "٣٠",
        "30\u{a0}",
        "30.",
        ".5",
        "soon",
        "Wed, 28 Oct 2026 12:00:30",
        "Wed, 28 Oct 2026 12:00:30 CET",
        "Tue, 28 Oct 2026 12:00:30 GMT",
        "Wed, 31 Feb 2026 12:00:30 GMT",
        "2026-10-28",
        &long,
    ] {
        assert_eq!(retry_after(&[value]), None, "{value}");
    }
    assert_eq!(read(&[("retry-after", b"\xff\xfe30"), ("retry-after-ms", b"\x00")]).pause(), None);
    let largest = "9".repeat(1_024);
    assert_eq!(retry_after(&[&largest]), Some(Feedback::MAX_WAIT));
}

#[test]
fn a_wait_that_is_too_long_is_cut_and_one_that_is_over_is_zero() {
    for value in ["86400", "86401", "99999999999", "18446744073709551616", "9999999999h"] {
        assert_eq!(retry_after(&[value]), Some(Feedback::MAX_WAIT), "{value}");
    }
    assert_eq!(retry_after(&["Fri, 31 Dec 9999 23:59:59 GMT"]), Some(Feedback::MAX_WAIT));
    for value in ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "1969-12-31T00:00:00Z"] {
        assert_eq!(retry_after(&[value]), Some(Duration::ZERO), "{value}");
    }
    assert_eq!(Feedback::throttled(Some(Duration::MAX)).retry_after(), Some(Feedback::MAX_WAIT));
}

#[test]
fn of_several_waits_the_longest_holds() {
    let thirty = Some(Duration::from_secs(30));
    assert_eq!(retry_after(&["5", "30", "10"]), thirty);
    assert_eq!(retry_after(&["5, 30,10"]), thirty);
    assert_eq!(retry_after(&["x", "30", "", "-60"]), thirty);
    assert_eq!(retry_after(&["5", "Wed, 28 Oct 2026 12:00:30 GMT"]), thirty);
    assert_eq!(retry_after(&["30", "Wed, 28 Oct 2026 12:00:05 GMT"]), thirty);
    let both = [("Retry-After", &b"30"[..]), ("retry-after-ms", b"29000")];
    assert_eq!(read(&both).retry_after(), thirty);
    // The earliest `Date` makes for the longest wait.
    let dates = [
        ("date", &b"Wed, 28 Oct 2026 13:00:00 GMT"[..]),
        ("date", b"Wed, 28 Oct 2026 13:00:20 GMT"),
        ("date", b"never"),
        ("retry-after", b"Wed, 28 Oct 2026 13:00:10 GMT"),
        ("retry-after", b"Wed, 28 Oct 2026 13:00:30 GMT"),
    ];
    assert_eq!(read(&dates).retry_after(), thirty);
}

#[test]
fn of_contradictory_limits_the_stricter_holds() {
    let headers = [
        ("x-ratelimit-limit", &b"100"[..]),
        ("X-RateLimit-Limit", b"90, 60"),
        ("x-ratelimit-remaining", b"7"),
        ("x-ratelimit-remaining", b"nothing"),
        ("x-ratelimit-remaining", b"5"),
        ("x-ratelimit-reset", b"10"),
        ("x-ratelimit-reset", b"Wed, 28 Oct 2026 12:00:20 GMT"),
    ];
    for turn in 0..headers.len() {
        let mut headers = headers;
        headers.rotate_left(turn);
        let feedback = read(&headers);
        let [limit] = feedback.limits() else { panic!("{feedback:?}") };
        assert_eq!((limit.limit(), limit.remaining()), (Some(60), Some(5)));
        assert_eq!(limit.reset(), Some(Duration::from_secs(20)));
    }
}

#[test]
fn an_unreadable_limit_is_no_limit() {
    for value in
        ["", "-1", "unlimited", "NaN", "1e400", "10/minute", "\"10\"", "?1", "(1)", "\u{fc}"]
    {
        for name in ["x-ratelimit-limit", "ratelimit-remaining", "ratelimit-policy", "ratelimit"] {
            assert_eq!(read(&[(name, value.as_bytes())]).limits(), [], "{name}: {value}");
        }
    }
    let zero = read(&[("ratelimit-policy", b"\"a\";q=5;w=0")]);
    assert_eq!(zero.limits()[0].window(), None);
    // One malformed member, and the drafts want all of the field ignored.
    assert_eq!(read(&[("ratelimit", b"\"a\";r=1;t=2, b;r=")]).limits(), []);
}

#[test]
fn numbers_too_large_are_clamped() {
    let headers = [
        ("ratelimit-policy", &b"\"a\";q=99999999999999999999;w=99999999999999999999"[..]),
        ("ratelimit", b"\"a\";r=99999999999999999999;t=99999999999999999999"),
    ];
    let feedback = read(&headers);
    let limit = &feedback.limits()[0];
    assert_eq!((limit.limit(), limit.remaining()), (Some(u64::MAX), Some(u64::MAX)));
    assert_eq!(limit.window(), Some(Feedback::MAX_WINDOW));
    assert_eq!(limit.reset(), Some(Feedback::MAX_WINDOW));
    let empty = read(&[("ratelimit", b"\"a\";r=0;t=99999999999999999999")]);
    assert_eq!(empty.pause(), Some(Feedback::MAX_WAIT));
}

#[test]
fn the_first_eight_limits_are_kept_and_names_are_cut() {
    let policies: Vec<_> = (0..20).map(|number| format!("\"{number}\";q={number}")).collect();
    let feedback = read(&[("ratelimit-policy", policies.join(",").as_bytes())]);
    let names: Vec<_> = feedback.limits().iter().map(ObservedLimit::name).collect();
    assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let escaped = read(&[("ratelimit", br#""a\\\"b";r=1"#)]);
    assert_eq!(escaped.limits()[0].name(), r#"a\"b"#);
    let long = format!("\"\\\"{}\";r=1", "n".repeat(900));
    let feedback = read(&[("ratelimit", long.as_bytes())]);
    assert_eq!(feedback.limits()[0].name(), format!("\"{}", "n".repeat(63)));
}

#[test]
fn any_clock_will_do() {
    let header = [("retry-after", "Wed, 28 Oct 2026 12:00:30 GMT")];
    let at = |now| Feedback::from_headers(503, header, now).retry_after();
    let century = Duration::from_secs(100 * 366 * 86_400);
    assert_eq!(at(noon() - century), Some(Feedback::MAX_WAIT));
    assert_eq!(at(noon() + century), Some(Duration::ZERO));
}

/// Names that are known, and others.
fn name() -> impl Strategy<Value = String> {
    let known = "(?i)(date|age|retry-after(-ms)?|x-ms-retry-after-ms|ratelimit(-policy)?)";
    let unnamed = "(?i)(x-ratelimit|x-rate-limit|ratelimit)-(limit|remaining|reset)(-[a-d])?";
    let named = "(?i)(anthropic|x)-ratelimit-[a-d]-(limit|remaining|reset)";
    prop_oneof![known, unnamed, named, ".{0,80}"]
}

/// Values that are close to readable ones, and any bytes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        "[0-9]{1,22}(\\.[0-9]{0,12})?",
        "-?[0-9]{0,3}(h|m|s|ms|us|µs|ns)[0-9.]{0,3}[hms]?",
        "(\"[a-d\\\\\"]{0,3}\"|[a-d]|[0-9]{1,2})(;(q|r|w|t)=[0-9]{1,20}){0,3}(, ?[a-d];r=[0-9])?",
        "(limit|remaining|reset)=[0-9]{1,3}, ?(limit|remaining|reset)=[0-9]",
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})",
        "(Mon|Wed|Friday), ?[0-3][0-9][ -](Feb|Dec)[ -]([0-9]{2}){1,2} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT",
    ];
    prop_oneof![
        4 => text.prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
        1 => proptest::collection::vec(any::<u8>(), 1_000..1_100),
    ]
}

/// Numbers that often meet.
fn close_value() -> impl Strategy<Value = Vec<u8>> {
    "[0-2](;w=[0-2])?(, [0-2](;w=[0-2])?)?|[ab];[qr]=[0-2](;[wt]=[0-2])?"
        .prop_map(String::into_bytes)
}

fn assert_bounded(feedback: &Feedback) -> Result<(), TestCaseError> {
    let wait = |time: Option<Duration>| time.unwrap_or_default() <= Feedback::MAX_WAIT;
    prop_assert!(wait(feedback.retry_after()) && wait(feedback.pause()));
    prop_assert!(feedback.limits().len() <= Feedback::MAX_LIMITS);
    for limit in feedback.limits() {
        prop_assert!((1..=64).contains(&limit.name().len()), "{:?}", limit);
        prop_assert!(limit.name().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert!(limit.reset().unwrap_or_default() <= Feedback::MAX_WINDOW);
        prop_assert!(limit.window().is_none_or(|window| !window.is_zero()));
        prop_assert!(limit.window().unwrap_or_default() <= Feedback::MAX_WINDOW);
        let said = limit.limit().or(limit.remaining()).is_some() || limit.reset().is_some();
        prop_assert!(said, "{:?}", limit);
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_the_headers_the_result_is_within_its_bounds(
        status: u16,
        headers in proptest::collection::vec((name(), value()), 0..16),
        now in any::<u64>(),
    ) {
        let Some(now) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(now)) else { return Ok(()) };
        assert_bounded(&Feedback::from_headers(status, headers, now))?;
    }

    #[test]
    fn the_order_of_the_headers_makes_no_difference(
        headers in proptest::collection::vec((name(), prop_oneof![value(), close_value()]), 0..6),
        turn in 0usize..6,
    ) {
        let read = |headers: &[(String, Vec<u8>)]| {
            let feedback = Feedback::from_headers(429, headers.iter().cloned(), noon());
            let mut limits: Vec<_> = feedback.limits().iter().map(|l| format!("{l:?}")).collect();
            limits.sort();
            (feedback.retry_after(), feedback.pause(), limits)
        };
        let mut turned = headers.clone();
        turned.rotate_left(turn.min(headers.len()));
        turned.reverse();
        // Beyond the eighth limit the order does decide.
        prop_assume!(read(&headers).2.len() < 6);
        prop_assert_eq!(read(&headers), read(&turned));
    }
}
