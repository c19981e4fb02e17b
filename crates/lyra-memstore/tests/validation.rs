//! Promise 3.2: every rule, every fault at once, each with its path, and
//! nothing of an invalid batch is written.

use lyra_errors::{Classify, Error};
use lyra_memstore::{Entry, Faults, Limits, MemoryError, MemoryStore, Space};
use proptest::prelude::*;

fn faults_of(entry: &Entry) -> Vec<(String, &'static str)> {
    entry.validate(&Limits::default()).map_or_else(|faults| pairs(&faults), |()| Vec::new())
}

fn pairs(faults: &Faults) -> Vec<(String, &'static str)> {
    faults.iter().map(|fault| (fault.path.clone(), fault.code)).collect()
}

fn fault(path: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(path.to_owned(), code)]
}

fn fact() -> Entry {
    Entry::fact("water is wet")
}

#[test]
fn content_and_summary_are_of_1_to_50_000_characters() {
    let longest = "ü".repeat(50_000);
    assert_eq!(faults_of(&Entry::journal(&longest, &longest)), []);
    let too_long = "ü".repeat(50_001);
    assert_eq!(faults_of(&Entry::fact(&too_long)), fault("content", "too_long"));
    assert_eq!(faults_of(&Entry::fact("")), fault("content", "required"));
    assert_eq!(faults_of(&Entry::journal("x", &too_long)), fault("summary", "too_long"));
    assert_eq!(faults_of(&Entry::journal("x", "")), fault("summary", "required"));
    assert_eq!(faults_of(&Entry::fact("a\0b")), fault("content", "characters"));
    let both = Entry::journal("x", format!("\0{too_long}")).with_id(format!("{too_long}\n"));
    let both: Vec<_> = faults_of(&both).into_iter().map(|(_, code)| code).collect();
    assert_eq!(both, ["characters", "too_long", "characters", "too_long"], "all at once");
}

