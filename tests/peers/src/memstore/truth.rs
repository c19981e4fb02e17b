//! The true neighbours, by looking at every row in f64.

use std::collections::BTreeSet;
use std::ops::Range;

use super::data::Data;
use super::orders::By;
use super::{DIMENSION, TOP};

/// Two rows that are as near within the rounding of f32 are equally good.
const ROUNDING: f64 = 1e-7;

/// How near the last of the true ten is, for each of some queries.
pub(super) struct Truth<'a> {
    data: &'a Data,
    queries: Range<usize>,
    by: Option<By>,
    /// And how many there are: a filter may leave fewer than ten.
    last: Vec<(f64, usize)>,
}

impl<'a> Truth<'a> {
    pub(super) fn of(data: &'a Data, queries: Range<usize>, by: Option<By>) -> Self {
        let mut truth = Self { data, queries: queries.clone(), by, last: Vec::new() };
        for query in queries {
            let rows = (0..data.size).filter(|&row| truth.is_meant(query, row));
            let mut near: Vec<f64> = rows.map(|row| truth.nearness(query, row)).collect();
            near.sort_by(|one, other| other.total_cmp(one));
            near.truncate(TOP);
            truth.last.push((near.last().copied().unwrap_or_default(), near.len()));
        }
        truth
    }

    /// Which share of the true ones was found.
    pub(super) fn recall(&self, found: &[Vec<String>]) -> f64 {
        let pairs = self.queries.clone().zip(&self.last).zip(found);
        let right = pairs.map(|((query, (last, count)), ids)| {
            // An id that comes twice is one.
            let rows: BTreeSet<usize> =
                ids.iter().filter_map(|id| id.strip_prefix('e')?.parse().ok()).collect();
            let is_right = |row: &usize| {
                self.is_meant(query, *row) && self.nearness(query, *row) >= last - ROUNDING
            };
            rows.iter().filter(|row| is_right(row)).count().min(*count)
        });
        let all: usize = self.last.iter().map(|(_, count)| count).sum();
        right.sum::<usize>() as f64 / all as f64
    }

    fn is_meant(&self, query: usize, row: usize) -> bool {
        let Some(line) = self.data.lines.get(row).filter(|_| row < self.data.size) else {
            return false;
        };
        match self.by {
            None => true,
            Some(by) if by == By::BUCKET => line.bucket == by.value_for(query),
            Some(by) => line.group == by.value_for(query),
        }
    }

    /// The cosine.
    fn nearness(&self, query: usize, row: usize) -> f64 {
        let query = &self.data.queries[query * DIMENSION..][..DIMENSION];
        let row = &self.data.vectors[row * DIMENSION..][..DIMENSION];
        // Eight sums side by side, so that the compiler may use vectors.
        let (mut products, mut squares) = ([0.0; 8], [0.0; 8]);
        for (query, row) in query.as_chunks::<8>().0.iter().zip(row.as_chunks::<8>().0) {
            for lane in 0..8 {
                let number = f64::from(row[lane]);
                products[lane] += f64::from(query[lane]) * number;
                squares[lane] += number * number;
            }
        }
        products.iter().sum::<f64>() / squares.iter().sum::<f64>().sqrt()
    }
}
