//! A vector as bytes, and how far they are from it.
//!
//! A vector x becomes x̂ = scale · codes, with the largest of its numbers at
//! ±127. What is left, x − x̂, has a length that is kept; with it the true
//! inner product lies within bounds that are certain:
//! |q·x − q̂·x̂| ≤ |q − q̂| |x̂| + |q| |x − x̂|.

/// What is added to a code so that it is a byte of its own.
pub(crate) const ZERO: u8 = 128;

/// What is known of a vector beside its codes. Lengths are rounded up, so
/// that a bound that is made of them holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gauge {
    /// What a code is worth.
    pub(crate) scale: f32,
    /// The length of what the codes leave out.
    pub(crate) residual: f32,
    /// The length of what the codes stand for.
    pub(crate) length: f32,
    /// The square of the vector's own length.
    pub(crate) squared: f64,
}

/// Codes `vector` into `codes`, which may be longer: the rest is zeros.
pub(crate) fn encode(vector: &[f32], codes: &mut [u8]) -> Gauge {
    codes.fill(ZERO);
    let largest = vector.iter().fold(0.0_f32, |largest, n| largest.max(n.abs()));
    // Where it underflows the codes stand for nothing, and all is residual.
    let scale = largest / 127.0;
    let inverse = if scale.is_normal() { 1.0 / f64::from(scale) } else { 0.0 };
    let scale = if inverse == 0.0 { 0.0 } else { scale };
    let (mut residual, mut length, mut squared) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (&number, code) in vector.iter().zip(codes) {
        let number = f64::from(number);
        let code_of = (number * inverse).clamp(-127.0, 127.0);
        // To the nearest, by way of an integer: `round` is a call where the
        // processor may be any.
        #[expect(clippy::cast_possible_truncation, reason = "it lies from -127.5 to 127.5")]
        let byte = (code_of + 0.5_f64.copysign(code_of)) as i32 as i8;
        *code = byte.cast_unsigned() ^ ZERO;
        let coded = f64::from(byte) * f64::from(scale);
        residual += (number - coded) * (number - coded);
        length += coded * coded;
        squared += number * number;
    }
    Gauge { scale, residual: up(residual.sqrt()), length: up(length.sqrt()), squared }
}

/// A little more than `length`: over its rounding, and over that of the sums
/// that led to it, which are of up to 65,536 terms.
pub(super) fn up(length: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "too large is infinite, and bounds too")]
    let near = (length * (1.0 + 1e-9)) as f32;
    // Of what vanished in f32 something is left.
    near.next_up()
}
