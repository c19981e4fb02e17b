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
