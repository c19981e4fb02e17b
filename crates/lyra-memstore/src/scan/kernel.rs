//! Inner products of one coded query with rows of codes: the loop in which a
//! search spends its time.
//!
//! A code is a byte from 1 to 255 that stands for itself less 128, a query's
//! number one from -127 to 127. That is what the processors' instruction for
//! it takes; the 128 are one constant for all rows of a query. Products of
//! bytes are exact, so all forms of the loop give the same numbers.

use fearless_simd::Level;

use super::query::CodedQuery;

/// Rows are padded with zeros to a multiple of this: no form has a rest.
pub(crate) const LANES: usize = 64;

/// How many bytes the codes of a vector take.
pub(crate) const fn stride(dimension: usize) -> usize {
    dimension.next_multiple_of(LANES)
}

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

    /// The inner product of `query` with each row of `codes`, of which there
    /// are as many as `products`.
    ///
    /// # Panics
    ///
    /// If `codes` is not as long as that many rows.
    pub(crate) fn products(self, codes: &[u8], query: &CodedQuery, products: &mut [i32]) {
        assert_eq!(codes.len(), products.len() * query.stride(), "as many rows as products");
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(token) => vnni(token, codes, query.bytes(), products),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => avx2(token, codes, query.words(), products),
            Self::Scalar => scalar(codes, query.bytes(), products),
        }
        for product in products {
            *product -= query.offset();
        }
    }
}

/// What the others are held to; elsewhere the compiler makes of it what the
/// processor's base instructions allow.
fn scalar(codes: &[u8], query: &[i8], products: &mut [i32]) {
    for (row, product) in codes.chunks_exact(query.len()).zip(products) {
        let terms = row.iter().zip(query).map(|(&code, &q)| i32::from(code) * i32::from(q));
        *product = terms.sum();
    }
}

#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    fn vnni(token: Avx512, codes: &[u8], query: &[i8], products: &mut [i32]) {
        use std::arch::x86_64::{
            __m512i, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_reduce_add_epi32,
            _mm512_setzero_si512,
        };

        use fearless_simd::{SimdBase, i8x64, u8x64};

        let (query, _) = query.as_chunks::<64>();
        let rows = codes.chunks_exact(query.len() * 64);
        for (row, product) in rows.zip(products) {
            let (row, _) = row.as_chunks::<64>();
            // Two sums, since the instruction waits for the one before.
            let mut sums = [_mm512_setzero_si512(); 2];
            for (at, (codes, numbers)) in row.iter().zip(query).enumerate() {
                let codes: __m512i = u8x64::load_array_ref(token, codes).into();
                let numbers: __m512i = i8x64::load_array_ref(token, numbers).into();
                sums[at % 2] = _mm512_dpbusd_epi32(sums[at % 2], codes, numbers);
            }
            *product = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
        }
    }
);

#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    fn avx2(token: Avx2, codes: &[u8], query: &[i16], products: &mut [i32]) {
        use std::arch::x86_64::{
            __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32,
            _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepu8_epi16,
            _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_setzero_si256,
        };

        use fearless_simd::{SimdBase, i16x16, u8x16};

        let (query, _) = query.as_chunks::<16>();
        let rows = codes.chunks_exact(query.len() * 16);
        for (row, product) in rows.zip(products) {
            let (row, _) = row.as_chunks::<16>();
            let mut sums = [_mm256_setzero_si256(); 4];
            for (at, (codes, numbers)) in row.iter().zip(query).enumerate() {
                let codes: __m128i = u8x16::load_array_ref(token, codes).into();
                let numbers: __m256i = i16x16::load_array_ref(token, numbers).into();
                // In 16 bits nothing saturates, as it would in the byte form.
                let terms = _mm256_madd_epi16(_mm256_cvtepu8_epi16(codes), numbers);
                sums[at % 4] = _mm256_add_epi32(sums[at % 4], terms);
            }
            let pairs = [_mm256_add_epi32(sums[0], sums[1]), _mm256_add_epi32(sums[2], sums[3])];
            let sum = _mm256_add_epi32(pairs[0], pairs[1]);
            let half =
                _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b_01_00_11_10>(half));
            let last = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b_10_11_00_01>(quarter));
            *product = _mm_cvtsi128_si32(last);
        }
    }
);