#[test]
fn a_journal_entry_needs_a_summary_and_a_fact_does_not() {
    let journal = Entry::from_json(r#"{"kind":"journal","content":"x"}"#).unwrap();
    assert_eq!(faults_of(&journal), fault("summary", "required"));
    let fact = Entry::from_json(r#"{"kind":"fact","content":"x"}"#).unwrap();
    assert_eq!(faults_of(&fact), []);
}

#[test]
fn tags_are_up_to_20_of_up_to_50_of_the_allowed_characters() {
    let many = |count: usize| fact().with_tags((0..count).map(|i| format!("tag-{i}")));
    assert_eq!(faults_of(&many(20)), []);
    assert_eq!(faults_of(&many(21)), fault("tags", "too_many"));
    let one = |tag: &str| faults_of(&fact().with_tags(["good", tag]));
    assert_eq!(one(&"x".repeat(50)), []);
    assert_eq!(one("aZ09_-"), []);
    assert_eq!(one(&"x".repeat(51)), fault("tags[1]", "too_long"));
    assert_eq!(one(""), fault("tags[1]", "required"));
    for bad in ["a b", "ü", "a.b", "a\n", "#a"] {
        assert_eq!(one(bad), fault("tags[1]", "characters"), "{bad:?}");
    }
}

#[test]
fn significance_is_1_to_10() {
    for good in [1, 10] {
        assert_eq!(faults_of(&fact().with_significance(good)), []);
    }
    for bad in [0, 11, -1, i64::MIN, i64::MAX] {
        assert_eq!(faults_of(&fact().with_significance(bad)), fault("significance", "range"));
    }
}

#[test]
fn metadata_keys_and_values_keep_their_rules() {
    let key = |key: &str| faults_of(&fact().with_metadata(key, 1));
    assert_eq!(key("user_id"), []);
    assert_eq!(key(""), fault("metadata[\"\"]", "required"));
    for reserved in ["lyra:x", "chroma:document", "#x", "$x"] {
        assert_eq!(key(reserved), fault(&format!("metadata[{reserved:?}]"), "reserved"));
    }
    assert_eq!(key("a\tb"), fault("metadata[\"a\\tb\"]", "characters"));
    let value = |value: f64| faults_of(&fact().with_metadata("k", value));
    assert_eq!(value(f64::MAX), []);
    assert_eq!(value(f64::NAN), fault("metadata[\"k\"]", "not_finite"));
    assert_eq!(value(f64::INFINITY), fault("metadata[\"k\"]", "not_finite"));
    let text = |text: &str| faults_of(&fact().with_metadata("k", text));
    assert_eq!(text(""), []);
    assert_eq!(text("a\0"), fault("metadata[\"k\"]", "characters"));
    assert_eq!(text(&"x".repeat(50_001)), fault("metadata[\"k\"]", "too_long"));
    let many = (0..65).fold(fact(), |entry, i| entry.with_metadata(format!("k{i}"), true));
    assert_eq!(faults_of(&many), fault("metadata", "too_many"));
}

#[test]
fn ids_are_short_and_printable() {
    assert_eq!(faults_of(&fact().with_id("x".repeat(256))), []);
    assert_eq!(faults_of(&fact().with_id("x".repeat(257))), fault("id", "too_long"));
    assert_eq!(faults_of(&fact().with_id("")), fault("id", "required"));
    assert_eq!(faults_of(&fact().with_id("a\nb")), fault("id", "characters"));
}

#[test]
fn an_embedding_alone_must_be_finite_and_not_empty() {
    assert_eq!(faults_of(&fact().with_embedding([1.0, 2.0])), []);
    assert_eq!(faults_of(&fact().with_embedding([])), fault("embedding", "dimension"));
    let nan = fact().with_embedding([1.0, f32::NAN]);
    assert_eq!(faults_of(&nan), fault("embedding[1]", "not_finite"));
}

#[test]
fn limits_can_be_chosen() {
    let mut limits = Limits::default();
    limits.max_content_chars = 5;
    limits.max_significance = 100;
    let entry = Entry::fact("123456").with_significance(99);
    assert_eq!(pairs(&entry.validate(&limits).unwrap_err()), fault("content", "too_long"));

    limits.min_content_chars = 6;
    let dir = tempfile::tempdir().unwrap();
    let error = MemoryStore::builder(dir.path().join("m")).with_limits(limits).open().unwrap_err();
    let MemoryError::Invalid { faults, .. } = error else { panic!("{error}") };
    assert_eq!(pairs(&faults), fault("limits", "empty_range"));
}

#[test]
fn all_faults_of_a_batch_are_told_at_once_with_their_paths_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("m")).unwrap();
    let facts = store.collection("facts", Space::cosine(2)).unwrap();
    let good = |id: &str| fact().with_id(id).with_embedding([1.0, 0.0]);
    let mut batch: Vec<Entry> = (0..17).map(|i| good(&format!("id{i}"))).collect();
    batch.push(
        good("id17")
            .with_tags(["ok", "also-ok", "fine", "not ok"])
            .with_significance(0)
            .with_embedding([1.0, 0.0, 0.0]),
    );
    batch.push(good("id3").with_embedding([0.0, 0.0]));
    batch.push(fact().with_id("id19"));
    let error = facts.add(batch).unwrap_err();
    let MemoryError::Invalid { faults, .. } = &error else { panic!("{error}") };
    let wanted = [
        ("entries[17].significance", "range"),
        ("entries[17].tags[3]", "characters"),
        ("entries[17].embedding", "dimension"),
        ("entries[18].embedding", "zero_vector"),
        ("entries[18].id", "duplicate"),
        ("entries[19].embedding", "no_embedding"),
    ];
    assert_eq!(pairs(faults), wanted.map(|(path, code)| (path.to_owned(), code)));
    assert_eq!(facts.count().unwrap(), 0);
    assert_eq!(error.code().id(), "memstore.invalid_entry");

    let error = facts.add(fact()).unwrap_err();
    let MemoryError::Invalid { faults, .. } = &error else { panic!("{error}") };
    assert_eq!(pairs(faults), fault("entries[0].embedding", "no_embedding"));
}

