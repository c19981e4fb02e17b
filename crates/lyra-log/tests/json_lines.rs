//! Any fields, values and nesting of spans become one valid line, without a
//! key that comes twice.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use lyra_log::{Colours, HumanLayer, JsonLayer, MemorySink, Run, Settings};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use tracing::field::Value;
use tracing::{Level, subscriber};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

#[path = "support/callsite.rs"]
mod callsite;
use callsite::{FIELDS, event, in_span};

/// Names that clash, are reserved, or need escapes.
const NAMES: &[&str] = &[
    "a",
    "b",
    "count",
    "time",
    "level",
    "seq",
    "run",
    "target",
    "msg",
    "operation",
    "message",
    "field.time",
    "field.field.time",
    "fields_dropped",
    "error",
    "r#type",
    "",
    "with \"quotes\"",
    "line\nbreak",
    "\u{1b}[31m",
    "ä€😀\u{2028}",
    "log.target",
];

#[derive(Debug, Clone)]
enum Any {
    Text(String),
    Long(usize),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    WideUnsigned(u128),
    Float(f64),
    Truth(bool),
    Bytes(Vec<u8>),
    Debug(String),
    Fails(String),
    Panics(String),
    Error(u8),
}

/// What writes its text and then does something else.
struct Says(String, fn() -> fmt::Result);

impl fmt::Debug for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        (self.1)()
    }
}

#[derive(Debug)]
struct Nested(u8, Option<Box<Nested>>);

impl Nested {
    fn of(depth: u8) -> Self {
        Self(depth, depth.checked_sub(1).map(|depth| Box::new(Self::of(depth))))
    }
}

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer\n{}", self.0)
    }
}

impl std::error::Error for Nested {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn value(any: Any) -> Option<Box<dyn Value>> {
    use tracing::field::debug;
    Some(match any {
        Any::Text(text) => Box::new(text),
        Any::Long(length) => Box::new("€\n\"".repeat(length)),
        Any::Signed(number) => Box::new(number),
        Any::Unsigned(number) => Box::new(number),
        Any::Wide(number) => Box::new(number),
        Any::WideUnsigned(number) => Box::new(number),
        Any::Float(number) => Box::new(number),
        Any::Truth(truth) => Box::new(truth),
        Any::Bytes(bytes) => Box::new(debug(bytes)),
        Any::Debug(text) => Box::new(debug(Says(text, || Ok(())))),
        Any::Fails(text) => Box::new(debug(Says(text, || Err(fmt::Error)))),
        Any::Panics(text) => Box::new(debug(Says(text, || panic!("no text\nfor this")))),
        Any::Error(depth) => {
            let error: Box<dyn std::error::Error> = Box::new(Nested::of(depth));
            Box::new(error)
        }
    })
}

fn any_value() -> impl Strategy<Value = Any> {
    let text =
        "(?s).{0,40}|[\u{0}-\u{1f}\"\\\\\u{7f}-\u{a0}]{0,20}|(token|password)[=:\" ]{1,3}.{0,20}";
    prop_oneof![
        text.prop_map(Any::Text),
        (0_usize..40_000).prop_map(Any::Long),
        any::<i64>().prop_map(Any::Signed),
        any::<u64>().prop_map(Any::Unsigned),
        any::<i128>().prop_map(Any::Wide),
        any::<u128>().prop_map(Any::WideUnsigned),
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(1e300)]
            .prop_map(Any::Float),
        any::<bool>().prop_map(Any::Truth),
        any::<Vec<u8>>().prop_map(Any::Bytes),
        text.prop_map(Any::Debug),
        text.prop_map(Any::Fails),
        text.prop_map(Any::Panics),
        (0_u8..40).prop_map(Any::Error),
    ]
}

