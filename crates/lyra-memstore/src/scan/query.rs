//! A query as bytes, and what is certain of a row by its codes.

use super::code::{Gauge, ZERO, encode};
use super::kernel::stride;
use crate::Metric;

/// A query, coded like the rows.
#[derive(Debug)]
pub(crate) struct CodedQuery {
    metric: Metric,
    bytes: Vec<i8>,
    words: Vec<i16>,
    /// What the 128 in each code add to a product.
    offset: i32,
    scale: f64,
    /// The lengths of what the codes leave out, and of the whole, rounded up.
    residual: f64,
    length: f64,
    /// By how much a distance, as it is computed in the end, may be off
    /// whatever the row: distances that f64 takes for equal are equal here.
    slack: f64,
}

/// Between what and what a row's score lies. A larger score is nearer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl CodedQuery {
    pub(crate) fn new(metric: Metric, vector: &[f32]) -> Self {
        let mut codes = vec![ZERO; stride(vector.len())];
        let gauge = encode(vector, &mut codes);
        let bytes: Vec<i8> = codes.iter().map(|&code| (code ^ ZERO).cast_signed()).collect();
        let words: Vec<i16> = bytes.iter().map(|&byte| byte.into()).collect();
        let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
        let length = f64::from(super::code::up(gauge.squared.sqrt()));
        Self {
            metric,
            bytes,
            words,
            offset: sum * i32::from(ZERO),
            scale: gauge.scale.into(),
            // The billionth is for what f64 loses, here and in the distance
            // that is computed in the end.
            residual: f64::from(gauge.residual) + 1e-9 * length,
            length,
            slack: match metric {
                Metric::Cosine | Metric::InnerProduct => 1e-15,
                Metric::L2 => 1e-10 * length * length,
            },
        }
    }

    pub(crate) fn stride(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[i8] {
        &self.bytes
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn words(&self) -> &[i16] {
        &self.words
    }

    pub(super) fn offset(&self) -> i32 {
        self.offset
    }

    /// What is certain of a row's score: of the inner product, or of twice
    /// that less the row's own square, which orders rows as the Euclidean
    /// distance does.
    #[inline]
    pub(crate) fn bounds(&self, product: i32, row: &Gauge) -> Bounds {
        let near = f64::from(product) * self.scale * f64::from(row.scale);
        let off = self.residual * f64::from(row.length) + self.length * f64::from(row.residual);
        match self.metric {
            // A cosine ends where the distance does that is made of it.
            Metric::Cosine => {
                let off = off + self.slack;
                Bounds { least: (near - off).min(1.0), most: (near + off).max(-1.0) }
            }
            Metric::InnerProduct => {
                let off = off + self.slack;
                Bounds { least: near - off, most: near + off }
            }
            Metric::L2 => {
                let near = 2.0 * near - row.squared;
                let off = 2.0 * off + 1e-9 * row.squared + self.slack;
                Bounds { least: near - off, most: near + off }
            }
        }
    }
}
