use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::{Metric, vector};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::L2, Metric::InnerProduct];

fn fixed(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(20_261_124);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Numbers as models give them, and such as no model would.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1.0_f32..1.0,
        1 => prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO,
        1 => prop_oneof![Just(0.0), Just(1.0), Just(-1.0), Just(1e-30), Just(f32::MAX)],
    ]
}

fn rows(dimension: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let row = prop::collection::vec(number(), dimension);
    // Some rows come several times: what is equal is told apart by its age.
    prop::collection::vec(prop_oneof![4 => row, 1 => Just(vec![0.5; dimension])], 1..300)
}

fn settled(metric: Metric, vector: Vec<f32>) -> Option<Vec<f32>> {
    let is_zero = vector.iter().all(|&n| n == 0.0);
    (metric != Metric::Cosine || !is_zero).then(|| vector::settle(vector, metric))
}

fn segments(layout: Layout, rows: &[Vec<f32>]) -> Vec<Segment> {
    let segment = |rows: &[Vec<f32>]| {
        let mut bytes = vec![0; layout.bytes()];
        for (at, row) in rows.iter().enumerate() {
            let record = Record::of(row);
            bytes[layout.gauge_at(at)..][..record.gauge.len()].copy_from_slice(&record.gauge);
            bytes[layout.codes_at(at)..][..record.codes.len()].copy_from_slice(&record.codes);
        }
        read(layout, &bytes)
    };
    rows.chunks(layout.rows()).map(segment).collect()
}

fn read(layout: Layout, bytes: &[u8]) -> Segment {
    let copy = |into: &mut [u8]| {
        into.copy_from_slice(bytes);
        Ok::<_, std::convert::Infallible>(())
    };
    Segment::read(layout, &mut Vec::new(), copy).unwrap()
}

/// The nearest by all vectors, in f64, and of equal ones the oldest.
fn brute(metric: Metric, target: &[f32], rows: &[Vec<f32>], top: usize) -> Vec<usize> {
    let distances = rows.iter().map(|row| vector::distance(metric, target, row));
    let mut order: Vec<(f64, usize)> = distances.zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.into_iter().take(top).map(|(_, slot)| slot).collect()
}

#[test]
fn all_forms_of_the_loop_give_the_same_numbers() {
    for dimension in [1, 63, 64, 65, 127, 128, 129, 384, 1536] {
        let extreme: Vec<f32> = (0..dimension).map(|i| [1.0, -1.0, 0.99][i % 3]).collect();
        let query = CodedQuery::new(Metric::InnerProduct, &extreme);
        let bytes = 7 * query.numbers().len() / 2;
        for pattern in [[0x00, 0xff, 0x87, 0x4d], [0xff; 4]] {
            let rows: Vec<u8> = (0..bytes).map(|i| pattern[i % 4]).collect();
            let [first, rest @ ..] = &Kernel::all().collect::<Vec<_>>()[..] else { unreachable!() };
            let products = |kernel: &Kernel| {
                let mut products = [0; 7];
                kernel.products(&rows, &query, &mut products);
                products
            };
            for other in rest {
                assert_eq!(products(first), products(other), "{first:?} {other:?} {dimension}");
            }
        }
    }
}

#[test]
fn a_deleted_row_is_not_found() {
    let layout = Layout::of(3);
    let rows = vec![vec![1.0, 0.0, 0.0]; 2];
    let mut bytes = vec![0; layout.bytes()];
    let record = Record::of(&rows[1]);
    bytes[layout.gauge_at(1)..][..record.gauge.len()].copy_from_slice(&record.gauge);
    bytes[layout.codes_at(1)..][..record.codes.len()].copy_from_slice(&record.codes);
    let segment = read(layout, &bytes);
    let query = CodedQuery::new(Metric::Cosine, &rows[0]);
    let mut search = Search::new(Kernel::detect(), &query, 5);
    search.segment(&segment, 0);
    search.settle(|slot| Some((&segment, slot)));
    let slots: Vec<usize> = search.into_candidates().iter().map(|c| c.slot).collect();
    assert_eq!(slots, [1]);
}

