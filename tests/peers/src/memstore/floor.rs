//! How far a query is from what the memory itself allows: the time in which
//! one core reads the codes of all rows, a byte a number.
//!
//! The scan kernel of lyra-memstore has its place in [`kernel`], where it has
//! none to show yet: what it stands beside is measured, ours is not, and its
//! goal is SHORT.

use std::hint::black_box;

use super::{AREA, DIMENSION, MILLION, label};
use crate::harness::{self, Group, Plan, Row, Timed, timed_rows};

/// `query_of_ours` gives the ms of a query at a million, where it is asked for.
pub(super) fn measure(
    plan: &Plan,
    size: usize,
    query_of_ours: impl FnOnce() -> Result<Option<f64>, String>,
) -> Result<Vec<Row>, String> {
    let mut rows = harness::measure(plan, vec![kernel(size)]);
    let read = harness::measure(plan, vec![kernel(MILLION)]).pop().and_then(|row| row.theirs);
    let ours = Timed::one("ours", true, query_of_ours()?);
    let floor = Timed::one("plain read of the codes", false, read.map(|ns| ns / 1e6));
    let case = format!("query, top 10, {}", label(MILLION));
    rows.extend(timed_rows(AREA, &case, "ms", &[ours, floor]));
    Ok(rows)
}

/// Ours belongs here, as `.ours("", …)` over a buffer as large, as soon as
/// lyra-memstore has a scan kernel that can be called.
fn kernel(size: usize) -> Group {
    let words = vec![1_u64; size * DIMENSION / size_of::<u64>()];
    Group::new(AREA, format!("scan kernel, {}", label(size))).peer(
        "plain read of the same buffer",
        move |calls| {
            for _ in 0..calls {
                black_box(sum(black_box(&words)));
            }
        },
    )
}

/// Eight sums side by side: then the memory is what it waits for.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [0_u64; 8];
    for words in words.as_chunks::<8>().0 {
        for lane in 0..8 {
            sums[lane] = sums[lane].wrapping_add(words[lane]);
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}
