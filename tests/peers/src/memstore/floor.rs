//! How far a query is from what the memory itself allows: the time in which
//! one core reads the codes of all rows, a byte a number, or the upper halves
//! of them alone, which is what a scan reads of most rows.
//!
//! The scan kernel of lyra-memstore is no part of what it offers, so its
//! sources are taken here as they are.

use std::convert::Infallible;
use std::hint::black_box;

use scan::{CodedQuery, Kernel, Layout, Segment};

use super::{AREA, DIMENSION, label};
use crate::Metric;
use crate::harness::{self, Group, Plan, Row, Timed, cpu_time_of, timed_rows};

const ROUNDS: usize = 10;

#[allow(dead_code, reason = "the sources have more than is measured here")]
#[path = "../../../../crates/lyra-memstore/src/scan"]
mod scan {
    mod code;
    mod kernel;
    mod layout;
    mod planes;
    mod query;
    mod segment;

    pub(crate) use kernel::Kernel;
    pub(crate) use layout::Layout;
    pub(crate) use query::CodedQuery;
    pub(crate) use segment::Segment;
}

pub(super) fn kernels(plan: &Plan, size: usize) -> Vec<Row> {
    harness::measure(plan, vec![kernel(size)])
}

/// The products of a query with all rows, and nothing else of a search.
fn kernel(size: usize) -> Group {
    let layout = Layout::of(DIMENSION);
    let segments: Vec<Segment> = (0..size.div_ceil(layout.rows()))
        .map(|_| {
            let filled = Segment::read(layout, &mut Vec::new(), |bytes| {
                bytes.fill(77);
                Ok::<_, Infallible>(())
            });
            filled.unwrap_or_else(|never| match never {})
        })
        .collect();
    let segments = std::rc::Rc::new(segments);
    let read = std::rc::Rc::clone(&segments);
    let target: Vec<f32> = (0..DIMENSION).map(|at| (at % 7) as f32 - 3.0).collect();
    let query = CodedQuery::new(Metric::Cosine, &target);
    let kernel = Kernel::detect();
    let mut products = vec![0; layout.rows()];
    Group::new(AREA, format!("scan kernel, {}", label(size)))
        .ours("", move |calls| {
            for _ in 0..calls {
                for segment in segments.iter() {
                    kernel.products(segment.upper(0, layout.rows()), &query, &mut products);
                    black_box(&products);
                }
            }
        })
        .peer("plain read of the same buffer", move |calls| {
            for _ in 0..calls {
                for segment in read.iter() {
                    black_box(sum_of_bytes(black_box(segment.upper(0, layout.rows()))));
                }
            }
        })
}

fn sum_of_bytes(bytes: &[u8]) -> u64 {
    let mut sums = [0_u64; 8];
    for words in bytes.as_chunks::<8>().0.as_chunks::<8>().0 {
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}

/// A whole query in turn with the reading; `ours` gives its ms, by round.
pub(super) fn query(size: usize, mut ours: Option<impl FnMut(usize) -> Option<f64>>) -> Vec<Row> {
    let [codes, halves] = [2, 1].map(|halves| half_codes(size, halves));
    let timed = |name, is_ours| Timed { name, is_ours, rounds: Vec::new() };
    let mut queries = timed("ours", true);
    let mut reads = timed("plain read of the codes", false);
    let mut half_reads = timed("plain read of their upper halves", false);
    for round in 0..ROUNDS {
        queries.rounds.extend(ours.as_mut().and_then(|ours| ours(round)));
        for (reads, codes) in [(&mut reads, &codes), (&mut half_reads, &halves)] {
            let read = cpu_time_of(|| {
                black_box(sum(black_box(codes)));
            });
            reads.rounds.push(read.as_secs_f64() * 1e3);
        }
    }
    timed_rows(
        AREA,
        &format!("query, top 10, {}", label(size)),
        "ms",
        &[queries, reads, half_reads],
    )
}

/// As many bytes as the codes have, each of so many halves.
fn half_codes(size: usize, halves: usize) -> Vec<u64> {
    vec![1; size * DIMENSION * halves / 2 / size_of::<u64>()]
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
