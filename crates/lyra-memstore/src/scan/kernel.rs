//! Inner products of one coded query with rows of half codes: the loop in
//! which a search spends its time.
//!
//! A half code is four bits that stand for themselves, a query's number one
//! from -127 to 127. 64 bytes hold 128 of them: the first 64 in the low halves
//! of the bytes, the others in the high ones. Products of so few bits are
//! exact, so all forms of the loop give the same numbers.

use fearless_simd::Level;
#[cfg(target_arch = "x86_64")]
use fearless_simd::Simd as _;

use super::query::CodedQuery;

/// Rows are padded with zeros to a multiple of this many numbers: no form has
/// a rest, and each row begins where a line of the processor's cache does.
pub(crate) const LANES: usize = 128;

/// How many bytes the half codes of a vector take.
pub(crate) const fn row_bytes(dimension: usize) -> usize {
    dimension.div_ceil(LANES) * BLOCK
}

/// The bytes of [`LANES`] half codes.
pub(super) const BLOCK: usize = LANES / 2;

/// The fastest form of the loop that this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kernel {
    #[cfg(target_arch = "x86_64")]
    Vnni(fearless_simd::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(fearless_simd::Avx2),
    Scalar,
}

impl Kernel {
    /// Looks at the processor, which is remembered.
    pub(crate) fn detect() -> Self {
        Self::all().next().unwrap_or(Self::Scalar)
    }

    /// All that run here, the fastest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let level = Level::new();
        #[cfg(target_arch = "x86_64")]
        let fast = [level.as_avx512().map(Self::Vnni), level.as_avx2().map(Self::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let fast: [Option<Self>; 0] = {
            _ = level;
            []
        };
        fast.into_iter().flatten().chain([Self::Scalar])
    }

    /// The inner product of `query` with each row of `halves`, of which there
    /// are as many as `products`.
    ///
    /// # Panics
    ///
    /// If `halves` is not as long as that many rows.
    pub(crate) fn products(self, halves: &[u8], query: &CodedQuery, products: &mut [i32]) {
        let numbers = query.numbers();
        assert_eq!(halves.len() * 2, products.len() * numbers.len(), "as many rows as products");
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(token) => vnni(token, halves, numbers, products),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => avx2(token, halves, numbers, products),
            Self::Scalar => scalar(halves, numbers, products),
        }
    }
}

impl Kernel {
    /// Runs what is inlined into it with the instructions of this form.
    #[inline]
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(token) => token.vectorize(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(work),
            Self::Scalar => work(),
        }
    }
}

/// What the others are held to; elsewhere the compiler makes of it what the
/// processor's base instructions allow.
fn scalar(halves: &[u8], query: &[i8], products: &mut [i32]) {
    let product = |half: u8, number: i8| i32::from(half) * i32::from(number);
    for (row, sum) in halves.chunks_exact(query.len() / 2).zip(products) {
        let blocks = row.chunks_exact(BLOCK).zip(query.chunks_exact(LANES));
        *sum = blocks.fold(0, |sum, (block, numbers)| {
            let (low, high) = numbers.split_at(BLOCK);
            let pairs = block.iter().zip(low).zip(high);
            let terms = pairs.map(|((&b, &l), &h)| product(b & 15, l) + product(b >> 4, h));
            sum + terms.sum::<i32>()
        });
    }
}