/// The largest score that the upper halves allow, beside the one that it is.
fn sketched(metric: Metric, target: &[f32], row: &[f32]) -> (f64, f64) {
    let query = CodedQuery::new(metric, target);
    let segment = &segments(Layout::of(row.len()), &[row.to_vec()])[0];
    let (mut upper, mut most) = ([0], [0.0]);
    Kernel::Scalar.products(segment.upper(0, 1), &query, &mut upper);
    query.sketch(Kernel::detect(), &upper, 0, segment.sketches(), &mut most);
    let product = 1.0 - vector::distance(Metric::InnerProduct, target, row);
    let square = 1.0 - vector::distance(Metric::InnerProduct, row, row);
    let score = if metric == Metric::L2 { 2.0 * product - square } else { product };
    (most[0].into(), score)
}

#[test]
fn what_the_upper_halves_leave_out_may_all_point_one_way() {
    let target: Vec<f32> = (0..256).map(|at| [1.0, -1.0][at % 2]).collect();
    // All lower halves are as far from their middle as can be.
    let high = [127.0, 111.0, 95.0, 79.0, 31.0_f32];
    let low = [-112.0, -96.0, -16.0, -64.0, 0.0, -32.0, -80.0_f32];
    let code = |at: usize| if at.is_multiple_of(2) { high[at % 5] } else { low[at % 7] };
    let row: Vec<f32> = (0..256).map(|at| code(at) / 127.0).collect();
    let left_out = 7.5 * 256.0 / 127.0;
    for (metric, times) in [(Metric::InnerProduct, 1.0), (Metric::L2, 2.0)] {
        let (most, score) = sketched(metric, &target, &row);
        // There is nothing to spare, so what makes the bound shorter is noticed.
        let spare = times * 0.01 * left_out;
        assert!(score <= most && most < score + spare, "{metric}: {score} {most}");
    }
}

#[test]
fn what_a_query_s_codes_leave_out_may_all_point_one_way() {
    // Lower halves that are at their middle, but for the largest number.
    let code = |at: usize| if at == 0 { 127.0 } else { [120.0_f32, -120.0][at % 2] };
    let row: Vec<f32> = (0..1024).map(|at| code(at) / 127.0).collect();
    let target = row.iter().map(|&n| (64.0_f32.copysign(-n) + 0.49_f32.copysign(n)) / 127.0);
    let target: Vec<f32> = [1.0].into_iter().chain(target.skip(1)).collect();
    let (most, score) = sketched(Metric::InnerProduct, &target, &row);
    let left_out = 0.49 / 127.0 * 1023.0 * 120.0 / 127.0;
    assert!(score <= most && most < score + 0.4 * left_out, "{score} {most}");
}

