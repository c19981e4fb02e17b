//! What services say of their limits is read from their headers as they are.

use std::time::{Duration, SystemTime};

use lyra_ratelimit::{Feedback, LimitUnit, ObservedLimit};

/// 28 October 2026, noon.
const NOON: u64 = 1_793_188_800;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn read(status: u16, headers: &[(&str, &str)]) -> Feedback {
    Feedback::from_headers(status, headers.iter().copied(), SystemTime::UNIX_EPOCH + secs(NOON))
}

/// The limits, each as `name limit/window remaining reset`, with `-` for what
/// isn't there.
fn limits(headers: &[(&str, &str)]) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let time = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{time:?}"));
    let row = |limit: &ObservedLimit| {
        let (window, reset) = (time(limit.window()), time(limit.reset()));
        let (most, left) = (number(limit.limit()), number(limit.remaining()));
        format!("{} {most}/{window} {left} {reset}", limit.name())
    };
    read(200, headers).limits().iter().map(row).collect()
}

#[test]
fn the_drafts_08_to_11_match_policies_and_limits_by_name() {
    let headers = [
        ("RateLimit-Policy", r#""burst";q=100;w=60,"daily";q=1000;w=86400"#),
        ("RateLimit", r#""daily";r=990;t=40000, "burst";r=50;t=30"#),
    ];
    assert_eq!(limits(&headers), ["burst 100/60s 50 30s", "daily 1000/86400s 990 40000s"]);
    let split = [
        ("RateLimit", r#""b";r=1"#),
        ("RateLimit", r#""a";r=2;t=3;pk=:dHJpYWwxMjEzMjM=:"#),
        ("RateLimit-Policy", r#""a";q=5;w=6;pk=:dHJpYWwxMjEzMjM=:"#),
    ];
    assert_eq!(limits(&split), ["b -/- 1 -", "a 5/6s 2 3s"]);
    // As express-rate-limit 8 writes it.
    let spaced = [("RateLimit-Policy", r#""9-in-1min"; q=9; w=60; pk=:ZA==:"#)];
    assert_eq!(limits(&spaced), ["9-in-1min 9/60s - -"]);
}

#[test]
fn a_policy_says_what_it_counts() {
    let unit = |policy: &str| {
        let feedback = read(200, &[("RateLimit-Policy", policy)]);
        feedback.limits().first().map(ObservedLimit::unit)
    };
    assert_eq!(unit(r#""a";q=1"#), Some(LimitUnit::Requests));
    assert_eq!(unit(r#""a";q=1;qu="requests""#), Some(LimitUnit::Requests));
    assert_eq!(unit(r#""a";q=1;qu="content-bytes""#), Some(LimitUnit::ContentBytes));
    assert_eq!(unit(r#""a";q=1;qu="concurrent-requests""#), Some(LimitUnit::ConcurrentRequests));
    assert_eq!(unit(r#""a";q=1;qu="tokens""#), Some(LimitUnit::Tokens));
    assert_eq!(unit(r#""tokens";q=1"#), Some(LimitUnit::Tokens));
    assert_eq!(unit(r#""a";q=1;qu="carrots""#), Some(LimitUnit::Other));
    assert_eq!(unit("a;q=1;qu=request"), Some(LimitUnit::Requests));
    assert_eq!(unit("a;q=1;qu=bytes"), Some(LimitUnit::ContentBytes));
    assert_eq!(unit(r#""a";w=1;qu="tokens""#), None);
}

#[test]
fn the_older_drafts_are_read_too() {
    let three = [
        ("RateLimit-Limit", "10, 10;w=1, 50;w=60, 1000;w=3600;comment=\"fixed window\""),
        ("RateLimit-Remaining", "3"),
        ("RateLimit-Reset", "50"),
    ];
    let expected = ["default 10/1s 3 50s", "50;w=60 50/60s - -", "1000;w=3600 1000/3600s - -"];
    assert_eq!(limits(&three), expected);
    let six = [
        ("RateLimit-Policy", "50;w=60, 1000;w=3600, 10;w=1"),
        ("RateLimit-Reset", "50"),
        ("RateLimit-Limit", "10"),
        ("RateLimit-Remaining", "3"),
    ];
    assert_eq!(limits(&six), expected);
    let seven =
        [("RateLimit-Policy", "100;w=900"), ("RateLimit", "limit=100, remaining=50, reset=5")];
    assert_eq!(limits(&seven), ["default 100/900s 50 5s"]);
    let docker = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")];
    assert_eq!(limits(&docker), ["default 100/21600s 76 -"]);
}

#[test]
fn a_nameless_policy_is_for_every_limit_of_its_family_that_has_its_number() {
    let headers = [
        ("x-ratelimit-limit-a", "9"),
        ("x-ratelimit-limit-b", "9, 9;w=60"),
        ("x-rate-limit-limit", "9"),
    ];
    assert_eq!(limits(&headers), ["a 9/60s - -", "b 9/60s - -", "default 9/- - -"]);
    let alone = [("RateLimit-Policy", r#"9;w=1, 9;w=60, 9;w=0, 9, "9;w=1";q=3"#)];
    assert_eq!(limits(&alone), ["9;w=1 3/- - -", "9;w=1 9/1s - -", "9;w=60 9/60s - -"]);
}

#[test]
fn two_drafts_at_once_are_one_limit_and_a_gateway_has_its_own() {
    let headers = [
        ("RateLimit-Limit", "10"),
        ("RateLimit-Remaining", "9"),
        ("RateLimit-Reset", "1"),
        ("RateLimit-Policy", r#""default";q=10;w=1"#),
        ("RateLimit", r#""default";r=9;t=1"#),
        ("X-RateLimit-Limit", "5000"),
        ("X-RateLimit-Remaining", "4990"),
    ];
    assert_eq!(limits(&headers), ["default 10/1s 9 1s", "default 5000/- 4990 -"]);
    let same = [("RateLimit-Remaining", "9"), ("X-RateLimit-Remaining", "9")];
    assert_eq!(limits(&same), ["default -/- 9 -"]);
}

#[test]
fn resets_are_read_in_the_forms_of_the_services() {
    let after = |name: &str, value: &str| {
        let feedback = read(200, &[(name, value)]);
        feedback.limits().first().and_then(ObservedLimit::reset)
    };
    let half_minute = Some(secs(30));
    for (name, value) in [
        ("X-RateLimit-Reset", "30"),
        ("X-RateLimit-Reset", "1793188830"),
        ("X-RateLimit-Reset", "1793188830000"),
        ("X-RateLimit-Reset", "1793188830.000"),
        ("X-Rate-Limit-Reset", "1793188830"),
        ("RateLimit-Reset", "1793188830"),
        ("X-RateLimit-Reset", "Wed, 28 Oct 2026 12:00:30 GMT"),
        ("x-ratelimit-reset-requests", "30s"),
        ("x-ratelimit-reset-tokens", "0m30s"),
        ("x-ratelimit-reset-after", "30.0"),
        ("anthropic-ratelimit-tokens-reset", "2026-10-28T12:00:30Z"),
        ("anthropic-ratelimit-tokens-reset", "\t2026-10-28T12:00:30Z "),
        ("anthropic-ratelimit-input-tokens-reset", "2026-10-28T13:00:30+01:00"),
        ("anthropic-ratelimit-unified-5h-reset", "1793188830"),
    ] {
        assert_eq!(after(name, value), half_minute, "{name}: {value}");
    }
    assert_eq!(after("X-RateLimit-Reset", "1793188799"), Some(secs(0)));
    assert_eq!(after("x-ratelimit-reset-requests", "17ms"), Some(Duration::from_millis(17)));
}

#[test]
fn requests_and_tokens_are_limits_of_their_own() {
    let openai = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    assert_eq!(limits(&openai), ["requests 60/- 59 1s", "tokens 150000/- 149984 360s"]);
    let anthropic = [
        ("anthropic-ratelimit-input-tokens-limit", "400000"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-10-28T12:01:00Z"),
        ("anthropic-ratelimit-requests-limit", "4000"),
    ];
    assert_eq!(limits(&anthropic), ["input-tokens 400000/- 0 60s", "requests 4000/- - -"]);
    let units = read(200, &anthropic);
    let units: Vec<_> = units.limits().iter().map(ObservedLimit::unit).collect();
    assert_eq!(units, [LimitUnit::Tokens, LimitUnit::Requests]);
}

#[test]
fn a_name_may_hold_the_window_and_a_number_a_fraction() {
    let headers = [
        ("X-RateLimit-Limit-Minute", "10"),
        ("x-ratelimit-limit-requests-day", "14400"),
        ("x-ratelimit-limit-tokens-hour", "9000"),
        ("x-ratelimit-limit-second", "2"),
        ("x-ratelimit-remaining", "598.0"),
    ];
    let expected = [
        "minute 10/60s - -",
        "requests-day 14400/86400s - -",
        "tokens-hour 9000/3600s - -",
        "second 2/1s - -",
        "default -/- 598 -",
    ];
    assert_eq!(limits(&headers), expected);
}

#[test]
fn a_retry_after_is_seconds_or_a_date_of_http() {
    let after = |value: &str| read(429, &[("Retry-After", value)]).retry_after();
    for value in [
        "30",
        " 30 ",
        "30.0",
        "Wed, 28 Oct 2026 12:00:30 GMT",
        "Wednesday, 28-Oct-26 12:00:30 GMT",
        "Wed Oct 28 12:00:30 2026",
    ] {
        assert_eq!(after(value), Some(secs(30)), "{value}");
    }
    assert_eq!(after("0.25"), Some(Duration::from_millis(250)));
    assert_eq!(
        read(429, &[("retry-after-ms", "512")]).retry_after(),
        Some(Duration::from_millis(512))
    );
    assert_eq!(read(429, &[("x-ms-retry-after-ms", "9000")]).retry_after(), Some(secs(9)));
}

#[test]
fn dates_and_epochs_are_compared_with_the_clock_of_the_service() {
    // It is two hours ahead, and the order of its headers is of no matter.
    let headers = [
        ("Retry-After", "Wed, 28 Oct 2026 14:00:30 GMT"),
        ("x-ratelimit-reset", "1793196040"),
        ("Date", "Wed, 28 Oct 2026 14:00:00 GMT"),
    ];
    let feedback = read(503, &headers);
    assert_eq!(feedback.retry_after(), Some(secs(30)));
    assert_eq!(feedback.limits()[0].reset(), Some(secs(40)));
    assert_eq!(read(503, &headers[..2]).retry_after(), Some(secs(2 * 3_600 + 30)));
    // Seconds from now are that, whatever the clocks.
    let seconds = [("Date", "Wed, 28 Oct 2026 14:00:00 GMT"), ("Retry-After", "30")];
    assert_eq!(read(503, &seconds).retry_after(), Some(secs(30)));
}

#[test]
fn a_stored_response_says_nothing_of_the_limits_now() {
    let headers = [
        ("Date", "Wed, 28 Oct 2026 11:59:50 GMT"),
        ("Retry-After", "Wed, 28 Oct 2026 12:00:30 GMT"),
        ("RateLimit-Remaining", "0"),
        ("Age", "10"),
        ("Age", "0"),
    ];
    let stored = read(429, &headers);
    assert_eq!((stored.limits().len(), stored.retry_after()), (0, Some(secs(30))));
    let fresh = read(429, &[("Age", "0"), ("RateLimit-Remaining", "0")]);
    assert_eq!(fresh.limits().len(), 1);
}

#[test]
fn the_status_tells_refusals_from_other_waits() {
    let wait = [("Retry-After", "30")];
    let empty = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "60")];
    let some = [("X-RateLimit-Remaining", "1"), ("X-RateLimit-Reset", "60")];
    for (status, bare, with_wait, when_empty) in [
        (200, false, false, false),
        (202, false, false, false),
        (301, false, false, false),
        (400, false, false, false),
        (403, false, true, true),
        (429, true, true, true),
        (500, false, false, false),
        (503, false, true, false),
        (529, false, true, false),
    ] {
        let throttled = |headers| read(status, headers).is_throttled();
        assert_eq!(throttled(&[]), bare, "{status}");
        assert_eq!(throttled(&some), bare, "{status}");
        assert_eq!(throttled(&wait), with_wait, "{status}");
        assert_eq!(throttled(&empty), when_empty, "{status}");
        let asked = (status >= 400).then_some(secs(30));
        assert_eq!(read(status, &wait).retry_after(), asked, "{status}");
    }
}

#[test]
fn a_pause_is_what_is_asked_for_or_until_the_last_empty_limit_is_reset() {
    let limits = [
        ("RateLimit-Policy", r#""a";q=10;w=60, "b";q=20;w=60, "c";q=30;w=3600"#),
        ("RateLimit", r#""a";r=0;t=20, "b";r=0;t=40, "c";r=1;t=3000"#),
    ];
    assert_eq!(read(200, &limits).pause(), Some(secs(40)));
    let pause = |status, wait| read(status, &[limits[0], limits[1], ("Retry-After", wait)]).pause();
    assert_eq!(pause(429, "5"), Some(secs(5)));
    assert_eq!(pause(429, "0"), Some(secs(40)));
    assert_eq!(pause(429, "Wed, 28 Oct 2026 11:00:00 GMT"), Some(secs(40)));
    assert_eq!(pause(500, "5"), Some(secs(40)));
    assert_eq!(read(429, &[]).pause(), None);
    assert_eq!(read(500, &[("Retry-After", "5")]).pause(), None);
    assert_eq!(Feedback::throttled(None).pause(), None);
    assert_eq!(Feedback::default(), read(200, &[]));
}