type Fields = ([&'static str; FIELDS], Vec<Option<Any>>);

fn any_fields() -> impl Strategy<Value = Fields> {
    let names = proptest::array::uniform4(proptest::sample::select(NAMES));
    (names, proptest::collection::vec(proptest::option::weighted(0.8, any_value()), FIELDS))
}

fn boxed(values: Vec<Option<Any>>) -> Vec<Option<Box<dyn Value>>> {
    values.into_iter().map(|any| any.and_then(value)).collect()
}

fn borrowed(values: &[Option<Box<dyn Value>>]) -> [Option<&dyn Value>; FIELDS] {
    std::array::from_fn(|at| values[at].as_deref())
}

fn log(spans: &[(Fields, Vec<Option<Any>>)], fields: &Fields) {
    match spans {
        [] => {
            let values = boxed(fields.1.clone());
            event(Level::INFO, "made::up", fields.0, borrowed(&values));
        }
        [((names, values), later), inner @ ..] => {
            let (values, later) = (boxed(values.clone()), boxed(later.clone()));
            in_span(*names, borrowed(&values), borrowed(&later), || log(inner, fields));
        }
    }
}

/// An object whose reading fails where a key comes twice.
struct Line(BTreeMap<String, Json>, Vec<String>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Line;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut line = Line(BTreeMap::new(), Vec::new());
                while let Some((key, value)) = map.next_entry::<String, Json>()? {
                    line.1.push(key.clone());
                    if line.0.insert(key.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("{key} twice")));
                    }
                }
                Ok(line)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

fn lines(settings: &Settings, work: impl FnOnce()) -> Vec<String> {
    let sink = Arc::new(MemorySink::new());
    let layer = JsonLayer::new(sink.clone(), Arc::new(Run::new()), settings.clone());
    subscriber::with_default(registry().with(layer), work);
    sink.take()
}

fn quietly() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let meant = info.payload().downcast_ref::<&str>() == Some(&"no text\nfor this");
            if !meant {
                hook(info);
            }
        }));
    });
}

proptest! {
    #[test]
    fn any_record_is_one_valid_line(
        spans in proptest::collection::vec(
            (any_fields(), proptest::collection::vec(proptest::option::of(any_value()), FIELDS)), 0..4),
        fields in any_fields(),
        small in any::<bool>(),
    ) {
        quietly();
        let mut settings = Settings::new();
        if small {
            settings = settings.with_max_line_bytes(2048).with_max_value_bytes(100);
        }
        let lines = lines(&settings, || log(&spans, &fields));
        prop_assert_eq!(lines.len(), 1);
        let line = &lines[0];
        prop_assert!(!line.contains(|c: char| c.is_control() || c == '\u{2028}'), "{}", line);
        let read: Line = serde_json::from_str(line).map_err(|e| TestCaseError::fail(format!("{e}: {line}")))?;
        prop_assert_eq!(&read.1[..5], ["time", "level", "seq", "target", "msg"]);
        prop_assert_eq!(&read.0["level"], "INFO");
        prop_assert_eq!(&read.0["target"], "made::up");
        prop_assert_eq!(&read.0["seq"], 1);
        prop_assert!(read.0["msg"].is_string());
        prop_assert_eq!(read.1.last().unwrap(), "run");
        if small {
            prop_assert!(line.len() < 2048 + 700, "{}", line.len());
        } else {
            // No field of the event is lost, the first of each name counts.
            let given = fields.0.iter().zip(&fields.1).filter(|(_, value)| value.is_some());
            let names: BTreeSet<_> = given.map(|(name, _)| *name).collect();
            for name in names {
                let shown = match name {
                    "message" => "msg".to_owned(),
                    "r#type" => "type".to_owned(),
                    "time" | "level" | "seq" | "run" | "target" | "msg" | "operation"
                        | "fields_dropped" | "field.time" | "field.field.time" => format!("field.{name}"),
                    name => name.to_owned(),
                };
                prop_assert!(read.0.contains_key(&shown), "{shown} in {line}");
            }
        }
    }

    #[test]
    fn any_record_is_one_line_for_a_person(fields in any_fields(), colours in any::<bool>()) {
        quietly();
        let sink = Arc::new(MemorySink::new());
        let colours = if colours { Colours::On } else { Colours::Off };
        let layer = HumanLayer::new(sink.clone(), colours, Settings::new());
        subscriber::with_default(registry().with(layer), || log(&[], &fields));
        let lines = sink.take();
        prop_assert_eq!(lines.len(), 1);
        let mut bare = lines[0].clone();
        for colour in ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[32m"] {
            if colours == Colours::On {
                bare = bare.replace(colour, "");
            }
        }
        prop_assert!(!bare.contains(char::is_control), "{}", bare);
    }
}

fn one(work: impl FnOnce()) -> Json {
    let lines = lines(&Settings::new(), work);
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str(&lines[0]).unwrap()
}

#[test]
fn an_inner_field_counts_before_an_outer_one() {
    let line = one(|| {
        let outer = tracing::info_span!("outer", a = 1, b = 1, c = 1, d = tracing::field::Empty);
        let _outer = outer.clone().entered();
        let _inner = tracing::info_span!("inner", b = 2, c = 2).entered();
        outer.record("d", 4);
        outer.record("a", "now longer");
        tracing::info!(c = 3, "told");
    });
    assert_eq!((&line["a"], &line["b"]), (&"now longer".into(), &2.into()));
    assert_eq!((&line["c"], &line["d"]), (&3.into(), &4.into()));
}

