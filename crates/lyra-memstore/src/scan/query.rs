//! A query as bytes, and what is certain of a row by its codes.

use super::code::{Gauge, ZERO, encode, up};
use super::kernel::{Kernel, LANES};
use super::planes::MIDDLE;
use super::segment::Sketches;
use crate::Metric;

/// A query, coded like the rows.
#[derive(Debug)]
pub(crate) struct CodedQuery {
    metric: Metric,
    numbers: Vec<i8>,
    /// Their sum: what a constant in each code adds to a product.
    sum: i32,
    scale: f64,
    /// The lengths of what the codes leave out, and of the whole, rounded up.
    residual: f64,
    length: f64,
    /// By how much a distance, as it is computed in the end, may be off
    /// whatever the row: distances that f64 takes for equal are equal here.
    slack: f64,
    sketch: Sketch,
}

/// What is needed for bounds by upper halves alone, in f32.
#[derive(Debug)]
struct Sketch {
    scale: f32,
    /// What a row's length, and what its halves leave out, count for.
    of_length: f32,
    of_blur: f32,
    slack: f32,
}

/// Between what and what a row's score lies. A larger score is nearer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl CodedQuery {
    pub(crate) fn new(metric: Metric, vector: &[f32]) -> Self {
        let mut codes = vec![ZERO; vector.len().next_multiple_of(LANES)];
        let gauge = encode(vector, &mut codes);
        let numbers: Vec<i8> = codes.iter().map(|&code| (code ^ ZERO).cast_signed()).collect();
        let length = f64::from(up(gauge.squared.sqrt()));
        // The billionth is for what f64 loses, here and in the distance that
        // is computed in the end.
        let residual = f64::from(gauge.residual) + 1e-9 * length;
        let slack = match metric {
            Metric::Cosine | Metric::InnerProduct => 1e-15,
            Metric::L2 => 1e-10 * length * length,
        };
        Self {
            metric,
            sum: numbers.iter().map(|&number| i32::from(number)).sum(),
            numbers,
            scale: gauge.scale.into(),
            residual,
            length,
            slack,
            sketch: Sketch::new(&gauge, residual, length, slack),
        }
    }

    pub(super) fn numbers(&self) -> &[i8] {
        &self.numbers
    }

    /// The product of the codes, where that with their upper halves is
    /// `upper` and that with their lower ones `lower`.
    pub(crate) fn product(&self, upper: i32, lower: i32) -> i32 {
        // Each of the sums is small enough; one on the way may not be.
        let high = upper.wrapping_mul(16).wrapping_sub(self.sum.wrapping_mul(ZERO.into()));
        high.wrapping_add(lower)
    }

    /// The largest score that is possible for each row by the upper halves of
    /// its codes; infinite where that can't be told.
    pub(super) fn sketch(
        &self,
        kernel: Kernel,
        upper: &[i32],
        from: usize,
        rows: &Sketches,
        most: &mut [f32],
    ) {
        let range = from..from + upper.len();
        let rows = [&rows.scales, &rows.lengths, &rows.blurs, &rows.squares];
        let rows = rows.map(|values| &values[range.clone()]);
        let middle = self.sum.wrapping_mul(i32::from(ZERO) - MIDDLE);
        kernel.run(
            #[inline(always)]
            || match self.metric {
                Metric::Cosine | Metric::InnerProduct => {
                    self.sketch.products(upper, middle, rows, most);
                }
                Metric::L2 => self.sketch.distances(upper, middle, rows, most),
            },
        );
    }

    /// What a row must be able to reach by its sketch, if its score is to
    /// reach `threshold`.
    pub(super) fn sketch_threshold(&self, threshold: f64) -> f32 {
        // No cosine is less.
        if matches!(self.metric, Metric::Cosine) && threshold <= -1.0 {
            return f32::NEG_INFINITY;
        }
        #[expect(clippy::cast_possible_truncation, reason = "less is right too")]
        let near = threshold as f32;
        near.next_down()
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

/// Loops over the rows, to be compiled for the processor at hand: all of them
/// is inlined where they are called.
impl Sketch {
    #[inline(always)]
    fn products(&self, upper: &[i32], middle: i32, rows: [&[f32]; 4], most: &mut [f32]) {
        let [scales, lengths, blurs, _] = rows.map(|values| &values[..upper.len()]);
        let most = &mut most[..upper.len()];
        for at in 0..upper.len() {
            let product = self.product(upper[at], middle, scales[at], lengths[at], blurs[at]);
            most[at] = told(product + self.slack);
        }
    }

    #[inline(always)]
    fn distances(&self, upper: &[i32], middle: i32, rows: [&[f32]; 4], most: &mut [f32]) {
        let [scales, lengths, blurs, squares] = rows.map(|values| &values[..upper.len()]);
        let most = &mut most[..upper.len()];
        for at in 0..upper.len() {
            let product = self.product(upper[at], middle, scales[at], lengths[at], blurs[at]);
            most[at] = told(2.0 * product - squares[at] + self.slack);
        }
    }

    /// The largest inner product that is possible.
    #[inline(always)]
    fn product(&self, upper: i32, middle: i32, scale: f32, length: f32, blur: f32) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "what is lost is within the bound")]
        let near = upper.wrapping_mul(16).wrapping_sub(middle) as f32;
        near * self.scale * scale + self.of_length * length + self.of_blur * blur
    }
}

/// What is not a number tells nothing: then it may be any. (Of that and a
/// number `min` gives the number.)
#[inline(always)]
fn told(score: f32) -> f32 {
    score.min(f32::INFINITY)
}

impl Sketch {
    fn new(query: &Gauge, residual: f64, length: f64, slack: f64) -> Self {
        // Of what lies within a bound: the sums in f32 are off by less than a
        // millionth of their terms, none of which is more than this times the
        // row's length and what its halves leave out.
        let length = length.max(query.length.into());
        Self {
            scale: query.scale,
            of_length: up((residual + 1e-6 * length) * (1.0 + 1e-6)),
            of_blur: up(length * (1.0 + 2e-6)),
            // Products that are next to nothing vanish altogether.
            slack: up(slack) + 8.0 * f32::MIN_POSITIVE,
        }
    }
}
