//! A name as three numbers, which are quicker to spread and to compare than
//! its bytes: they are the whole name where it has up to 16 bytes, as names of
//! services do.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    len: usize,
    head: u64,
    tail: u64,
}

impl Key {
    #[inline]
    pub(super) fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (head, tail) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
                (Some(head), Some(tail)) => {
                    (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into())
                }
                _ => (bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)), 0),
            },
        };
        // Of a long name the middle counts, too, or names that differ there
        // alone would all stand in one row.
        let middle = bytes.get(8..bytes.len().saturating_sub(8)).unwrap_or_default();
        let tail = middle
            .iter()
            .fold(tail, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        Self { len: bytes.len(), head, tail }
    }

    /// Whether it says all of the name.
    #[inline]
    pub(super) const fn is_whole(&self) -> bool {
        self.len <= 16
    }

    /// A number that differs much for names that differ little. Names in the
    /// table come from the program, so nobody can choose them to collide.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "any 32 bits serve")]
    pub(super) const fn spread(&self) -> usize {
        // The golden ratio's bits, as in Fibonacci hashing: the product's high
        // bits depend on all bits of the sum.
        let sum = self.head ^ self.tail.rotate_left(29) ^ self.len as u64;
        (sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_sixteen_bytes_differ_wherever_the_names_do() {
        for len in 0..=16 {
            let name = "a".repeat(len);
            for index in 0..len {
                let mut other = name.clone();
                other.replace_range(index..=index, "b");
                assert_ne!(Key::of(&name), Key::of(&other), "{name} {other}");
            }
            assert_ne!(Key::of(&name), Key::of(&format!("{name}a")));
            assert!(Key::of(&name).is_whole());
        }
    }

    #[test]
    fn longer_names_are_compared_as_well() {
        let (one, other) = ("12345678-a-12345678", "12345678-b-12345678");
        assert_ne!(Key::of(one), Key::of(other));
        assert!(!Key::of(one).is_whole());
        assert!(Key::of("1234567890123456").is_whole());
    }
}
