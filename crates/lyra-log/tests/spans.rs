//! An event is told with the fields of the span that `tracing` says it is in,
//! in whichever order spans are made, entered and left.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Arc;

use lyra_log::{JsonLayer, MemorySink, Run, Settings};
use proptest::prelude::*;
use serde_json::Value;
use tracing::Span;
use tracing_subscriber::prelude::*;

/// What a thread does with up to four spans.
#[derive(Debug, Clone)]
enum Step {
    Make(usize),
    Enter(usize),
    Leave(usize),
    Record(usize, u64),
    Close(usize),
    Tell,
    TellOf(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_usize).prop_map(Step::Make),
        4 => (0..4_usize).prop_map(Step::Enter),
        3 => (0..4_usize).prop_map(Step::Leave),
        1 => (0..4_usize, any::<u64>()).prop_map(|(at, value)| Step::Record(at, value)),
        1 => (0..4_usize).prop_map(Step::Close),
        4 => Just(Step::Tell),
        1 => (0..4_usize).prop_map(Step::TellOf),
    ]
}

/// A line's fields, but for its number and its time.
fn fields(line: &str) -> Value {
    let mut line: Value = serde_json::from_str(line).unwrap();
    for key in ["time", "seq", "run"] {
        line.as_object_mut().unwrap().remove(key);
    }
    line
}

/// What is told with a layer that may know the spans by itself, and with one
/// that always has to look them up.
fn play(steps: &[Step], is_told_later: bool) -> Vec<Value> {
    let lines = Arc::new(MemorySink::new());
    let json = JsonLayer::new(lines.clone(), Arc::new(Run::new()), Settings::new());
    let subscriber = tracing_subscriber::registry().with(json);
    tracing::subscriber::with_default(subscriber, || {
        let other = tracing::info_span!("other", later = tracing::field::Empty);
        let mut spans: Vec<Option<Span>> = vec![None; 4];
        let mut entered: Vec<(tracing::Dispatch, tracing::Id)> = Vec::new();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        for (number, step) in steps.iter().enumerate() {
            if is_told_later {
                // From now on nothing that is known of a span holds.
                other.record("later", number as u64);
            }
            let number = number as u64;
            match *step {
                Step::Make(at) => {
                    let id = spans[at].as_ref().and_then(Span::id);
                    if entered.iter().any(|(_, entered)| Some(entered) == id.as_ref()) {
                        continue;
                    }
                    spans[at] = Some(tracing::info_span!("span", at, made = number, x = 0));
                }
                Step::Enter(at) => {
                    if let Some(id) = spans[at].as_ref().and_then(Span::id) {
                        dispatch.enter(&id);
                        entered.push((dispatch.clone(), id));
                    }
                }
                Step::Leave(at) => {
                    if !entered.is_empty() {
                        let (dispatch, id) = entered.remove(at % entered.len());
                        dispatch.exit(&id);
                    }
                }
                Step::Record(at, value) => {
                    if let Some(span) = &spans[at] {
                        span.record("x", value);
                    }
                }
                // With the guards of `tracing` nobody closes a span that is
                // entered.
                Step::Close(at) => {
                    let id = spans[at].as_ref().and_then(Span::id);
                    if !entered.iter().any(|(_, entered)| Some(entered) == id.as_ref()) {
                        spans[at] = None;
                    }
                }
                Step::Tell => tracing::info!(number, "told"),
                Step::TellOf(at) => {
                    if let Some(span) = &spans[at] {
                        tracing::info!(parent: span, number, "told of");
                    }
                }
            }
        }
        while let Some((dispatch, id)) = entered.pop() {
            dispatch.exit(&id);
        }
    });
    lines.take().iter().map(|line| fields(line)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_at_hand_is_what_a_look_finds(steps in prop::collection::vec(step(), 1..60)) {
        prop_assert_eq!(play(&steps, false), play(&steps, true));
    }
}
