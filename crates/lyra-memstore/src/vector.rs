//! Vectors: what is a good one, how it is stored, how two are compared.

use crate::fault::Faults;
use crate::{Metric, Space};

/// Adds what is wrong with a vector: at most one fault, for a vector has too
/// many places to name each.
pub(crate) fn check(vector: &[f32], space: Option<&Space>, path: &str, faults: &mut Faults) {
    if let Some(space) = space
        && vector.len() != space.dimension as usize
    {
        let (found, wanted) = (vector.len(), space.dimension);
        let message = format!("has {found} dimensions, the collection has {wanted}");
        faults.push(path, "dimension", message);
        return;
    }
    if vector.is_empty() {
        faults.push(path, "dimension", "has no dimensions".to_owned());
        return;
    }
    if let Some(at) = vector.iter().position(|number| !number.is_finite()) {
        let bad = vector.iter().filter(|number| !number.is_finite()).count();
        let message = format!("is {} and must be finite ({bad} such numbers in all)", vector[at]);
        faults.push(format!("{path}[{at}]"), "not_finite", message);
        return;
    }
    let cosine = space.is_none_or(|space| space.metric == Metric::Cosine);
    if cosine && space.is_some() && squared_length(vector) == 0.0 {
        let message = "is all zeros, which has no direction for a cosine".to_owned();
        faults.push(path, "zero_vector", message);
    }
}

/// The vector as it is stored in a space: under cosine of unit length,
/// otherwise as it came.
///
/// A vector that is of unit length already, as far as f32 can tell, is kept
/// bit for bit: what was exported can be imported and is still the same.
pub(crate) fn settle(mut vector: Vec<f32>, metric: Metric) -> Vec<f32> {
    const UNIT: f64 = 1e-6;
    if metric != Metric::Cosine {
        return vector;
    }
    let squared = squared_length(&vector);
    if (squared - 1.0).abs() > UNIT {
        let length = squared.sqrt();
        for number in &mut vector {
            #[expect(clippy::cast_possible_truncation, reason = "a part of a unit vector fits f32")]
            let scaled = (f64::from(*number) / length) as f32;
            *number = scaled;
        }
    }
    vector
}

/// In f64, where the square of any f32 fits.
fn squared_length(vector: &[f32]) -> f64 {
    vector.iter().map(|&number| f64::from(number) * f64::from(number)).sum()
}

/// How far `stored` is from `query`, both settled.
///
/// In f64, where no f32 overflows or vanishes, so that the order of two
/// vectors is the true one also at the extremes. Reading the vectors takes
/// several times longer than this.
pub(crate) fn distance(metric: Metric, query: &[f32], stored: &[f32]) -> f64 {
    match metric {
        // Rounding can carry a vector a hair beyond itself.
        Metric::Cosine => (1.0 - sum_of(query, stored, |a, b| a * b)).clamp(0.0, 2.0),
        Metric::InnerProduct => 1.0 - sum_of(query, stored, |a, b| a * b),
        Metric::L2 => sum_of(query, stored, |a, b| (a - b) * (a - b)),
    }
}

