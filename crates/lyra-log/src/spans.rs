//! The spans that a thread is in, with their fields at hand: an event need not
//! look them up, which costs more than to copy them.
//!
//! `tracing` keeps a stack of its own and means the same by it; this one has
//! beside each span what the layer wrote of it.

use std::cell::RefCell;
use std::sync::Arc;

use tracing::span::Id;

use crate::fields::OneLayer;

/// A span of one layer.
#[derive(Debug, Clone)]
struct Entry {
    layer: u64,
    span: u64,
    fields: Arc<OneLayer>,
    /// It was entered before and not left: that counts, as with `tracing`.
    again: bool,
}

#[derive(Debug, Default)]
struct Spans {
    entered: Vec<Entry>,
    /// What was made last, as a rule to be entered next. It is what it says for
    /// as long as it stands here: the place of a span that this thread made is
    /// given to no other one but by this thread, which would note that one.
    made: Option<Entry>,
}

thread_local! {
    static SPANS: RefCell<Spans> = const {
        RefCell::new(Spans { entered: Vec::new(), made: None })
    };
}

/// Nothing, where the thread is about to end.
fn with<R>(work: impl FnOnce(&mut Spans) -> R) -> Option<R> {
    // No code of others runs in `work`, so that it is never borrowed twice.
    SPANS.try_with(|spans| work(&mut spans.borrow_mut())).ok()
}

/// A span was made.
pub(crate) fn made(layer: u64, span: &Id, fields: &Arc<OneLayer>) {
    let entry = Entry { layer, span: span.into_u64(), fields: Arc::clone(fields), again: false };
    with(|spans| spans.made = Some(entry));
}

/// A span is entered; `look_up` finds its fields where it was not made last.
pub(crate) fn entered(layer: u64, span: &Id, look_up: impl FnOnce() -> Option<Arc<OneLayer>>) {
    let id = span.into_u64();
    let is_made = with(|spans| match spans.made.take() {
        Some(made) if made.layer == layer && made.span == id => {
            spans.enter(made);
            true
        }
        other => {
            spans.made = other;
            false
        }
    });
    if is_made == Some(false)
        && let Some(fields) = look_up()
    {
        with(|spans| spans.enter(Entry { layer, span: id, fields, again: false }));
    }
}

impl Spans {
    fn enter(&mut self, mut entry: Entry) {
        let is_it = |other: &Entry| other.layer == entry.layer && other.span == entry.span;
        entry.again = self.entered.iter().any(is_it);
        self.entered.push(entry);
    }
}

/// A span is left, also one that was not entered last.
pub(crate) fn left(layer: u64, span: &Id) {
    let id = span.into_u64();
    with(|spans| {
        let is_it = |entry: &Entry| entry.layer == layer && entry.span == id;
        if spans.entered.last().is_some_and(is_it) {
            spans.entered.pop();
        } else if let Some(at) = spans.entered.iter().rposition(is_it) {
            spans.entered.remove(at);
        }
    });
}

/// What the innermost span of the layer had when it was entered.
pub(crate) fn innermost(layer: u64) -> Option<Arc<OneLayer>> {
    with(|spans| {
        let mut entered = spans.entered.iter().rev();
        entered
            .find(|entry| entry.layer == layer && !entry.again)
            .map(|entry| Arc::clone(&entry.fields))
    })
    .flatten()
}