#[test]
fn a_message_that_comes_late_stands_at_its_place() {
    let line = one(|| tracing::info!(a = 1, b = 2, message = 5_u64));
    assert_eq!((&line["msg"], &line["a"], &line["b"]), (&"5".into(), &1.into(), &2.into()));
}

#[test]
fn numbers_that_json_has_not_are_text() {
    let line = one(|| {
        tracing::info!(
            nan = f64::NAN,
            inf = -f64::INFINITY,
            big = u128::MAX,
            small = i128::MIN,
            u = u64::MAX,
            i = i64::MIN,
            in_64 = 5_i128
        );
    });
    assert_eq!(line["nan"], "NaN");
    assert_eq!(line["inf"], "-inf");
    assert_eq!(line["big"], u128::MAX.to_string());
    assert_eq!(line["small"], i128::MIN.to_string());
    assert_eq!((&line["u"], &line["i"]), (&u64::MAX.into(), &i64::MIN.into()));
    assert_eq!(line["in_64"], 5);
}

#[test]
fn a_long_text_is_cut_and_says_by_how_much() {
    let line = one(|| tracing::info!(text = "ä".repeat(50_000), "{}", "x".repeat(100_000)));
    assert_eq!(line["msg"], format!("{}…[+34464 bytes]", "x".repeat(65_536)));
    assert_eq!(line["text"], format!("{}…[+34464 bytes]", "ä".repeat(32_768)));
}

#[test]
fn a_value_that_panics_is_told() {
    quietly();
    let line = one(|| {
        let value = Says("half".to_owned(), || panic!("no text\nfor this"));
        tracing::info!(?value, after = 1, "told");
    });
    assert_eq!(line["value"], "half…[panicked: no text\nfor this]");
    assert_eq!((&line["msg"], &line["after"]), (&"told".into(), &1.into()));
}

#[test]
fn an_error_is_told_with_its_causes() {
    let line = one(|| {
        let error = Nested::of(2);
        tracing::error!(error = &error as &dyn std::error::Error);
    });
    let causes = ["layer\n1", "layer\n0"];
    assert_eq!(line["error"], serde_json::json!({ "message": "layer\n2", "causes": causes }));
    let line = one(|| {
        let error = Nested::of(100);
        tracing::error!(error = &error as &dyn std::error::Error);
    });
    assert_eq!(line["error"]["causes"].as_array().unwrap().len(), 32);
    assert_eq!(line["error"]["causes_cut"], true);
}

#[test]
fn an_error_of_ours_tells_what_it_knows() {
    let line = one(|| {
        let error = lyra_errors::Error::validation("age", "age is negative")
            .with_context("given", -3)
            .with_context("api_key", "hunter2")
            .with_context("list", lyra_errors::Value::List(vec![1.into(), "pwd=hunter2".into()]));
        tracing::error!(error = &error as &dyn std::error::Error);
    });
    let context = serde_json::json!({
        "field": "age", "given": -3, "api_key": "[redacted]", "list": [1, "pwd=[redacted]"],
    });
    assert_eq!(line["error"]["context"], context);
    assert_eq!(line["error"]["type"], "Validation");
    assert_eq!(line["error"]["code"], "host.validation");
    assert_eq!(line["error"]["recoverable"], false);
}

/// Its cause is itself.
#[derive(Debug)]
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("again")
    }
}

impl std::error::Error for Endless {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_chain_without_end_ends() {
    let line = one(|| tracing::error!(error = &Endless as &dyn std::error::Error));
    assert_eq!(line["error"]["causes_cut"], true);
}

#[test]
fn two_layers_keep_to_their_own_rules() {
    let (strict, lax) = (Arc::new(MemorySink::new()), Arc::new(MemorySink::new()));
    let layer = |sink: &Arc<MemorySink>, redaction| {
        let settings = Settings::new().with_redaction(redaction);
        JsonLayer::new(sink.clone(), Arc::new(Run::new()), settings)
    };
    let layers = registry()
        .with(layer(&strict, lyra_log::Redaction::new()))
        .with(layer(&lax, lyra_log::Redaction::off()));
    subscriber::with_default(layers, || {
        let span = tracing::info_span!("s", token = "hunter2", other = tracing::field::Empty);
        span.record("other", "pwd=hunter2");
        span.in_scope(|| tracing::info!("told"));
    });
    assert!(!strict.take()[0].contains("hunter2"));
    assert_eq!(lax.take()[0].matches("hunter2").count(), 2);
}
