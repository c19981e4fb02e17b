//! Some rows of codes in one piece, as they are stored: first what is known of
//! each row, then their codes.

use super::code::{Gauge, ZERO, encode};

/// Rows are padded to a multiple of this many bytes.
const PADDED: usize = 64;

/// For one row: scale, residual, length, whether it is there, square.
pub(super) const GAUGE: usize = 4 + 4 + 4 + 4 + 8;

/// How the rows of a collection lie in its segments; it follows from the
/// dimension alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    dimension: usize,
    stride: usize,
    rows: usize,
}

impl Layout {
    /// The most rows of a segment; their codes take about this much, so that
    /// to make an empty one, or to read one again, is little work.
    const MOST_ROWS: usize = 256;
    const MOST_BYTES: usize = 128 * 1024;

    pub(crate) fn of(dimension: usize) -> Self {
        let stride = stride(dimension);
        let mut rows = Self::MOST_ROWS;
        while rows > 1 && rows * stride > Self::MOST_BYTES {
            rows /= 2;
        }
        Self { dimension, stride, rows }
    }

    /// How many numbers a row has.
    pub(crate) fn dimension(self) -> usize {
        self.dimension
    }

    /// How many rows a segment has.
    pub(crate) fn rows(self) -> usize {
        self.rows
    }

    /// How many bytes a segment has.
    pub(crate) fn bytes(self) -> usize {
        self.rows * (GAUGE + self.stride)
    }

    /// Where what is known of a row stands.
    pub(crate) fn gauge_at(self, row: usize) -> usize {
        row * GAUGE
    }

    /// Where a row's codes stand.
    pub(crate) fn codes_at(self, row: usize) -> usize {
        self.rows * GAUGE + row * self.stride
    }
}

/// A row as it is written: what is known of it, and its codes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) gauge: [u8; GAUGE],
    pub(crate) codes: Vec<u8>,
}

impl Record {
    /// What is known of a row that is not there.
    pub(crate) const GONE: [u8; GAUGE] = [0; GAUGE];

    pub(crate) fn of(vector: &[f32]) -> Self {
        let mut codes = vec![ZERO; stride(vector.len())];
        let gauge = encode(vector, &mut codes);
        Self { gauge: to_bytes(&gauge), codes }
    }
}

/// How many bytes the codes of a vector take where they are stored.
const fn stride(dimension: usize) -> usize {
    dimension.next_multiple_of(PADDED)
}

fn to_bytes(gauge: &Gauge) -> [u8; GAUGE] {
    let mut bytes = [0; GAUGE];
    bytes[0..4].copy_from_slice(&gauge.scale.to_le_bytes());
    bytes[4..8].copy_from_slice(&gauge.residual.to_le_bytes());
    bytes[8..12].copy_from_slice(&gauge.length.to_le_bytes());
    bytes[12..16].copy_from_slice(&1_u32.to_le_bytes());
    bytes[16..24].copy_from_slice(&gauge.squared.to_le_bytes());
    bytes
}

/// What is known of a row; none where there is no entry in it.
#[inline]
pub(super) fn from_bytes(bytes: &[u8; GAUGE]) -> Option<Gauge> {
    let (words, _) = bytes.as_chunks::<4>();
    let single = |at: usize| f32::from_le_bytes(words[at]);
    if words[3] == [0; 4] {
        return None;
    }
    let (longs, _) = bytes.as_chunks::<8>();
    let squared = f64::from_le_bytes(longs[2]);
    Some(Gauge { scale: single(0), residual: single(1), length: single(2), squared })
}
