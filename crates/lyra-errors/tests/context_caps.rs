//! The caps of a context hold for whatever is put into it.

use lyra_errors::{Context, Error, Value};
use proptest::prelude::*;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(?s).{0,80}".prop_map(Value::from),
        ("(?s).", 0_usize..9_000).prop_map(|(c, n)| Value::from(c.repeat(n))),
    ];
    leaf.prop_recursive(3, 64, 40, |inner| {
        prop::collection::vec(inner, 0..40).prop_map(Value::List)
    })
}

fn any_pairs() -> impl Strategy<Value = Vec<(String, Value)>> {
    prop::collection::vec(("(?s).{0,100}", any_value()), 0..60)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("rendering always succeeds")
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Each case is large; 64 of them take a second.
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_part_of_a_context_passes_its_cap(pairs in any_pairs()) {
        let context: Context = pairs.into_iter().collect();
        prop_assert!(json(&context).len() <= Context::MAX_BYTES);
        for (key, value) in context.iter() {
            prop_assert!(json(&key).len() <= Context::MAX_KEY_BYTES + 2);
            prop_assert!(json(value).len() <= Context::MAX_VALUE_BYTES);
        }
    }

    #[test]
    fn nothing_is_cut_or_dropped_while_there_is_room(
        pairs in prop::collection::btree_map("[a-z]{1,20}", "[a-z]{0,100}", 0..50)
    ) {
        let context: Context = pairs.clone().into_iter().collect();
        prop_assert_eq!(context.dropped(), 0);
        prop_assert_eq!(context.len(), pairs.len());
        for (key, text) in pairs {
            prop_assert_eq!(context.value(&key), Some(&Value::from(text)));
        }
    }

    #[test]
    fn a_context_reads_back_equal(pairs in any_pairs()) {
        let context = Error::internal("x").with_context("first", 1);
        let context = pairs.into_iter().fold(context, |e, (k, v)| e.with_context(k, v));
        let record = context.record();
        let again: Context = serde_json::from_str(&json(&record.context)).unwrap();
        prop_assert_eq!(again, record.context);
    }

    #[test]
    fn no_json_is_refused_or_passes_the_caps(text in "\\{(\"[a-z]{1,3}\":(null|[1-9][0-9]{0,29}|\"[^\"\\\\\\x00-\\x1f]{0,50}\"|\\{\"a\":\\[1\\]\\}),){0,5}\"z\":1e3\\}") {
        let context: Context = serde_json::from_str(&text).unwrap();
        prop_assert!(json(&context).len() <= Context::MAX_BYTES);
    }
}

#[test]
fn a_key_keeps_its_place_when_its_value_is_replaced() {
    let context = Context::new().with("a", 1).with("b", 2).with("a", 3);
    assert_eq!(json(&context), r#"{"a":3,"b":2}"#);
}

#[test]
fn a_long_text_is_cut_with_a_mark_that_counts() {
    let context = Context::new().with("text", "x".repeat(5_000));
    let Some(Value::Text(text)) = context.value("text") else { panic!("text stays text") };
    let (kept, mark) = text.split_at(text.find('…').expect("a mark"));
    assert_eq!(mark, format!("…[+{} bytes]", 5_000 - kept.len()));
    assert!(kept.len() > 990, "{}", kept.len());
}

#[test]
fn a_value_that_is_no_longer_true_does_not_stay() {
    let mut context = Context::new().with("status", 1);
    for i in 0..2_000 {
        context.insert(format!("key{i}"), "x".repeat(40));
    }
    let dropped = context.dropped();
    context.insert("status", "FAILED: ".repeat(9));
    assert_eq!((context.value("status"), context.dropped()), (None, dropped + 1));
}

#[test]
fn two_long_keys_with_the_same_beginning_stay_two() {
    let key = |end: &str| format!("{}{end}", "x".repeat(70));
    let context = Context::new().with(key("a"), 1).with(key("b"), 2).with(key("a"), 3);
    assert_eq!((context.len(), context.dropped()), (2, 0));
}

#[test]
fn a_mark_counts_all_that_is_missing_also_when_little_room_was_left() {
    let mut context = Context::new();
    for i in 0..8 {
        context.insert(format!("key{i}"), "x".repeat(920));
    }
    context.insert("long", "y".repeat(100_000));
    let Some(Value::Text(text)) = context.value("long") else { panic!("{context:?}") };
    let (kept, mark) = text.split_at(text.find('…').expect("a mark"));
    assert!(kept.len() < 900, "it was cut to the room that was left");
    assert_eq!(mark, format!("…[+{} bytes]", 100_000 - kept.len()));
    assert!(json(&context).len() > Context::MAX_BYTES - 20);
}

#[test]
fn extending_adds_values_and_counts() {
    let full: Context = (0..50).map(|i| (format!("k{i}"), "x".repeat(900))).collect();
    let mut context = Context::new().with("a", 1);
    context.extend(Context::new().with("b", 2).with("a", 3));
    assert_eq!(json(&context), r#"{"a":3,"b":2}"#);
    context.extend(full.clone());
    assert!(context.dropped() >= full.dropped() && context.len() > 5);
    assert_eq!((&context).into_iter().count(), context.len());
}

#[test]
fn many_values_are_dropped_fast() {
    let mut context = Context::new();
    for i in 0..100_000 {
        context.insert(format!("{i}"), i);
    }
    assert_eq!(context.len() as u64 + context.dropped(), 100_000);
}

#[test]
fn what_does_not_fit_is_counted_and_what_came_first_stays() {
    let mut context = Context::new();
    for i in 0..100 {
        context.insert(format!("key{i}"), "x".repeat(900));
    }
    assert_eq!(context.len() as u64 + context.dropped(), 100);
    assert!(context.len() >= 8, "{}", context.len());
    assert!(context.value("key0").is_some());
    assert!(json(&context).len() > Context::MAX_BYTES - 100, "the room is used");
}

#[test]
fn a_full_context_still_takes_a_smaller_value_under_a_known_key() {
    let mut context: Context = (0..20).map(|i| (format!("k{i}"), "x".repeat(900))).collect();
    context.insert("k0", 7);
    assert_eq!(context.value("k0"), Some(&Value::Int(7)));
}
