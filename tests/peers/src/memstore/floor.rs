//! How far a query is from what the memory itself allows: the time in which
//! one core reads the codes of all rows, a byte a number.
//!
//! The scan kernel of lyra-memstore has its place in [`kernel`], where it has
//! none to show yet: what it stands beside is measured, ours is not, and its
//! goal is SHORT.

use std::hint::black_box;

use super::{AREA, DIMENSION, label};
use crate::harness::{self, Group, Plan, Row, Timed, cpu_time_of, timed_rows};

const ROUNDS: usize = 10;

pub(super) fn kernels(plan: &Plan, size: usize) -> Vec<Row> {
    harness::measure(plan, vec![kernel(size)])
}

/// Ours belongs here, as `.ours("", …)` over a buffer as large, as soon as
/// lyra-memstore has a scan kernel that can be called.
fn kernel(size: usize) -> Group {
    let codes = codes_of(size);
    Group::new(AREA, format!("scan kernel, {}", label(size))).peer(
        "plain read of the same buffer",
        move |calls| {
            for _ in 0..calls {
                black_box(sum(black_box(&codes)));
            }
        },
    )
}

/// A whole query in turn with the reading; `ours` gives its ms, by round.
pub(super) fn query(size: usize, mut ours: Option<impl FnMut(usize) -> Option<f64>>) -> Vec<Row> {
    let codes = codes_of(size);
    let timed = |name, is_ours| Timed { name, is_ours, rounds: Vec::new() };
    let mut queries = timed("ours", true);
    let mut reads = timed("plain read of the codes", false);
    for round in 0..ROUNDS {
        queries.rounds.extend(ours.as_mut().and_then(|ours| ours(round)));
        let read = cpu_time_of(|| {
            black_box(sum(black_box(&codes)));
        });
        reads.rounds.push(read.as_secs_f64() * 1e3);
    }
    timed_rows(AREA, &format!("query, top 10, {}", label(size)), "ms", &[queries, reads])
}

/// As many bytes as the codes have, a byte a number.
fn codes_of(size: usize) -> Vec<u64> {
    vec![1; size * DIMENSION / size_of::<u64>()]
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
