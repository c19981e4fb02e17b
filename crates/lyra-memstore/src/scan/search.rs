//! The few rows that can be among the nearest, by their codes alone.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::mem;

use super::kernel::Kernel;
use super::query::{Bounds, CodedQuery};
use super::segment::Segment;
use super::slots::Slots;

/// A row that can be among the nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Its place in the collection.
    pub(crate) slot: usize,
    /// No score of its can be larger.
    pub(crate) most: f64,
}

/// Looks for the `top` nearest rows, one segment after the other.
///
/// The upper halves of the codes rule out nearly all rows. What they leave
/// over waits: the most promising of them are read in full first, and what is
/// certain of those rules out most of the others before their lower halves
/// are read. A row stays a candidate as long as the best that is possible for
/// it reaches the worst that is certain of the `top` best: so the nearest are
/// always among the candidates.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    kernel: Kernel,
    query: &'a CodedQuery,
    top: usize,
    /// The largest scores that are certain, the smallest of them on top.
    certain: BinaryHeap<Reverse<Score>>,
    waiting: Vec<Waiting>,
    candidates: Vec<Candidate>,
    /// With how many candidates it is worth to look which still are.
    most: usize,
    /// Of the rows at hand, with the upper halves of their codes: the products
    /// and the largest scores that these allow.
    products: Vec<i32>,
    sketches: Vec<f32>,
}

/// A row of which only the upper halves were read.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    slot: usize,
    /// Of the upper halves.
    product: i32,
    /// No score of its can be larger.
    sketch: f32,
}

impl<'a> Search<'a> {
    pub(crate) fn new(kernel: Kernel, query: &'a CodedQuery, top: usize) -> Self {
        Self {
            kernel,
            query,
            top,
            certain: BinaryHeap::new(),
            waiting: Vec::new(),
            candidates: Vec::new(),
            most: top.saturating_mul(16).max(4096),
            products: Vec::new(),
            sketches: Vec::new(),
        }
    }

    /// Goes through the rows of a segment, the first of which is at slot
    /// `first`.
    pub(crate) fn segment(&mut self, segment: &Segment, first: usize) {
        self.rows(segment, first, 0, segment.layout().rows());
    }

    /// Goes through those rows of a segment that are among `slots`.
    pub(crate) fn some_of(&mut self, segment: &Segment, first: usize, slots: &Slots) {
        let rows = segment.layout().rows();
        let wanted = slots.count_in(first, rows);
        // To compute a row in vain takes about a third of what it takes to
        // pick out one alone.
        if wanted * 3 >= rows {
            self.rows_that(segment, first, 0, rows, |slot| slots.contains(slot));
        } else if wanted > 0 {
            for slot in slots.iter_in(first, rows) {
                self.rows(segment, first, slot - first, 1);
            }
        }
    }

    /// Where many rows wait, reads the most promising of them in full, which
    /// rules out others. `segment_of` gives the segment of a slot, and its row
    /// there.
    pub(crate) fn narrow<'s>(
        &mut self,
        segment_of: impl Fn(usize) -> Option<(&'s Segment, usize)>,
    ) {
        // By then the best of them are good ones: at 100,000 rows this takes
        // place some six times, and some 500 rows are read in full.
        const MANY: usize = 1024;
        const BEST: usize = 32;
        let best = self.top.saturating_mul(2).max(BEST);
        if self.waiting.len() < best.saturating_mul(MANY / BEST) {
            return;
        }
        self.waiting.select_nth_unstable_by(best, more_promising);
        for at in 0..best {
            self.read_in_full(self.waiting[at], &segment_of);
        }
        self.waiting.drain(..best);
        self.drop_hopeless();
        // They are not to pile up where they are all alike.
        if self.waiting.len() >= best.saturating_mul(MANY / BEST / 2) {
            self.settle(segment_of);
        }
    }

