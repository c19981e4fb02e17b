//! The rows of one segment as they are scanned.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::code::{Gauge, up};
use super::kernel::{Kernel, row_bytes};
use super::layout::{GAUGE, Layout, Record, from_bytes};
use super::planes::split;

#[derive(Debug)]
pub(crate) struct Segment {
    layout: Layout,
    gauges: Box<[[u8; GAUGE]]>,
    sketches: Sketches,
    upper: Aligned,
    lower: Aligned,
}

/// What a search by the upper halves needs of each row, for each in a list of
/// its own: so the loop over them takes several at once.
#[derive(Debug, Default)]
pub(super) struct Sketches {
    /// What a code is worth.
    pub(super) scales: Vec<f32>,
    /// The length of what the codes stand for; less than nothing where there
    /// is no entry.
    pub(super) lengths: Vec<f32>,
    /// The length of what the upper halves leave out.
    pub(super) blurs: Vec<f32>,
    /// The square of the vector's own length, or a little less.
    pub(super) squares: Vec<f32>,
}

impl Segment {
    /// One whose stored bytes `fill` writes into a buffer that is as long.
    pub(crate) fn read<E>(
        layout: Layout,
        buffer: &mut Vec<u8>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        buffer.resize(layout.bytes(), 0);
        fill(buffer)?;
        Ok(Self::of(layout, buffer))
    }

    fn of(layout: Layout, stored: &[u8]) -> Self {
        let rows = layout.rows();
        let row_bytes = row_bytes(layout.dimension());
        let (gauges, _) = stored.as_chunks::<GAUGE>();
        let gauges: Box<[_]> = gauges[..rows].into();
        let [mut upper, mut lower] = [(); 2].map(|()| Aligned::zeros(rows * row_bytes));
        let mut sketches = Sketches::default();
        let halves = upper.chunks_exact_mut(row_bytes).zip(lower.chunks_exact_mut(row_bytes));
        Kernel::detect().run(
            #[inline(always)]
            || {
                for ((row, gauge), (upper, lower)) in gauges.iter().enumerate().zip(halves) {
                    let codes = &stored[layout.codes_at(row)..][..layout.dimension()];
                    let gauge = from_bytes(gauge);
                    let squares = if gauge.is_some() { split(codes, upper, lower) } else { 0 };
                    sketches.push(gauge.as_ref(), squares);
                }
            },
        );
        Self { layout, gauges, sketches, upper, lower }
    }

    /// What is known of a row; none where there is no entry in it.
    #[inline]
    pub(crate) fn gauge(&self, row: usize) -> Option<Gauge> {
        from_bytes(self.gauges.get(row)?)
    }

    pub(super) fn sketches(&self) -> &Sketches {
        &self.sketches
    }

    /// The upper halves of some rows' codes, one after the other.
    pub(crate) fn upper(&self, from: usize, rows: usize) -> &[u8] {
        let row_bytes = row_bytes(self.layout.dimension());
        &self.upper[from * row_bytes..(from + rows) * row_bytes]
    }

    /// The lower halves of a row's codes.
    pub(crate) fn lower(&self, row: usize) -> &[u8] {
        let row_bytes = row_bytes(self.layout.dimension());
        &self.lower[row * row_bytes..][..row_bytes]
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// How many bytes each takes in memory.
    pub(crate) fn bytes(layout: Layout) -> usize {
        let row = GAUGE + Sketches::ROW + 2 * row_bytes(layout.dimension());
        layout.rows() * row
    }

    /// Whether a row is as it was written.
    pub(crate) fn holds(&self, row: usize, record: &Record) -> bool {
        let [mut upper, mut lower] = [(); 2].map(|()| vec![0; row_bytes(self.layout.dimension())]);
        let codes = record.codes.get(..self.layout.dimension());
        codes.is_some_and(|codes| {
            split(codes, &mut upper, &mut lower);
            self.gauges[row] == record.gauge
                && self.upper(row, 1) == upper
                && self.lower(row) == lower
        })
    }
}

impl Sketches {
    const ROW: usize = 4 * size_of::<f32>();

    fn push(&mut self, gauge: Option<&Gauge>, squares: u32) {
        let Some(gauge) = gauge else {
            self.scales.push(0.0);
            self.lengths.push(f32::NEG_INFINITY);
            self.blurs.push(0.0);
            self.squares.push(0.0);
            return;
        };
        let left_out = f64::from(gauge.scale) * f64::from(squares).sqrt();
        self.scales.push(gauge.scale);
        self.lengths.push(gauge.length);
        self.blurs.push(up(f64::from(gauge.residual) + left_out));
        // So much less that no rounding of a sum with it matters.
        #[expect(clippy::cast_possible_truncation, reason = "where it is too large, it is less")]
        let square = (gauge.squared * (1.0 - 2e-6)) as f32;
        self.squares.push(square.next_down().clamp(0.0, f32::MAX));
    }
}

/// Bytes that begin where a line of the processor's cache does, so that no row
/// shares one with another: a scan takes a third less then.
struct Aligned {
    /// With some bytes in front.
    buffer: Box<[u8]>,
    start: usize,
}

impl Aligned {
    const LINE: usize = 64;

    fn zeros(len: usize) -> Self {
        let buffer = vec![0; len + Self::LINE].into_boxed_slice();
        let start = buffer.as_ptr().align_offset(Self::LINE).min(Self::LINE);
        Self { buffer, start }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let end = self.buffer.len() - Self::LINE + self.start;
        &self.buffer[self.start..end]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        let end = self.buffer.len() - Self::LINE + self.start;
        &mut self.buffer[self.start..end]
    }
}

impl fmt::Debug for Aligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
