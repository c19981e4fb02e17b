/// The growth from one delay to the next, with 32 binary digits behind the
/// point, so that a schedule is the same on every machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor(u64);

impl Factor {
    const FRACTION: u32 = 32;

    /// From 1 to 1,000; that was checked.
    pub(crate) fn new(factor: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 1,000 × 2^32, and not negative"
        )]
        Self((factor * (1u64 << Self::FRACTION) as f64).round() as u64)
    }

    pub(crate) fn get(self) -> f64 {
        self.0 as f64 / (1u64 << Self::FRACTION) as f64
    }

    /// `base` after so many steps of growth, rounded down; the largest number
    /// where it is more.
    ///
    /// By squares, so that the delay of a call that is retried for years costs
    /// as little as the first, however close to 1 the factor is.
    pub(crate) fn grow(self, base: u64, steps: u32) -> u64 {
        let mut growth = Growth::NONE;
        let mut square = Growth(u128::from(self.0) << (Growth::FRACTION - Self::FRACTION));
        let mut left = steps;
        while left > 0 {
            if left & 1 == 1 {
                growth = growth.times(square);
            }
            square = square.times(square);
            left >>= 1;
        }
        growth.of(base)
    }
}

/// A number from 1 to 2^64, with 64 binary digits behind the point. Rounded
/// down at each multiplication, the growth of 2^32 steps is too small by about
/// 2^-32 of it: no more than what the smallest factor grows by in one.
#[derive(Clone, Copy)]
struct Growth(u128);

impl Growth {
    const FRACTION: u32 = 64;
    const NONE: Self = Self(1 << Self::FRACTION);

    fn times(self, other: Self) -> Self {
        let ((whole, part), (other_whole, other_part)) = (self.halves(), other.halves());
        let wholes = whole * other_whole;
        if wholes >> Self::FRACTION != 0 {
            return Self(u128::MAX);
        }
        let mixed = (whole * other_part).saturating_add(part * other_whole);
        let parts = (part * other_part) >> Self::FRACTION;
        Self((wholes << Self::FRACTION).saturating_add(mixed).saturating_add(parts))
    }

    fn of(self, base: u64) -> u64 {
        let (whole, part) = self.halves();
        let base = u128::from(base);
        let grown = (base * whole).saturating_add((base * part) >> Self::FRACTION);
        u64::try_from(grown).unwrap_or(u64::MAX)
    }

    /// What stands before the point, and what behind it. A product of two such
    /// halves fits.
    fn halves(self) -> (u128, u128) {
        (self.0 >> Self::FRACTION, self.0 & u128::from(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_factors_grow_exactly() {
        assert_eq!(Factor::new(2.0).grow(3, 40), 3 << 40);
        assert_eq!(Factor::new(1_000.0).grow(7, 5), 7_000_000_000_000_000);
        assert_eq!(Factor::new(1.0).grow(u64::MAX, u32::MAX), u64::MAX);
        assert_eq!(Factor::new(1.5).grow(16, 4), 81);
    }

    #[test]
    fn a_broken_factor_grows_as_floating_point_says() {
        for factor in [1.000_001, 1.1, 1.618_033_988_75, 2.7] {
            let factor = Factor::new(factor);
            for steps in [0, 1, 2, 3, 10, 20] {
                let exact = 1e9 * factor.get().powi(steps);
                let grown = factor.grow(1_000_000_000, steps.unsigned_abs()) as f64;
                assert!((grown - exact).abs() <= 2.0 + exact * 1e-12, "{grown} {exact}");
            }
        }
    }

    #[test]
    fn it_never_shrinks_and_saturates() {
        for factor in [1.0, 1.0 + f64::powi(2.0, -31), 1.000_000_1, 1.01, 2.0, 999.9] {
            let factor = Factor::new(factor);
            for base in [1, 1_000_000_007, u64::MAX / 3] {
                // Step by step at first, then in leaps to the end.
                let steps = (0..5_000).chain((13..=32).map(|bits| u32::MAX >> (32 - bits)));
                let grown: Vec<u64> = steps.map(|steps| factor.grow(base, steps)).collect();
                assert!(grown.is_sorted(), "{factor:?} {base}");
                assert_eq!(grown[0], base);
                if factor.get() > 1.000_000_05 {
                    assert_eq!(grown.last(), Some(&u64::MAX), "{factor:?} {base}");
                }
            }
        }
    }
}
