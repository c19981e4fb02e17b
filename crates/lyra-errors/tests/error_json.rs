//! The dictionary form always succeeds and reads back equal.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind, ErrorRecord, Recovery, Severity};
use proptest::prelude::*;

/// A foreign error with the given messages, outermost first.
#[derive(Debug)]
struct Foreign(String, Option<Box<Foreign>>);

impl Foreign {
    fn chain(messages: Vec<String>) -> Option<Box<Self>> {
        messages.into_iter().rev().fold(None, |inner, text| Some(Box::new(Self(text, inner))))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Foreign {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|e| e as _)
    }
}

fn any_recovery() -> impl Strategy<Value = Recovery> {
    prop_oneof![
        Just(Recovery::Permanent),
        Just(Recovery::Exhausted),
        Just(Recovery::RETRY),
        any::<Duration>().prop_map(Recovery::retry_after),
        (0_u64..3_000_000_000).prop_map(|n| Recovery::retry_after(Duration::from_nanos(n))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Each case is large; 64 of them take a second.
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_error_is_one_line_of_json_that_reads_back_equal(
        kind in prop::sample::select(ErrorKind::ALL),
        severity in prop::sample::select(vec![Severity::Warning, Severity::Error, Severity::Critical]),
        message in "(?s).{0,6000}",
        causes in prop::collection::vec("(?s).{0,1200}", 0..40),
        recovery in any_recovery(),
        key in any::<String>(),
        number in any::<f64>(),
    ) {
        let mut error = Error::new(kind, lyra_errors::host::INTERNAL, message)
            .with_severity(severity)
            .with_recovery(recovery)
            .with_context(key, number);
        if let Some(cause) = Foreign::chain(causes.clone()) {
            error = error.with_source(cause);
        }
        let json = error.to_json();
        prop_assert!(!json.contains('\n'));
        let record = ErrorRecord::from_json(&json).unwrap();
        prop_assert_eq!(&record, &error.record());
        prop_assert_eq!(record.to_json(), json);
        prop_assert_eq!(record.causes.len(), causes.len().min(ErrorRecord::MAX_CAUSES));
        prop_assert_eq!(record.causes.len() as u64 + record.causes_dropped, causes.len() as u64);
        prop_assert!(serde_json::to_string(&record.message).unwrap().len() <= 4096 + 2);
        for cause in &record.causes {
            prop_assert!(serde_json::to_string(&cause.message).unwrap().len() <= 1024 + 2);
        }
        if let (Some(told), Some(root)) = (record.causes.last(), causes.last()) {
            prop_assert_eq!(told.message.chars().next(), root.chars().next(), "the root is kept");
        }
        prop_assert_eq!(record.is_recoverable(), recovery.is_recoverable());
        if let Some(wait) = recovery.after() {
            let told = record.recovery.after().unwrap();
            prop_assert!(told >= wait || told == Duration::from_millis(u64::MAX));
            prop_assert!(told <= wait + Duration::from_millis(1));
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}") {
        let _ = ErrorRecord::from_json(&text);
    }
}

#[test]
fn the_promised_keys_stand_beside_ours_in_reading_order() {
    let json = Error::rate_limit("arxiv", Some(Duration::from_millis(1500)), "slow down").to_json();
    let places: Vec<_> = [
        "type",
        "code",
        "message",
        "context",
        "recoverable",
        "recovery",
        "retry_after_ms",
        "severity",
        "hint",
        "location",
        "causes",
    ]
    .iter()
    .map(|key| json.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {json}")))
    .collect();
    assert!(places.is_sorted(), "{json}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["type"], "RateLimit");
    assert_eq!(value["recoverable"], true);
    assert_eq!(value["retry_after_ms"], 1500);
    assert_eq!(value["context"]["service"], "arxiv");
}

#[test]
fn a_chain_that_bites_its_own_tail_ends() {
    #[derive(Debug)]
    struct Loop;
    impl fmt::Display for Loop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("round")
        }
    }
    impl StdError for Loop {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&Loop)
        }
    }
    let error = Error::internal("dizzy").with_source(Loop);
    assert_eq!(error.record().causes.len(), ErrorRecord::MAX_CAUSES);
    assert!(format!("{error:?}").len() < 4096);
    assert_eq!(error.causes().count(), 64);
}

#[test]
fn what_a_wrapped_error_knew_is_told_with_it() {
    let error = Error::memory("commit", "inner").with_context("path", "/data/x").wrap("outer");
    assert!(format!("{error:?}").contains("path = /data/x"));
    let record = ErrorRecord::from_json(&error.to_json()).unwrap();
    assert_eq!(record, error.record());
    let cause = &record.causes[0];
    assert_eq!((cause.message.as_str(), cause.kind), ("inner", Some(ErrorKind::Memory)));
    assert_eq!(cause.code.as_deref(), Some("host.memory"));
    assert_eq!(cause.context.value("path").unwrap().as_str(), Some("/data/x"));
    assert!(cause.location.as_ref().unwrap().contains("error_json.rs"));
}

#[test]
fn the_promised_four_keys_alone_are_read_as_they_are_meant() {
    let json = r#"{"type":"RateLimit","message":"m","context":null,"recoverable":true}"#;
    let record = ErrorRecord::from_json(json).unwrap();
    assert!(record.is_recoverable());
    assert!(record.to_json().contains("\"recoverable\":true"));
    let json = r#"{"type":"RateLimit","message":"m","severity":"fatal","recovery":"later"}"#;
    let record = ErrorRecord::from_json(json).unwrap();
    assert_eq!((record.severity, record.recovery), (Severity::Error, Recovery::Permanent));
}

#[test]
fn what_is_read_is_capped_as_what_is_written() {
    let long = "x".repeat(100_000);
    let pairs: Vec<_> = (0..500).map(|i| format!("\"key{i}\":\"{long}\"")).collect();
    let json = format!(
        r#"{{"type":"Router","message":"{long}","hint":"{long}","causes":[{{"message":"{long}"}}],"context":{{{}}}}}"#,
        pairs.join(",")
    );
    let record = ErrorRecord::from_json(&json).unwrap();
    assert!(record.context_dropped > 400);
    assert!(record.to_json().len() < 20_000);
    assert_eq!(ErrorRecord::from_json(&record.to_json()).unwrap(), record);
}

#[test]
fn any_error_that_classifies_itself_has_a_record() {
    let error = ErrorRecord::from_json("").unwrap_err();
    let record = ErrorRecord::of(&error);
    assert_eq!(record, Error::from(error).record());
}

#[test]
fn a_record_of_a_newer_version_is_still_read() {
    let record = ErrorRecord::from_json(
        r#"{"type":"Quantum","message":"m","novelty":{"a":1},"context":{"deep":{"b":[2]}}}"#,
    )
    .unwrap();
    assert_eq!(record.kind, ErrorKind::Internal);
    assert_eq!(record.context.value("deep").unwrap().to_string(), r#"{"b":[2]}"#);
}

#[test]
fn a_text_that_is_no_record_is_a_clear_error() {
    let error: Error = ErrorRecord::from_json("{\n \"type\": 7}").unwrap_err().into();
    assert_eq!(error.code().id(), "errors.invalid_record");
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(Classify::context(&error).value("line").unwrap().to_string(), "2");
}
