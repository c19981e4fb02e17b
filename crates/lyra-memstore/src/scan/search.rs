//! The few rows that can be among the nearest, by their codes alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
/// A row stays a candidate as long as the best that is possible for it
/// reaches the worst that is certain of the `top` best: so the nearest are
/// always among the candidates.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    kernel: Kernel,
    query: &'a CodedQuery,
    top: usize,
    /// The largest scores that are certain, the smallest of them on top.
    certain: BinaryHeap<Reverse<Score>>,
    candidates: Vec<Candidate>,
    /// With how many candidates it is worth to look which still are.
    most: usize,
    products: Vec<i32>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(kernel: Kernel, query: &'a CodedQuery, top: usize) -> Self {
        Self {
            kernel,
            query,
            top,
            certain: BinaryHeap::new(),
            candidates: Vec::new(),
            most: top.saturating_mul(16).max(4096),
            products: Vec::new(),
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

    /// The candidates, the most promising first.
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
        self.products.clear();
        self.products.resize(rows, 0);
        self.kernel.products(segment.codes(from, rows), self.query, &mut self.products);
        let mut threshold = self.threshold();
        for at in 0..rows {
            let Some(gauge) = segment.gauge(from + at) else { continue };
            let Bounds { least, most } = self.query.bounds(self.products[at], &gauge);
            let slot = first + from + at;
            if most >= threshold && wanted(slot) {
                self.candidates.push(Candidate { slot, most });
                if least > threshold || self.certain.len() < self.top {
                    threshold = self.raise(least);
                }
            }
        }
        // Early rows come in easily; they are not to pile up.
        if self.candidates.len() > self.most {
            self.candidates.retain(|candidate| candidate.most >= threshold);
            self.most = self.most.max(2 * self.candidates.len());
        }
    }

    /// One score more that is certain.
    fn raise(&mut self, least: f64) -> f64 {
        self.certain.push(Reverse(Score(least)));
        if self.certain.len() > self.top {
            self.certain.pop();
        }
        self.threshold()
    }

    /// What a row's score must be able to reach.
    fn threshold(&self) -> f64 {
        match self.certain.peek() {
            Some(Reverse(Score(least))) if self.certain.len() == self.top => *least,
            _ => f64::NEG_INFINITY,
        }
    }
}

/// Ordered as numbers are; none of them is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
