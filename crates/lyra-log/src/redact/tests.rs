use proptest::prelude::*;

use super::*;

fn clean(text: &str) -> String {
    Redaction::new().clean(text).into_owned()
}

#[test]
fn secrets_are_known_by_their_looks() {
    for (text, expected) in [
        ("Bearer abcdefgh1234", "Bearer [redacted]"),
        ("Authorization: Basic dXNlcjpwYXNz\nHost: x", "Authorization: [redacted]\nHost: x"),
        ("cookie: a=b; c=d", "cookie: [redacted]"),
        ("key sk-proj-0123456789abcdefXYZ.", "key [redacted]."),
        ("ghp_0123456789abcdefghij", "[redacted]"),
        ("id AKIAIOSFODNN7EXAMPLE!", "id [redacted]!"),
        ("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_ b", "a [redacted] b"),
        ("password=hunter2 user=bob", "password=[redacted] user=bob"),
        ("(password=hunter2)", "(password=[redacted])"),
        (r#"{"password": "hun\"ter2", "a": 1}"#, r#"{"password": "[redacted]", "a": 1}"#),
        (r#"Login { password: "hunter2", n: 1 }"#, r#"Login { password: "[redacted]", n: 1 }"#),
        (r#"{ token: Some("a)\"b"), n: 1 }"#, "{ token: [redacted], n: 1 }"),
        (
            r#""{\"password\":\"hun\\\"ter\",\"a\":1}""#,
            r#""{\"password\":\"[redacted]\",\"a\":1}""#,
        ),
        (r"x\npassword=hunter2", r"x\npassword=[redacted]"),
        (r"x\nsk-0123456789abcdef0123", r"x\n[redacted]"),
        ("https://x.y/?token=abc&page=2", "https://x.y/?token=[redacted]&page=2"),
        ("postgres://u:p@s:s@db:5432/x", "postgres://u:[redacted]@db:5432/x"),
        ("postgres://u:p/w?d@db/x", "postgres://u:[redacted]@db/x"),
        ("redis://:hunter2@cache", "redis://:[redacted]@cache"),
        (
            "headers[\"authorization\"] = \"Bearer x\"",
            "headers[\"authorization\"] = \"[redacted]\"",
        ),
        ("secret: [1, 2, 3] and", "secret: [redacted] and"),
        ("token = token abc def", "token = [redacted] def"),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
            "a [redacted] b",
        ),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "[redacted]"),
        ("key: b\"x\", token: b\"ab\\xff\"", "key: b\"x\", token: b\"[redacted]\""),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

/// Where a secret is told in a roundabout way.
#[test]
fn secrets_are_known_by_how_programs_write_them() {
    for (text, expected) in [
        (
            r#"Config { password: Password { inner: "a" }, n: 1 }"#,
            "Config { password: [redacted], n: 1 }",
        ),
        ("token: ApiToken {\n    raw: \"a }\",\n}, n: 1", "token: [redacted], n: 1"),
        (r#"api_key: my::Key("a"), n: 1"#, "api_key: [redacted], n: 1"),
        ("jwt: Some(Jwt { a: B { c: 1 } }) x", "jwt: [redacted] x"),
        (r#"[("authorization", "Basic a")]"#, r#"[("authorization", "[redacted]")]"#),
        (r#"{"name":"DB_PASSWORD","value":"a"}"#, r#"{"name":"DB_PASSWORD","value":"[redacted]"}"#),
        ("key=\"password\" value=\"a\"", "key=\"password\" value=\"[redacted]\""),
        ("user%5Bpassword%5D=abc&x=1", "user%5Bpassword%5D=[redacted]&x=1"),
        ("u=a&token%3Dabcdef", "u=a&token%3D[redacted]"),
        ("Bearer\tabcdefgh1234", "Bearer\t[redacted]"),
        ("run --password abc --to b", "run --password [redacted] --to b"),
        ("run --api-key=abc", "run --api-key=[redacted]"),
        (r#"["--password", "abc", "-v"]"#, r#"["--password", "[redacted]", "-v"]"#),
        ("password=ab'cd`ef x", "password=[redacted] x"),
        ("it is 'password=ab', and", "it is 'password=[redacted]', and"),
        ("password = 'it''s' and", "password = '[redacted]' and"),
        (r#"Authorization: Digest username="Mufasa", response="abc""#, "Authorization: [redacted]"),
        (
            r#""Authorization: Digest username=\"Mufasa\", response=\"abc\"", 1"#,
            r#""Authorization: [redacted]", 1"#,
        ),
        (r#"Cookie: "a"; b=c"#, "Cookie: [redacted]"),
        ("https://0123456789abcdef@github.com/x", "https://[redacted]@github.com/x"),
        ("X-Amz-Signature=abc", "X-Amz-Signature=[redacted]"),
        ("pw: abc, otp=123456x", "pw: [redacted], otp=[redacted]"),
        ("AGE-SECRET-KEY-1QQPQ0123456789ABCDEF", "[redacted]"),
        (
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\na\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
            "[redacted]",
        ),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn a_value_is_known_as_it_is_quoted_too() {
    let redaction = Redaction::new().with_value("pa\"ss\\wo\nrd".to_owned());
    let told = format!("{:?} {}", "x pa\"ss\\wo\nrd y", "pa\"ss\\wo\nrd");
    assert_eq!(redaction.clean(&told), format!("\"x {MARK} y\" {MARK}"));
}

/// Eight times the text takes about eight times as long, and not sixty-four.
#[test]
fn no_text_takes_long() {
    use std::time::{Duration, Instant};

    let time = |text: &str| {
        let once = || {
            let begun = Instant::now();
            let _ = clean(text);
            begun.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap_or_default()
    };
    for part in [
        "eyJ",
        "eyJa.",
        "eyJabcdefghijk",
        "sk-abc-",
        "sk-",
        "://u:x/",
        "a://b:c/",
        "://",
        "bearer ",
        "token",
        "token:",
        "--token",
        "value:",
        "name:value:",
        "\"a\",",
        "%3D",
        "hf_",
        "npm_",
        "-----",
        "-----BEGIN ",
        "password=(",
        "'",
        "a:'",
        "token='",
        "AKIA",
        "::",
        "cookie: \"",
        "{token: A ",
    ] {
        let (short, long) = (part.repeat(8000 / part.len()), part.repeat(64_000 / part.len()));
        let (short, long) = (time(&short), time(&long));
        // What takes next to no time has no ratio.
        let most = short.max(Duration::from_micros(200)) * 24;
        assert!(long < most, "{part:?}: {short:?} became {long:?}");
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "tokens_used: 512, max_tokens=4096 tokens=7",
        "lyra::session::token::start: done",
        "a task-0123456789abcdef0123 on disk-usage-of-everything",
        "sk-learn-style-names-are-words",
        "http://localhost:8080/a@b and mailto:me@example.org",
        "token: None, password: null, secret=",
        "the bearer of news",
        "2026-11-23T10:00:00Z",
        "a = b: c",
        "sessions: 4",
        "git clone ssh://git@github.com/a and a -- b --verbose c",
        "value: 3, name: x, value: 5",
        "the password (if there is one), or none",
        "50%, 30% and 3%2C",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn a_host_adds_looks_and_values() {
    let redaction = Redaction::new()
        .with_prefix("acme_")
        .with_value("correct horse".to_owned())
        .with_matcher(|text| text.find("4711").map(|at| at..at + 4));
    assert_eq!(
        redaction.clean("acme_12345 acme_1 correct horse 47114711"),
        "[redacted] acme_1 [redacted] [redacted][redacted]"
    );
    assert!(!format!("{redaction:?}").contains("horse"));
}

#[test]
fn a_matcher_that_fails_hides_all() {
    let panics = Redaction::new().with_matcher(|_| panic!("no"));
    assert_eq!(panics.clean("text"), MARK);
    let outside = Redaction::new().with_matcher(|_| Some(1..100));
    assert_eq!(outside.clean("text"), MARK);
    let splits = Redaction::new().with_matcher(|_| Some(1..2));
    assert_eq!(splits.clean("ä"), MARK);
}

#[test]
fn off_is_off() {
    assert_eq!(Redaction::off().clean("password=x"), "password=x");
    assert_eq!(Redaction::off().judge("password"), Verdict::Plain);
}

proptest! {
    #[test]
    fn any_text_is_cleaned_and_then_clean(text in "(?s).{0,80}|[\"'\\\\:=@/ a-cT(){}\\[\\]-]{0,60}|(token|password)[=: ]{1,3}[\\\\\"(\\[]{0,3}.{0,20}") {
        let once = clean(&text);
        prop_assert!(once.len() <= text.len() * 11);
    }

    #[test]
    fn quoted_values_are_hidden_whole(secret in "[^\\[\\]]{3,30}", levels in 0..3) {
        prop_assume!(!"password None null true false".contains(secret.trim()));
        let mut text = format!("{:?}", [("password", &secret)].into_iter().collect::<std::collections::BTreeMap<_, _>>());
        let mut shown = format!("{secret:?}");
        for _ in 0..levels {
            text = format!("{text:?}");
            shown = format!("{shown:?}");
            shown = shown[1..shown.len() - 1].to_owned();
        }
        let inner = shown.trim_matches(|c| c == '"' || c == '\\');
        let clean = clean(&text);
        prop_assert!(inner.len() < 3 || !clean.contains(inner), "{text} became {clean}");
        prop_assert!(clean.contains(MARK));
    }
}