#[test]
fn a_wrong_dimension_has_a_code_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("m")).unwrap();
    let facts = store.collection("facts", Space::l2(3)).unwrap();
    let error = facts.add(fact().with_embedding([1.0])).unwrap_err();
    assert_eq!(error.code().id(), "memstore.dimension_mismatch");
    assert_eq!(
        error.to_string(),
        "not valid: entries[0].embedding: has 1 dimensions, the collection has 3"
    );
}

#[test]
fn a_fault_never_shows_more_than_64_characters_of_a_value() {
    let secret = "s3cret ".repeat(40);
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("m")).unwrap();
    let facts = store.collection("facts", Space::l2(2)).unwrap();
    let entry = fact()
        .with_tags([secret.clone()])
        .with_id(format!("{secret}\n"))
        .with_metadata(format!("$ {secret}"), format!("\0{secret}"))
        .with_embedding([f32::NAN, 123_456.0]);
    let error: Error = facts.add(entry).unwrap_err().into();
    for text in [error.to_string(), format!("{error:?}"), error.to_json()] {
        assert!(!text.contains(&secret[..65]), "{text}");
        assert!(!text.contains("123456"), "{text}");
    }
}

#[test]
fn thousands_of_faults_are_counted_and_the_first_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("m")).unwrap();
    let facts = store.collection("facts", Space::lexical(8)).unwrap();
    let batch: Vec<_> = (0..3_000).map(|i| fact().with_id(format!("{i}\n"))).collect();
    let error = facts.add(batch).unwrap_err();
    let MemoryError::Invalid { faults, .. } = &error else { panic!("{error}") };
    assert_eq!((faults.count(), faults.iter().count()), (3_000, 1_000));
    assert!(error.to_string().ends_with("and 2997 more"), "{error}");
    let json = Error::from(error).to_json();
    assert!(json.len() < 10_000, "the record is capped: {}", json.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_validates_is_stored_and_comes_back_equal(
        content in "(?s).{0,30}",
        summary in prop::option::of("(?s).{0,30}"),
        tags in prop::collection::vec("[a-zA-Z0-9_ -]{0,52}", 0..4),
        significance in prop::option::of(-1_i64..13),
        key in "(?s).{0,10}",
        number in any::<f64>(),
        id in prop::option::of("(?s).{0,10}"),
    ) {
        let mut entry = Entry::fact(content).with_tags(tags).with_metadata(key, number);
        if let Some(summary) = summary {
            entry = entry.with_summary(summary);
        }
        if let Some(significance) = significance {
            entry = entry.with_significance(significance);
        }
        if let Some(id) = id {
            entry = entry.with_id(id);
        }
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::open(dir.path().join("m")).unwrap();
        let facts = store.collection("facts", Space::lexical(8)).unwrap();
        match (entry.validate(&Limits::default()), facts.add(entry.clone())) {
            (Ok(()), Ok(ids)) => {
                let stored = facts.get(&ids[0]).unwrap().expect("it was acknowledged");
                prop_assert_eq!(stored.content(), entry.content());
                prop_assert_eq!(stored.summary(), entry.summary());
                prop_assert_eq!(stored.tags(), entry.tags());
                prop_assert_eq!(stored.significance(), entry.significance());
                prop_assert_eq!(stored.metadata(), entry.metadata());
            }
            (Err(_), Err(MemoryError::Invalid { .. })) => prop_assert_eq!(facts.count().unwrap(), 0),
            (alone, stored) => prop_assert!(false, "they disagree: {alone:?} {stored:?}"),
        }
    }
}
