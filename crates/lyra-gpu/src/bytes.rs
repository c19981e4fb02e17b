//! Sizes of memory, as arithmetic and for people to read.

use std::fmt;

/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;

/// 2^30 bytes.
pub const GIB: u64 = 1 << 30;

/// No size is beyond this: a PiB is more than any device has, and far from where
/// sums of sizes overflow.
pub(crate) const LARGEST: u64 = 1 << 50;

/// So many parts of a hundred of `total`, rounded down.
pub(crate) fn percent_of(total: u64, percent: u8) -> u64 {
    let part = u128::from(total) * u128::from(percent) / 100;
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// A size as people write it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            GIB.. => (GIB, "GiB"),
            MIB.. => (MIB, "MiB"),
            1024.. => (1024, "KiB"),
            bytes => return write!(f, "{bytes} B"),
        };
        let tenths = u128::from(self.0) * 10 / u128::from(unit);
        match tenths % 10 {
            0 => write!(f, "{} {name}", tenths / 10),
            tenth => write!(f, "{}.{tenth} {name}", tenths / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well_and_parts_do_not_overflow() {
        assert_eq!(Size(24 * GIB).to_string(), "24 GiB");
        assert_eq!(Size(3 * GIB / 2).to_string(), "1.5 GiB");
        assert_eq!(Size(300 * MIB).to_string(), "300 MiB");
        assert_eq!(Size(MIB / 16).to_string(), "64 KiB");
        assert_eq!(Size(1000).to_string(), "1000 B");
        assert_eq!(percent_of(200, 85), 170);
        assert_eq!(percent_of(u64::MAX, 100), u64::MAX);
    }
}
