//! The fields of a span, written once and copied into each of its lines.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Pen, Placed};

/// What hangs at a span: of each layer its own, because each has its format
/// and its redaction.
#[derive(Debug)]
pub(crate) struct SpanFields {
    first: Arc<OneLayer>,
    others: Vec<Arc<OneLayer>>,
}

#[derive(Debug, Clone)]
pub(crate) struct OneLayer {
    pub(crate) layer: u64,
    /// The innermost operation, this span's or one's around it.
    pub(crate) operation: Option<&'static str>,
    /// The span's own fields, and behind them those that it has from the spans
    /// around it: a line then looks at one span, however many there are.
    ///
    /// Of an ordinary span all that is in one allocation.
    bytes: SmallVec<[u8; 128]>,
    placed: SmallVec<[Placed; 4]>,
    /// Of the names of all of them, see [`Key::bit`](crate::key::Key::bit).
    bits: u64,
    /// How many are its own.
    own: usize,
    /// How many found no room, of all and of its own.
    dropped: usize,
    own_dropped: usize,
    /// How often the layer had been told of a later value when the fields of
    /// the spans around were copied: they hold until it is told of another.
    inherited_at: Option<u64>,
}

impl SpanFields {
    pub(crate) fn new(first: Arc<OneLayer>) -> Self {
        Self { first, others: Vec::new() }
    }

    pub(crate) fn add(&mut self, others: Self) {
        self.others.push(others.first);
        self.others.extend(others.others);
    }

    pub(crate) fn of(&self, layer: u64) -> Option<&Arc<OneLayer>> {
        let others = || self.others.iter().find(|fields| fields.layer == layer);
        if self.first.layer == layer { Some(&self.first) } else { others() }
    }

    pub(crate) fn of_mut(&mut self, layer: u64) -> Option<&mut OneLayer> {
        let mut all = std::iter::once(&mut self.first).chain(&mut self.others);
        all.find(|fields| fields.layer == layer).map(Arc::make_mut)
    }
}

impl OneLayer {
    /// The fields that `pen` wrote, of which the first `own` are the span's,
    /// beside `own_dropped` that found no room.
    pub(crate) fn new<F>(
        pen: &Pen<'_, F>,
        operation: Option<&'static str>,
        (own, own_dropped): (usize, usize),
        inherited_at: Option<u64>,
    ) -> Self {
        Self {
            layer: pen.layer,
            operation,
            bytes: SmallVec::from_slice(pen.out),
            placed: SmallVec::from_slice(pen.placed),
            bits: pen.bits,
            own,
            dropped: pen.dropped,
            own_dropped,
            inherited_at,
        }
    }

    /// Whether what it has from the spans around it still holds.
    pub(crate) fn is_whole(&self, records: u64) -> bool {
        self.inherited_at == Some(records)
    }

    /// All of them in one piece, with the bits of their names.
    pub(crate) fn block(&self) -> (&[u8], u64) {
        (&self.bytes, self.bits)
    }

    /// How many fields found no room, of all or of the span's own.
    pub(crate) fn dropped(&self, whole: bool) -> usize {
        if whole { self.dropped } else { self.own_dropped }
    }

    /// All fields with their bytes, or the span's own.
    pub(crate) fn iter(&self, whole: bool) -> impl Iterator<Item = (Placed, &[u8])> {
        let count = if whole { self.placed.len() } else { self.own };
        let mut start = 0;
        self.placed[..count].iter().map(move |&placed| {
            let field = &self.bytes[start..placed.end];
            start = placed.end;
            (placed, field)
        })
    }

    /// Takes over what was recorded later: the last value of a field counts,
    /// in the place of the first.
    pub(crate) fn update(&mut self, newer: &Self) {
        self.inherited_at = None;
        self.bits |= newer.bits;
        self.placed.truncate(self.own);
        self.bytes.truncate(self.placed.last().map_or(0, |last| last.end));
        for (new, field) in newer.iter(false) {
            let Some(at) = self.placed.iter().position(|old| old.key == new.key) else {
                self.bytes.extend_from_slice(field);
                self.placed.push(Placed { key: new.key, end: self.bytes.len() });
                continue;
            };
            let start = at.checked_sub(1).map_or(0, |before| self.placed[before].end);
            let old = start..self.placed[at].end;
            let length = old.len();
            self.bytes.drain(old);
            self.bytes.insert_from_slice(start, field);
            for placed in &mut self.placed[at..] {
                placed.end = placed.end - length + field.len();
            }
        }
        self.own = self.placed.len();
    }
}