#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    fn vnni(token: Avx512, halves: &[u8], query: &[i8], products: &mut [i32]) {
        use std::arch::x86_64::{
            __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_andnot_si512, _mm512_dpbusd_epi32,
            _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_srai_epi32,
        };

        use fearless_simd::{SimdBase, i8x64, u8x64};

        // Four rows share the loads of the query: by that a scan waits for
        // the memory, and not for the instructions.
        const TOGETHER: usize = 4;
        let (query, _) = query.as_chunks::<64>();
        let (query, _) = query.as_chunks::<2>();
        let mask = _mm512_set1_epi8(15);
        let number = |numbers| __m512i::from(i8x64::load_array_ref(token, numbers));
        let add = |[lower, upper]: &mut [__m512i; 2], halves, [low, high]: [__m512i; 2]| {
            let halves = __m512i::from(u8x64::load_array_ref(token, halves));
            *lower = _mm512_dpbusd_epi32(*lower, _mm512_and_si512(halves, mask), low);
            // These stay where they are, and count for 16 times as much: to
            // shift the sum is less work.
            *upper = _mm512_dpbusd_epi32(*upper, _mm512_andnot_si512(mask, halves), high);
        };
        let total = |[lower, upper]: [__m512i; 2]| {
            _mm512_reduce_add_epi32(_mm512_add_epi32(lower, _mm512_srai_epi32::<4>(upper)))
        };
        let (blocks, _) = halves.as_chunks::<64>();
        let (fours, rest) = products.as_chunks_mut::<TOGETHER>();
        let (of_fours, of_rest) = blocks.split_at(fours.len() * TOGETHER * query.len());
        for (rows, products) in of_fours.chunks_exact(TOGETHER * query.len()).zip(fours) {
            let (ab, cd) = rows.split_at(2 * query.len());
            let ((a, b), (c, d)) = (ab.split_at(query.len()), cd.split_at(query.len()));
            let mut sums = [[_mm512_setzero_si512(); 2]; TOGETHER];
            for ((((a, b), c), d), [low, high]) in a.iter().zip(b).zip(c).zip(d).zip(query) {
                let numbers = [number(low), number(high)];
                for (sums, halves) in sums.iter_mut().zip([a, b, c, d]) {
                    add(sums, halves, numbers);
                }
            }
            *products = sums.map(total);
        }
        for (row, product) in of_rest.chunks_exact(query.len()).zip(rest) {
            let mut sums = [_mm512_setzero_si512(); 2];
            for (halves, [low, high]) in row.iter().zip(query) {
                add(&mut sums, halves, [number(low), number(high)]);
            }
            *product = total(sums);
        }
    }
);

#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    fn avx2(token: Avx2, halves: &[u8], query: &[i8], products: &mut [i32]) {
        use std::arch::x86_64::{
            __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi16,
            _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128, _mm256_extracti128_si256,
            _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
            _mm256_setzero_si256, _mm256_srli_epi16,
        };

        use fearless_simd::{SimdBase, i8x32, u8x32};

        let (query, _) = query.as_chunks::<32>();
        let (query, _) = query.as_chunks::<4>();
        let (mask, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        let rows = halves.chunks_exact(query.len() * 64);
        for (row, product) in rows.zip(products) {
            let (row, _) = row.as_chunks::<32>();
            let (row, _) = row.as_chunks::<2>();
            let mut sums = [_mm256_setzero_si256(); 2];
            for (block, numbers) in row.iter().zip(query) {
                for at in 0..2 {
                    let halves: __m256i = u8x32::load_array_ref(token, &block[at]).into();
                    let low: __m256i = i8x32::load_array_ref(token, &numbers[at]).into();
                    let high: __m256i = i8x32::load_array_ref(token, &numbers[at + 2]).into();
                    let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(halves), mask);
                    let lower = _mm256_and_si256(halves, mask);
                    // Four products of at most 15 * 127 do not saturate.
                    let terms = _mm256_add_epi16(
                        _mm256_maddubs_epi16(lower, low),
                        _mm256_maddubs_epi16(upper, high),
                    );
                    sums[at] = _mm256_add_epi32(sums[at], _mm256_madd_epi16(terms, ones));
                }
            }
            let sum = _mm256_add_epi32(sums[0], sums[1]);
            let half =
                _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b_01_00_11_10>(half));
            let last = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b_10_11_00_01>(quarter));
            *product = _mm_cvtsi128_si32(last);
        }
    }
);