    /// Reads all rows in full that wait and still can be among the nearest.
    pub(crate) fn settle<'s>(
        &mut self,
        segment_of: impl Fn(usize) -> Option<(&'s Segment, usize)>,
    ) {
        let mut waiting = mem::take(&mut self.waiting);
        waiting.sort_unstable_by(more_promising);
        for row in waiting.drain(..) {
            if row.sketch < self.query.sketch_threshold(self.threshold()) {
                break;
            }
            self.read_in_full(row, &segment_of);
        }
        self.waiting = waiting;
    }

    /// The candidates among the rows that were settled, the most promising
    /// first.
    pub(crate) fn into_candidates(mut self) -> Vec<Candidate> {
        let threshold = self.threshold();
        self.candidates.retain(|candidate| candidate.most >= threshold);
        self.candidates.sort_unstable_by(|a, b| b.most.total_cmp(&a.most));
        self.candidates
    }

    fn rows(&mut self, segment: &Segment, first: usize, from: usize, rows: usize) {
        self.rows_that(segment, first, from, rows, |_| true);
    }

    #[inline]
    fn rows_that(
        &mut self,
        segment: &Segment,
        first: usize,
        from: usize,
        rows: usize,
        wanted: impl Fn(usize) -> bool,
    ) {
        // So many are looked at together: mostly none of them is near enough.
        const TOGETHER: usize = 32;
        self.products.resize(rows, 0);
        self.sketches.resize(rows, 0.0);
        self.kernel.products(segment.upper(from, rows), self.query, &mut self.products);
        self.query.sketch(
            self.kernel,
            &self.products,
            from,
            segment.sketches(),
            &mut self.sketches,
        );
        let enough = self.query.sketch_threshold(self.threshold());
        let is_near = |sketch: f32| sketch >= enough;
        for (at, sketches) in self.sketches.chunks(TOGETHER).enumerate() {
            if !sketches.iter().fold(false, |near, &sketch| near | is_near(sketch)) {
                continue;
            }
            for (row, &sketch) in (at * TOGETHER..).zip(sketches) {
                let slot = first + from + row;
                if is_near(sketch) && wanted(slot) {
                    self.waiting.push(Waiting { slot, product: self.products[row], sketch });
                }
            }
        }
    }

    fn read_in_full<'s>(
        &mut self,
        row: Waiting,
        segment_of: impl Fn(usize) -> Option<(&'s Segment, usize)>,
    ) {
        let Some((segment, at)) = segment_of(row.slot) else { return };
        let Some(gauge) = segment.gauge(at) else { return };
        let mut lower = [0];
        self.kernel.products(segment.lower(at), self.query, &mut lower);
        let product = self.query.product(row.product, lower[0]);
        let Bounds { least, most } = self.query.bounds(product, &gauge);
        let threshold = self.threshold();
        if most >= threshold {
            self.candidates.push(Candidate { slot: row.slot, most });
            if least > threshold || self.certain.len() < self.top {
                self.raise(least);
            }
        }
        // Early rows come in easily; they are not to pile up.
        if self.candidates.len() > self.most {
            let threshold = self.threshold();
            self.candidates.retain(|candidate| candidate.most >= threshold);
            self.most = self.most.max(2 * self.candidates.len());
        }
    }

    fn drop_hopeless(&mut self) {
        let enough = self.query.sketch_threshold(self.threshold());
        self.waiting.retain(|row| row.sketch >= enough);
    }

    /// One score more that is certain.
    fn raise(&mut self, least: f64) {
        self.certain.push(Reverse(Score(least)));
        if self.certain.len() > self.top {
            self.certain.pop();
        }
    }

    /// What a row's score must be able to reach.
    fn threshold(&self) -> f64 {
        match self.certain.peek() {
            Some(Reverse(Score(least))) if self.certain.len() == self.top => *least,
            _ => f64::NEG_INFINITY,
        }
    }
}

/// The largest scores first.
fn more_promising(a: &Waiting, b: &Waiting) -> Ordering {
    b.sketch.total_cmp(&a.sketch)
}

/// Ordered as numbers are; none of them is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