/// Eight sums side by side, so that the compiler may use vector instructions
/// without changing the order in which anything is added.
#[inline]
fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let term = |a: f32, b: f32| term(a.into(), b.into());
    let mut sums = [0.0_f64; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Little-endian f32, one after the other: the stored form.
pub(crate) fn to_blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Reads a stored vector into `vector`; false when its length is no multiple
/// of four.
pub(crate) fn read_blob(blob: &[u8], vector: &mut Vec<f32>) -> bool {
    let (numbers, rest) = blob.as_chunks::<4>();
    vector.clear();
    vector.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault_of(vector: &[f32], space: &Space) -> Option<(&'static str, String)> {
        let mut faults = Faults::default();
        check(vector, Some(space), "embedding", &mut faults);
        faults.iter().next().map(|fault| (fault.code, fault.path.clone()))
    }

    #[test]
    fn a_bad_vector_is_told_by_its_first_fault() {
        let cosine = Space::cosine(3);
        let fault = |v: &[f32]| fault_of(v, &cosine).map(|(code, _)| code);
        assert_eq!(fault(&[1.0, 0.0, 0.0]), None);
        assert_eq!(fault(&[1.0]), Some("dimension"));
        assert_eq!(fault(&[]), Some("dimension"));
        assert_eq!(fault(&[0.0, -0.0, 0.0]), Some("zero_vector"));
        assert_eq!(fault(&[0.0, 1.0, f32::NEG_INFINITY]), Some("not_finite"));
        let (_, path) = fault_of(&[0.0, f32::NAN, f32::NAN], &cosine).unwrap();
        assert_eq!(path, "embedding[1]");
        assert_eq!(fault_of(&[0.0; 3], &Space::l2(3)), None, "zero is a place like any other");
    }

    proptest! {
        #[test]
        fn a_settled_vector_has_unit_length_and_settles_to_itself(
            vector in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 1..40)
        ) {
            prop_assume!(squared_length(&vector) > 0.0);
            let once = settle(vector, Metric::Cosine);
            prop_assert!((squared_length(&once) - 1.0).abs() <= 1e-6);
            let bits = |v: &[f32]| v.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&settle(once.clone(), Metric::Cosine)), bits(&once));
        }

        #[test]
        fn other_metrics_keep_every_bit(bits in prop::collection::vec(any::<u32>(), 1..40)) {
            let vector: Vec<f32> = bits.iter().map(|&b| f32::from_bits(b)).collect();
            let mut again = Vec::new();
            prop_assert!(read_blob(&to_blob(&settle(vector, Metric::L2)), &mut again));
            let again: Vec<u32> = again.iter().map(|n| n.to_bits()).collect();
            prop_assert_eq!(again, bits);
        }

        #[test]
        fn distances_agree_with_plain_arithmetic(
            pairs in prop::collection::vec((-10.0_f32..10.0, -10.0_f32..10.0), 1..70)
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let both = || a.iter().zip(&b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
            let inner: f64 = both().map(|(x, y)| x * y).sum();
            let squared: f64 = both().map(|(x, y)| (x - y) * (x - y)).sum();
            let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-9;
            prop_assert!(near(distance(Metric::InnerProduct, &a, &b), 1.0 - inner));
            prop_assert!(near(distance(Metric::L2, &a, &b), squared));
        }
    }

    #[test]
    fn extreme_vectors_are_settled_without_overflow() {
        for size in [f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)] {
            let settled = settle(vec![size, 0.0, -size], Metric::Cosine);
            assert!((squared_length(&settled) - 1.0).abs() < 1e-6, "{size}");
        }
    }

    #[test]
    fn only_what_is_of_unit_length_as_far_as_f32_can_tell_is_kept() {
        let nearly = vec![1.0 + 1e-7, 0.0];
        assert_eq!(settle(nearly.clone(), Metric::Cosine), nearly);
        assert_eq!(settle(vec![1.0 + 1e-5, 0.0], Metric::Cosine), [1.0, 0.0]);
    }

    #[test]
    fn the_order_is_true_at_the_extremes() {
        let far = distance(Metric::L2, &[1e20], &[-3e38]);
        assert!(distance(Metric::L2, &[1e20], &[2e20]) < far && far.is_finite());
        assert!(distance(Metric::L2, &[0.0], &[1e-23]) > 0.0);
        let product = distance(Metric::InnerProduct, &[1e10, 1e10], &[f32::MAX, -f32::MAX]);
        assert_eq!(product, 1.0);
        let unit = settle(vec![1.0; 65_536], Metric::Cosine);
        assert!((0.0..1e-6).contains(&distance(Metric::Cosine, &unit, &unit)));
    }

    #[test]
    fn a_blob_of_odd_length_is_refused() {
        assert!(!read_blob(&[0, 0, 0, 0, 1], &mut Vec::new()));
    }
}