proptest! {
    #![proptest_config(fixed(60))]

    #[test]
    fn the_nearest_are_always_among_the_candidates(
        metric in prop::sample::select(METRICS.to_vec()),
        (target, rows) in (1_usize..100).prop_flat_map(|d| (prop::collection::vec(number(), d), rows(d))),
        top in 1_usize..20,
        every in 1_usize..9,
    ) {
        let Some(target) = settled(metric, target) else { return Ok(()) };
        let rows: Vec<Vec<f32>> = rows.into_iter().filter_map(|row| settled(metric, row)).collect();
        let layout = Layout::of(target.len());
        let query = CodedQuery::new(metric, &target);
        for kernel in Kernel::all() {
            let (mut all, mut some) = (Search::new(kernel, &query, top), Search::new(kernel, &query, top));
            let wanted: Slots = (0..rows.len()).filter(|slot| slot % every == 0).collect();
            let segments = segments(layout, &rows);
            let segment_of = |slot| Some((&segments[slot / layout.rows()], slot % layout.rows()));
            for (at, segment) in segments.iter().enumerate() {
                all.segment(segment, at * layout.rows());
                all.narrow(segment_of);
                some.some_of(segment, at * layout.rows(), &wanted);
                some.settle(segment_of);
            }
            all.settle(segment_of);
            let found: Slots = all.into_candidates().iter().map(|c| c.slot).collect();
            for slot in brute(metric, &target, &rows, top) {
                prop_assert!(found.contains(slot), "{slot} of {} under {metric}", rows.len());
            }
            let found: Slots = some.into_candidates().iter().map(|c| c.slot).collect();
            let (picked, at): (Vec<_>, Vec<_>) =
                wanted.iter().map(|slot| (rows[slot].clone(), slot)).unzip();
            for slot in brute(metric, &target, &picked, top) {
                prop_assert!(found.contains(at[slot]));
            }
            prop_assert!(found.iter().all(|slot| wanted.contains(slot)));
        }
    }

    #[test]
    fn a_score_lies_within_its_bounds(
        metric in prop::sample::select(METRICS.to_vec()),
        (a, b) in (1_usize..200).prop_flat_map(|d| (prop::collection::vec(number(), d), prop::collection::vec(number(), d))),
    ) {
        let (Some(a), Some(b)) = (settled(metric, a), settled(metric, b)) else { return Ok(()) };
        let query = CodedQuery::new(metric, &a);
        let bytes = segments(Layout::of(a.len()), std::slice::from_ref(&b));
        let (mut upper, mut lower, mut most) = ([0], [0], [0.0]);
        Kernel::Scalar.products(bytes[0].upper(0, 1), &query, &mut upper);
        Kernel::Scalar.products(bytes[0].lower(0), &query, &mut lower);
        query.sketch(Kernel::detect(), &upper, 0, bytes[0].sketches(), &mut most);
        let bounds = query.bounds(query.product(upper[0], lower[0]), &bytes[0].gauge(0).unwrap());
        let score = match metric {
            Metric::L2 => {
                let own: f64 = a.iter().map(|&n| f64::from(n) * f64::from(n)).sum();
                own - vector::distance(metric, &a, &b)
            }
            _ => 1.0 - vector::distance(metric, &a, &b),
        };
        // Where squares are beyond what f64 tells apart, the difference is lost.
        let slack = 1e-9 * score.abs();
        prop_assert!(bounds.least - slack <= score && score <= bounds.most + slack, "{score} {bounds:?}");
        // The upper halves alone rule out no score that is possible.
        let ruled_out = most[0] < query.sketch_threshold(score.min(bounds.most));
        prop_assert!(!ruled_out, "{score} {bounds:?} {most:?}");
    }

    #[test]
    fn both_halves_are_the_codes(numbers in prop::collection::vec(number(), 1..300)) {
        let record = Record::of(&numbers);
        let query: Vec<f32> = (0..numbers.len()).map(|at| (at % 11) as f32 - 5.0).collect();
        let query = CodedQuery::new(Metric::InnerProduct, &query);
        let segments = segments(Layout::of(numbers.len()), std::slice::from_ref(&numbers));
        let (mut upper, mut lower) = ([0], [0]);
        Kernel::Scalar.products(segments[0].upper(0, 1), &query, &mut upper);
        Kernel::Scalar.products(segments[0].lower(0), &query, &mut lower);
        let terms = record.codes.iter().zip(query.numbers());
        let product: i32 = terms.map(|(&c, &q)| (i32::from(c) - 128) * i32::from(q)).sum();
        prop_assert_eq!(query.product(upper[0], lower[0]), product);
        prop_assert!(segments[0].holds(0, &record));
        prop_assert!(!segments[0].holds(1, &record));
    }

    #[test]
    fn slots_are_a_set(a in prop::collection::btree_set(0_usize..700, 0..60), b in prop::collection::btree_set(0_usize..700, 0..60), first in 0_usize..700, count in 0_usize..300) {
        let [x, y] = [&a, &b].map(|set| set.iter().copied().collect::<Slots>());
        let list = |slots: &Slots| slots.iter().collect::<Vec<_>>();
        let mut both = x.clone();
        both.keep(&y);
        prop_assert_eq!(list(&both), a.intersection(&b).copied().collect::<Vec<_>>());
        let mut either = x.clone();
        either.join(&y);
        prop_assert_eq!(list(&either), a.union(&b).copied().collect::<Vec<_>>());
        let mut rest = x.clone();
        rest.drop_all(&y);
        prop_assert_eq!(list(&rest), a.difference(&b).copied().collect::<Vec<_>>());
        let within: Vec<usize> = a.iter().copied().filter(|s| (first..first + count).contains(s)).collect();
        prop_assert_eq!((x.count_in(first, count), x.len()), (within.len(), a.len()));
        prop_assert_eq!(x.iter_in(first, count).collect::<Vec<_>>(), within);
        prop_assert!((0..700).all(|slot| x.contains(slot) == a.contains(&slot)));
    }
}
