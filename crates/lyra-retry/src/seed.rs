//! Where the randomness of jitter comes from.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The seam for randomness: a seed for each operation that fails.
///
/// All delays of an operation follow from its seed alone.
pub trait SeedSource: Send + Sync {
    /// The seed of one operation.
    fn next_seed(&self) -> u64;
}

/// Another seed for every operation, from the operating system's randomness:
/// the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSeed;

impl SeedSource for SystemSeed {
    fn next_seed(&self) -> u64 {
        // Its keys are random and differ at every call; a generator of our
        // own would be one more dependency for as much.
        RandomState::new().build_hasher().finish()
    }
}

/// The same seed for every operation, so that a schedule can be repeated.
#[derive(Debug, Clone, Copy)]
pub struct FixedSeed(pub u64);

impl SeedSource for FixedSeed {
    fn next_seed(&self) -> u64 {
        self.0
    }
}

/// The random number of an attempt: `SplitMix64` at the position `attempt`, so
/// that a decision depends on the attempt, not on who asked before.
pub(crate) fn draw(seed: u64, attempt: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // The first three that the reference implementation gives for seed 0.
        let expected = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        assert_eq!([1, 2, 3].map(|attempt| draw(0, attempt)), expected);
    }

    #[test]
    fn the_system_gives_another_seed_every_time() {
        assert_ne!(SystemSeed.next_seed(), SystemSeed.next_seed());
        assert_eq!(FixedSeed(7).next_seed(), FixedSeed(7).next_seed());
    }
}
