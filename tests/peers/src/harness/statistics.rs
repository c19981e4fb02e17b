//! From the rounds to one figure.

/// The share of rounds that are faster than what is compared.
const QUANTILE: f64 = 0.2;

/// The 20th percentile: low, because a slice is only ever made slower by
/// others; not the minimum, because one slice may be lucky.
pub(super) fn typical(rounds: &[f64]) -> f64 {
    percentile(rounds, QUANTILE)
}

/// The value below which a share of `quantile` lies, between its two
/// neighbours in proportion.
pub(crate) fn percentile(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = quantile * last as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

/// What half of the values are below.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The greatest of them.
pub(crate) fn highest(values: &[f64]) -> f64 {
    percentile(values, 1.0)
}

/// The ratio of two cases over all rounds, with the least and the greatest
/// that four quarters of the rounds give by themselves. Each quarter is every
/// fourth round, so that all four span the whole run.
pub(super) fn ratio(ours: &[f64], theirs: &[f64]) -> (f64, (f64, f64)) {
    let quarters = (0..4).map(|quarter| {
        let of = |rounds: &[f64]| -> Vec<f64> {
            rounds.iter().copied().skip(quarter).step_by(4).collect()
        };
        typical(&of(ours)) / typical(&of(theirs))
    });
    let spread = quarters
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), one| (low.min(one), high.max(one)));
    (typical(ours) / typical(theirs), spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_between_its_neighbours() {
        let values: Vec<f64> = (0..=10).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.2), 2.0);
        assert_eq!(percentile(&values, 0.25), 2.5);
        assert_eq!(percentile(&values, 1.0), 10.0);
        assert_eq!(percentile(&[3.0], 0.2), 3.0);
        assert!(percentile(&[], 0.2).is_nan());
    }

    #[test]
    fn a_few_slow_rounds_change_nothing() {
        let quiet = [10.0; 40];
        let mut noisy = quiet;
        noisy[..20].fill(1000.0);
        assert_eq!(typical(&quiet), typical(&noisy));
    }

    #[test]
    fn a_ratio_comes_with_its_spread() {
        let ours = [1.0, 2.0, 1.0, 1.0].repeat(10);
        let theirs = [4.0; 40];
        let (ratio, (low, high)) = ratio(&ours, &theirs);
        assert_eq!((ratio, low, high), (0.25, 0.25, 0.5));
    }
}
