//! The nearest few of many, in a fixed order also where distances are equal.

use std::collections::BinaryHeap;

use crate::store::rows::EntryNumber;

/// How near one entry is. Ordered by distance, then by age.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    pub(crate) distance: f64,
    pub(crate) number: EntryNumber,
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

/// The nearest few of many; the farthest of them is on top of the heap.
pub(crate) struct Nearest {
    heap: BinaryHeap<Near>,
    top: usize,
}

impl Nearest {
    pub(crate) fn new(top: usize) -> Self {
        // `top` may be anything, so it is no hint for a capacity.
        Self { heap: BinaryHeap::new(), top }
    }

    pub(crate) fn offer(&mut self, near: Near) {
        if self.heap.len() < self.top {
            self.heap.push(near);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && near < *farthest
        {
            *farthest = near;
        }
    }

    /// The distance that the next one must not exceed; none as long as any
    /// will do.
    pub(crate) fn farthest(&self) -> Option<f64> {
        self.heap.peek().filter(|_| self.heap.len() >= self.top).map(|near| near.distance)
    }

    pub(crate) fn into_sorted(self) -> Vec<Near> {
        self.heap.into_sorted_vec()
    }
}
