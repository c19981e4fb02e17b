//! Events and spans whose names and fields are made up while the test runs;
//! `tracing`'s macros know only those that stand in the source.

use std::sync::OnceLock;

use tracing::field::{Field, FieldSet, Value, ValueSet};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, dispatcher};
use tracing_core::Kind;
use tracing_core::callsite::{Callsite, Identifier};

/// How many fields each has; those without a value are not recorded.
pub(crate) const FIELDS: usize = 4;

pub(crate) type Names = [&'static str; FIELDS];
pub(crate) type Values<'a> = [Option<&'a dyn Value>; FIELDS];

struct Made(OnceLock<Metadata<'static>>);

impl Callsite for Made {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().unwrap()
    }
}

fn metadata(
    kind: Kind,
    level: Level,
    target: &'static str,
    names: Names,
) -> &'static Metadata<'static> {
    let made: &'static Made = Box::leak(Box::new(Made(OnceLock::new())));
    let names: &'static Names = Box::leak(Box::new(names));
    let fields = FieldSet::new(names, Identifier(made));
    made.0.get_or_init(|| Metadata::new("made", target, level, None, None, None, fields, kind))
}

fn with_values<R>(
    metadata: &Metadata<'_>,
    values: Values<'_>,
    run: impl FnOnce(&ValueSet<'_>) -> R,
) -> R {
    let fields: Vec<Field> = metadata.fields().iter().collect();
    let pairs = [
        (&fields[0], values[0]),
        (&fields[1], values[1]),
        (&fields[2], values[2]),
        (&fields[3], values[3]),
    ];
    run(&metadata.fields().value_set(&pairs))
}

pub(crate) fn event(level: Level, target: &'static str, names: Names, values: Values<'_>) {
    let metadata = metadata(Kind::EVENT, level, target, names);
    with_values(metadata, values, |values| Event::dispatch(metadata, values));
}

/// Enters it for as long as `inside` runs.
pub(crate) fn in_span<R>(
    names: Names,
    values: Values<'_>,
    later: Values<'_>,
    inside: impl FnOnce() -> R,
) -> R {
    let metadata = metadata(Kind::SPAN, Level::INFO, "made", names);
    let dispatch = dispatcher::get_default(Dispatch::clone);
    let id: Id = with_values(metadata, values, |values| {
        dispatch.new_span(&Attributes::new(metadata, values))
    });
    with_values(metadata, later, |values| dispatch.record(&id, &Record::new(values)));
    dispatch.enter(&id);
    let result = inside();
    dispatch.exit(&id);
    dispatch.try_close(id);
    result
}
