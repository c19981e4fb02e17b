//! Codes in two halves: a search reads the upper halves of all rows, and the
//! lower ones of the few rows that these leave over.
//!
//! A code c, which is its byte b less 128, is 16·u + l − 128 with the upper
//! half u and the lower half l. Where l is not known, 8 stands for it.

use super::kernel::{BLOCK, LANES};

/// What stands for a lower half that is not known.
pub(super) const MIDDLE: i32 = 8;

/// Writes the halves of some codes, of which the last block may be short, and
/// says how far the upper ones are from all: the sum of the squares.
#[inline(always)]
pub(super) fn split(codes: &[u8], upper: &mut [u8], lower: &mut [u8]) -> u32 {
    let mut squares = 0;
    let blocks_of = upper.as_chunks_mut().0.iter_mut().zip(lower.as_chunks_mut().0);
    let (blocks, rest) = codes.as_chunks::<LANES>();
    let mut last = [0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(&last);
    for (block, (upper, lower)) in blocks.iter().chain(last).zip(blocks_of) {
        squares += split_block(block, upper, lower);
    }
    // What was put behind the last code is no part of the row.
    let put = codes.len().next_multiple_of(LANES) - codes.len();
    squares - (0..put).map(|_| square(0)).sum::<u32>()
}

#[inline(always)]
fn split_block(codes: &[u8; LANES], upper: &mut [u8; BLOCK], lower: &mut [u8; BLOCK]) -> u32 {
    let (first, second) = codes.split_at(BLOCK);
    let mut squares = 0;
    for at in 0..BLOCK {
        let (a, b) = (first[at], second[at]);
        upper[at] = (a >> 4) | (b & 0xf0);
        lower[at] = (a & 15) | (b << 4);
        squares += square(a & 15) + square(b & 15);
    }
    squares
}

#[inline]
fn square(lower: u8) -> u32 {
    let off = i32::from(lower) - MIDDLE;
    (off * off).cast_unsigned()
}
